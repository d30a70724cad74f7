#include "trainer_client/models/rope.h"

#include <cmath>
#include <vector>

#include "ATen/ops/rand.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

// The expected frequencies are those of transformers 5.23.0 for a head of 16 dimensions.
void ExpectFrequencies(const RopeConfig& config, const std::vector<double>& expected) {
  const RotaryEmbedding rotary(config, 16);
  ASSERT_EQ(rotary.frequencies().size(0), 8);
  for (int i = 0; i < 8; ++i) {
    EXPECT_NEAR(rotary.frequencies()[i].item<double>(), expected[i], 1e-7 * expected[i]) << i;
  }
}

TEST(RotaryEmbeddingTest, FrequenciesFallGeometricallyFromOne) {
  ExpectFrequencies({.theta = 10000}, {1.0, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786,
                                       0.00100000005, 0.000316227786});
}

TEST(RotaryEmbeddingTest, LinearScalingDividesFrequencies) {
  ExpectFrequencies(
      {.type = RopeConfig::Type::kLinear, .theta = 10000, .factor = 4},
      {0.25, 0.079056941, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012, 7.90569466e-05});
}

TEST(RotaryEmbeddingTest, Llama3StretchesLongWavesAndBlendsMediumOnes) {
  ExpectFrequencies({.type = RopeConfig::Type::kLlama3,
                     .theta = 500000,
                     .factor = 8,
                     .low_freq_factor = 1,
                     .high_freq_factor = 4,
                     .original_max_position_embeddings = 64},
                    {1.0, 0.079403013, 0.00470075384, 0.000911583134, 0.000176776681, 3.42810235e-05, 6.64786967e-06,
                     1.28917316e-06});
}

TEST(ApplyRotaryTest, RotatesEveryPairOfDimensionsByPositionTimesFrequency) {
  const RotaryEmbedding rotary({.theta = 100}, 4);
  const at::Tensor x = at::rand({1, 2, 5, 4});
  const at::Tensor turned = ApplyRotary(x, rotary.AnglesFor(5, x));
  for (int64_t head = 0; head < 2; ++head) {
    for (int64_t position = 0; position < 5; ++position) {
      for (int64_t i = 0; i < 2; ++i) {
        const double angle = static_cast<double>(position) * std::pow(100, -0.5 * static_cast<double>(i));
        const double a = x[0][head][position][i].item<double>(), b = x[0][head][position][i + 2].item<double>();
        const at::Tensor result = turned[0][head][position];
        EXPECT_NEAR(result[i].item<double>(), a * std::cos(angle) - b * std::sin(angle), 1e-6);
        EXPECT_NEAR(result[i + 2].item<double>(), b * std::cos(angle) + a * std::sin(angle), 1e-6);
      }
    }
  }
}

}  // namespace
}  // namespace greenplan::trainer
