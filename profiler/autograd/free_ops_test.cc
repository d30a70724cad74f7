#include "profiler/autograd/free_ops.h"

#include "gtest/gtest.h"

namespace greenplan::profiler {
namespace {

TEST(IsFreeOpTest, KnowsViewsElementwiseWorkReductionsAndLookUps) {
  for (const char* stem : {"View", "T", "Mul", "Gelu", "Softmax", "NativeLayerNorm", "Embedding", "NllLoss"}) {
    EXPECT_TRUE(IsFreeOp(stem)) << stem;
  }
}

TEST(IsFreeOpTest, DoesNotKnowWhatMayMultiplyMatrices) {
  for (const char* stem : {"Mm", "Convolution", "ScaledDotProductFlashAttention", "LinalgSolveEx", "CudnnRnn",
                           "MkldnnRnnLayer", "Cdist", "Trilinear", "MyFunction", ""}) {
    EXPECT_FALSE(IsFreeOp(stem)) << stem;
  }
}

}  // namespace
}  // namespace greenplan::profiler
