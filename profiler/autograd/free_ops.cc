#include "profiler/autograd/free_ops.h"

#include "absl/container/flat_hash_set.h"

namespace greenplan::profiler {
namespace {

// clang-format off
constexpr std::string_view kFreeOps[] = {
    // Views, copies, layout and data movement.
    "Alias", "AsStrided", "AsStridedScatter", "BlockDiag", "Cat", "ChannelShuffle", "Chunk", "Clone", "Col2Im",
    "Complex", "Conj", "ConjPhysical", "ConstantPadNd", "DiagEmbed", "Diagonal", "DiagonalScatter", "Expand",
    "Fill", "Flip", "Im2Col", "LazyClone", "Lift", "LiftFresh", "NarrowCopy", "NegView", "PackPaddedSequence",
    "Permute", "PinMemory", "PixelShuffle", "PixelUnshuffle", "ReflectionPad1D", "ReflectionPad2D",
    "ReflectionPad3D", "Repeat", "ReplicationPad1D", "ReplicationPad2D", "ReplicationPad3D", "ReshapeAlias",
    "ReshapeCopy", "Roll", "Rot90", "Select", "SelectScatter", "Slice", "SliceInverse", "SliceScatter", "Split",
    "SplitWithSizes", "Squeeze", "Stack", "T", "ToCopy", "Transpose", "Tril", "Triu", "Unbind", "Unfold",
    "UnsafeSplit", "UnsafeSplitWithSizes", "UnsafeView", "Unsqueeze", "View", "ViewAsComplex", "ViewAsReal",
    "Where", "Zero",

    // Look-ups, gathers, scatters, selections and sorts.
    "Embedding", "EmbeddingBag", "EmbeddingRenorm", "Gather", "Index", "IndexAdd", "IndexCopy", "IndexFill",
    "IndexPut", "IndexPutImpl", "IndexReduce", "IndexSelect", "Kthvalue", "MaskedFill", "MaskedScatter",
    "MaskedSelect", "Mode", "Put", "Scatter", "ScatterAdd", "ScatterReduce", "SegmentReduce", "Sort", "Take",
    "Topk", "UnsafeIndex", "UnsafeIndexPut", "UnsafeMaskedIndex", "UnsafeMaskedIndexPutAccumulate",

    // Elementwise arithmetic.
    "Abs", "Acos", "Acosh", "Add", "Addcdiv", "Addcmul", "Angle", "Asin", "Asinh", "Atan", "Atan2", "Atanh", "Ceil",
    "Clamp", "ClampMax", "ClampMin", "Copysign", "Cos", "Cosh", "Deg2Rad", "Digamma", "Div", "Erf", "Erfc",
    "Erfinv", "Exp", "Exp2", "Expm1", "Floor", "Fmax", "Fmin", "Fmod", "Frac", "Frexp", "Hypot", "I0", "Ldexp",
    "Lerp", "Lgamma", "LinalgCross", "Log", "Log10", "Log1P", "Log2", "Logaddexp", "Logaddexp2", "Logit", "Maximum",
    "Minimum", "Mul", "Mvlgamma", "NanToNum", "Neg", "Polar", "Polygamma", "Pow", "Rad2Deg", "Reciprocal",
    "Remainder", "Round", "Rsqrt", "Rsub", "Sgn", "Sign", "Sin", "Sinc", "Sinh", "SpecialEntr", "SpecialErfcx",
    "SpecialI0E", "SpecialI1", "SpecialI1E", "SpecialLogNdtr", "SpecialNdtri", "SpecialXlog1Py", "SpecialZeta",
    "Sqrt", "Sub", "Tan", "Tanh", "Trunc", "Xlogy",

    // Activations, dropout and noise.
    "Bernoulli", "Celu", "Elu", "FusedDropout", "Gelu", "Glu", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh",
    "LeakyRelu", "LogSigmoid", "Mish", "NativeDropout", "Normal", "PreluKernel", "Relu", "RreluWithNoise",
    "RreluWithNoiseFunctional", "Sigmoid", "Silu", "Softplus", "Softshrink", "Threshold", "Uniform",

    // Reductions, scans and norms.
    "Amax", "Amin", "Aminmax", "BatchNormNoUpdate", "BatchNormWithUpdate", "Cummax", "Cummin", "Cumprod", "Cumsum",
    "CudnnBatchNorm", "Dist", "FusedRmsNorm", "LinalgVectorNorm", "LogSoftmax", "Logcumsumexp", "Logsumexp",
    "MaskedSoftmax", "Max", "Mean", "Median", "Min", "MiopenBatchNorm", "Nanmedian", "Nansum", "NativeBatchNorm",
    "NativeBatchNormLegit", "NativeBatchNormLegitNoTraining", "NativeGroupNorm", "NativeLayerNorm", "Norm", "Prod",
    "Renorm", "SafeSoftmax", "Softmax", "Std", "StdMean", "Sum", "Trace", "Var", "VarMean", "WeightNormInterface",

    // Pooling, resampling and transforms.
    "AdaptiveAvgPool2D", "AdaptiveAvgPool3D", "AdaptiveMaxPool2D", "AdaptiveMaxPool3D", "AvgPool2D", "AvgPool3D",
    "FftC2C", "FftC2R", "FftR2C", "FractionalMaxPool2D", "FractionalMaxPool3D", "GridSampler2D",
    "GridSampler2DCpuFallback", "GridSampler3D", "MaxPool2D", "MaxPool2DWithIndices", "MaxPool3DWithIndices",
    "MaxUnpool2D", "MaxUnpool3D", "UpsampleBicubic2D", "UpsampleBicubic2DAa", "UpsampleBilinear2D",
    "UpsampleBilinear2DAa", "UpsampleLanczos2DAa", "UpsampleLinear1D", "UpsampleNearest1D", "UpsampleNearest2D",
    "UpsampleNearest3D", "UpsampleNearestExact1D", "UpsampleNearestExact2D", "UpsampleNearestExact3D",
    "UpsampleTrilinear3D",

    // The gates of a recurrent cell. Its products are separate nodes.
    "ThnnFusedGruCell", "ThnnFusedLstmCell",

    // Losses and fake quantisation.
    "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits", "CtcLoss", "CudnnCtcLoss",
    "FakeQuantizeLearnablePerChannelAffine", "FakeQuantizeLearnablePerTensorAffine",
    "FakeQuantizePerChannelAffineCachemask", "FakeQuantizePerTensorAffineCachemask",
    "FakeQuantizePerTensorAffineCachemaskTensorQparams", "FusedMovingAvgObsFqHelper", "HuberLoss", "MseLoss",
    "MultiMarginLoss", "MultilabelMarginLoss", "NllLoss", "NllLoss2D", "SmoothL1Loss", "SoftMarginLoss",
};
// clang-format on

}  // namespace

bool IsFreeOp(std::string_view stem) {
  static const auto& ops = *new absl::flat_hash_set<std::string_view>(std::begin(kFreeOps), std::end(kFreeOps));
  return ops.contains(stem);
}

}  // namespace greenplan::profiler
