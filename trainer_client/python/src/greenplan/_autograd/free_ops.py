"""Which autograd nodes are known to do no matrix product in backward."""

from __future__ import annotations

# Views, elementwise work, reductions, look-ups, norms, pooling and losses, which cost 0 FLOPs by convention; by the
# node's name without "Backward" and what follows it: "Add" for AddBackward0. An allow-list, on purpose: what is not on
# it is refused by name instead of pricing hidden products at 0. It is the list of profiler/autograd/free_ops.cc.
# fmt: off
FREE_OPS = frozenset(
    {
        # Views, copies, layout and data movement.
        "Alias", "AsStrided", "AsStridedScatter", "BlockDiag", "Cat", "ChannelShuffle", "Chunk", "Clone", "Col2Im",
        "Complex", "Conj", "ConjPhysical", "ConstantPadNd", "DiagEmbed", "Diagonal", "DiagonalScatter", "Expand",
        "Fill", "Flip", "Im2Col", "LazyClone", "Lift", "LiftFresh", "NarrowCopy", "NegView", "PackPaddedSequence",
        "Permute", "PinMemory", "PixelShuffle", "PixelUnshuffle", "ReflectionPad1D", "ReflectionPad2D",
        "ReflectionPad3D", "Repeat", "ReplicationPad1D", "ReplicationPad2D", "ReplicationPad3D", "ReshapeAlias",
        "ReshapeCopy", "Roll", "Rot90", "Select", "SelectScatter", "Slice", "SliceInverse", "SliceScatter", "Split",
        "SplitWithSizes", "Squeeze", "Stack", "T", "ToCopy", "Transpose", "Tril", "Triu", "Unbind", "Unfold",
        "UnsafeSplit", "UnsafeSplitWithSizes", "UnsafeView", "Unsqueeze", "View", "ViewAsComplex", "ViewAsReal",
        "Where", "Zero",

        # Look-ups, gathers, scatters, selections and sorts.
        "Embedding", "EmbeddingBag", "EmbeddingRenorm", "Gather", "Index", "IndexAdd", "IndexCopy", "IndexFill",
        "IndexPut", "IndexPutImpl", "IndexReduce", "IndexSelect", "Kthvalue", "MaskedFill", "MaskedScatter",
        "MaskedSelect", "Mode", "Put", "Scatter", "ScatterAdd", "ScatterReduce", "SegmentReduce", "Sort", "Take",
        "Topk", "UnsafeIndex", "UnsafeIndexPut", "UnsafeMaskedIndex", "UnsafeMaskedIndexPutAccumulate",

        # Elementwise arithmetic.
        "Abs", "Acos", "Acosh", "Add", "Addcdiv", "Addcmul", "Angle", "Asin", "Asinh", "Atan", "Atan2", "Atanh", "Ceil",
        "Clamp", "ClampMax", "ClampMin", "Copysign", "Cos", "Cosh", "Deg2Rad", "Digamma", "Div", "Erf", "Erfc",
        "Erfinv", "Exp", "Exp2", "Expm1", "Floor", "Fmax", "Fmin", "Fmod", "Frac", "Frexp", "Hypot", "I0", "Ldexp",
        "Lerp", "Lgamma", "LinalgCross", "Log", "Log10", "Log1P", "Log2", "Logaddexp", "Logaddexp2", "Logit", "Maximum",
        "Minimum", "Mul", "Mvlgamma", "NanToNum", "Neg", "Polar", "Polygamma", "Pow", "Rad2Deg", "Reciprocal",
        "Remainder", "Round", "Rsqrt", "Rsub", "Sgn", "Sign", "Sin", "Sinc", "Sinh", "SpecialEntr", "SpecialErfcx",
        "SpecialI0E", "SpecialI1", "SpecialI1E", "SpecialLogNdtr", "SpecialNdtri", "SpecialXlog1Py", "SpecialZeta",
        "Sqrt", "Sub", "Tan", "Tanh", "Trunc", "Xlogy",

        # Activations, dropout and noise.
        "Bernoulli", "Celu", "Elu", "FusedDropout", "Gelu", "Glu", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh",
        "LeakyRelu", "LogSigmoid", "Mish", "NativeDropout", "Normal", "PreluKernel", "Relu", "RreluWithNoise",
        "RreluWithNoiseFunctional", "Sigmoid", "Silu", "Softplus", "Softshrink", "Threshold", "Uniform",

        # Reductions, scans and norms.
        "Amax", "Amin", "Aminmax", "BatchNormNoUpdate", "BatchNormWithUpdate", "Cummax", "Cummin", "Cumprod", "Cumsum",
        "CudnnBatchNorm", "Dist", "FusedRmsNorm", "LinalgVectorNorm", "LogSoftmax", "Logcumsumexp", "Logsumexp",
        "MaskedSoftmax", "Max", "Mean", "Median", "Min", "MiopenBatchNorm", "Nanmedian", "Nansum", "NativeBatchNorm",
        "NativeBatchNormLegit", "NativeBatchNormLegitNoTraining", "NativeGroupNorm", "NativeLayerNorm", "Norm", "Prod",
        "Renorm", "SafeSoftmax", "Softmax", "Std", "StdMean", "Sum", "Trace", "Var", "VarMean", "WeightNormInterface",

        # Pooling, resampling and transforms.
        "AdaptiveAvgPool2D", "AdaptiveAvgPool3D", "AdaptiveMaxPool2D", "AdaptiveMaxPool3D", "AvgPool2D", "AvgPool3D",
        "FftC2C", "FftC2R", "FftR2C", "FractionalMaxPool2D", "FractionalMaxPool3D", "GridSampler2D",
        "GridSampler2DCpuFallback", "GridSampler3D", "MaxPool2D", "MaxPool2DWithIndices", "MaxPool3DWithIndices",
        "MaxUnpool2D", "MaxUnpool3D", "UpsampleBicubic2D", "UpsampleBicubic2DAa", "UpsampleBilinear2D",
        "UpsampleBilinear2DAa", "UpsampleLanczos2DAa", "UpsampleLinear1D", "UpsampleNearest1D", "UpsampleNearest2D",
        "UpsampleNearest3D", "UpsampleNearestExact1D", "UpsampleNearestExact2D", "UpsampleNearestExact3D",
        "UpsampleTrilinear3D",

        # The gates of a recurrent cell, whose products are nodes of their own.
        "ThnnFusedGruCell", "ThnnFusedLstmCell",

        # Losses and fake quantisation.
        "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits", "CtcLoss", "CudnnCtcLoss",
        "FakeQuantizeLearnablePerChannelAffine", "FakeQuantizeLearnablePerTensorAffine",
        "FakeQuantizePerChannelAffineCachemask", "FakeQuantizePerTensorAffineCachemask",
        "FakeQuantizePerTensorAffineCachemaskTensorQparams", "FusedMovingAvgObsFqHelper", "HuberLoss", "MseLoss",
        "MultiMarginLoss", "MultilabelMarginLoss", "NllLoss", "NllLoss2D", "SmoothL1Loss", "SoftMarginLoss",
    }
)
# fmt: on


def is_free(name: str) -> bool:
    """Whether the node of this name, such as ``"AddBackward0"``, is known to do no matrix product.

    So are views that were copied, such as ``"DiagonalBackward0_copy"``.
    """
    stem, found, version = name.removesuffix("_copy").rpartition("Backward")
    return bool(found) and version.isdigit() and stem in FREE_OPS
