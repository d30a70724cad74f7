#include "trainer_client/models/attention.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "ATen/TensorOperators.h"
#include "ATen/ops/randn.h"
#include "ATen/ops/zeros.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

constexpr int64_t kBatch = 2, kHeads = 4, kHeadDim = 8;

// Computes attention from its definition, element by element.
at::Tensor Reference(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, double scale,
                     int64_t window) {
  const int64_t length = query.size(2), group = query.size(1) / key.size(1);
  at::Tensor output = at::zeros({kBatch, length, kHeads * kHeadDim}, at::kDouble);
  for (int64_t b = 0; b < kBatch; ++b) {
    for (int64_t h = 0; h < kHeads; ++h) {
      for (int64_t t = 0; t < length; ++t) {
        std::vector<double> weights;
        double total = 0;
        const int64_t first = std::max<int64_t>(0, t - window + 1);
        for (int64_t s = first; s <= t; ++s) {
          weights.push_back(std::exp(scale * query[b][h][t].dot(key[b][h / group][s]).item<double>()));
          total += weights.back();
        }
        for (int64_t s = first; s <= t; ++s) {
          output[b][t].narrow(0, h * kHeadDim, kHeadDim).add_(value[b][h / group][s], weights[s - first] / total);
        }
      }
    }
  }
  return output;
}

class AttentionKindTest : public testing::TestWithParam<std::tuple<Attention, int64_t, int64_t, int64_t>> {};

TEST_P(AttentionKindTest, AgreesWithTheDefinition) {
  const auto [attention, key_value_heads, length, window] = GetParam();
  const at::Tensor query = at::randn({kBatch, kHeads, length, kHeadDim});
  const at::Tensor key = at::randn({kBatch, key_value_heads, length, kHeadDim});
  const at::Tensor value = at::randn({kBatch, key_value_heads, length, kHeadDim});
  const at::Tensor output = CausalAttention(attention, query, key, value, {.scale = 0.3, .window = window});
  EXPECT_TRUE(output.to(at::kDouble).allclose(Reference(query, key, value, 0.3, window), 1e-4, 1e-5));
}

INSTANTIATE_TEST_SUITE_P(KindsHeadsLengthsAndWindows, AttentionKindTest,
                         testing::Combine(testing::Values(Attention::kSdpa, Attention::kEager),
                                          testing::Values(1, 2, 4), testing::Values(1, 5),
                                          testing::Values(1, 3, 5, 9)));

TEST(CausalAttentionTest, DropoutZeroesWeightsAndScalesTheRest) {
  // A single position attends only to itself, so its output is its value, either dropped or doubled.
  const at::Tensor x = at::randn({kBatch, kHeads, 1, kHeadDim});
  for (const Attention attention : {Attention::kSdpa, Attention::kEager}) {
    const at::Tensor ratio =
        CausalAttention(attention, x, x, x, {.dropout = 0.5}) / x.transpose(1, 2).reshape({kBatch, 1, -1});
    EXPECT_TRUE(ratio.abs().lt(1e-5).logical_or(ratio.sub(2).abs().lt(1e-5)).all().item<bool>()) << ratio;
  }
}

}  // namespace
}  // namespace greenplan::trainer
