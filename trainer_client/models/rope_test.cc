#include "trainer_client/models/rope.h"

#include <cmath>
#include <vector>

#include "ATen/TensorOperators.h"
#include "ATen/ops/rand.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

// The expected frequencies are those of transformers 5.23.0 for a head of 16 dimensions.
void ExpectFrequencies(const RopeConfig& config, const std::vector<double>& expected, int64_t length = 8) {
  const at::Tensor frequencies = RotaryEmbedding(config, 16).FrequenciesFor(length);
  ASSERT_EQ(frequencies.size(0), 8);
  for (int i = 0; i < 8; ++i) {
    EXPECT_NEAR(frequencies[i].item<double>(), expected[i], 2e-7 * expected[i]) << i;
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
                     .original_max_position_embeddings = 64,
                     .low_freq_factor = 1,
                     .high_freq_factor = 4},
                    {1.0, 0.079403013, 0.00470075384, 0.000911583134, 0.000176776681, 3.42810235e-05, 6.64786967e-06,
                     1.28917316e-06});
}

TEST(RotaryEmbeddingTest, DynamicScalingActsOnLongSequencesAlone) {
  const RopeConfig config = {
      .type = RopeConfig::Type::kDynamic, .theta = 10000, .factor = 3, .max_position_embeddings = 64};
  ExpectFrequencies(
      config,
      {1.0, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786, 0.00100000005, 0.000316227786}, 64);
  ExpectFrequencies(
      config,
      {1.0, 0.27457723, 0.0753926486, 0.0207011048, 0.00568405166, 0.00156071107, 0.000428535714, 0.000117666146}, 100);
}

TEST(RotaryEmbeddingTest, YarnGoesFromKeptToStretchedWavesInARamp) {
  RopeConfig config = {.type = RopeConfig::Type::kYarn, .theta = 10000, .factor = 40};
  config.original_max_position_embeddings = 4096;
  ExpectFrequencies(config, {1.0, 0.316227764, 0.100000001, 0.0239147246, 0.00512499968, 0.000849862176, 2.49999994e-05,
                             7.90569447e-06});
  config.factor = 4;
  config.original_max_position_embeddings = 16;
  ExpectFrequencies(config, {1.0, 0.079056941, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466,
                             0.000250000012, 7.90569466e-05});
  config.beta_fast = 4;
  config.beta_slow = 0.5;
  config.truncate = false;
  ExpectFrequencies(config, {1.0, 0.14849025, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466,
                             0.000250000012, 7.90569466e-05});
}

TEST(RotaryEmbeddingTest, LongRopeTakesOtherFactorsBeyondTheOriginalContext) {
  RopeConfig config = {.type = RopeConfig::Type::kLongRope, .theta = 10000};
  config.original_max_position_embeddings = 16;
  for (int i = 0; i < 8; ++i) {
    config.short_factor.push_back(1 + 0.1 * i);
    config.long_factor.push_back(1 + 0.5 * i);
  }
  ExpectFrequencies(
      config,
      {1.0, 0.287479758, 0.0833333358, 0.0243252143, 0.00714285718, 0.00210818532, 0.000624999986, 0.000186016332}, 16);
  ExpectFrequencies(
      config,
      {1.0, 0.210818499, 0.0500000007, 0.0126491114, 0.00333333341, 0.000903507927, 0.000250000012, 7.02728357e-05},
      17);
}

TEST(RotaryEmbeddingTest, TheAttentionFactorMultipliesCosinesAndSines) {
  RopeConfig config = {.type = RopeConfig::Type::kYarn, .theta = 10000, .factor = 4, .attention_factor = 1.25};
  config.original_max_position_embeddings = 16;
  const at::Tensor like = at::rand({1});
  const RotaryEmbedding::Angles scaled = RotaryEmbedding(config, 16).AnglesFor(5, like);
  config.attention_factor = 1;
  const RotaryEmbedding::Angles plain = RotaryEmbedding(config, 16).AnglesFor(5, like);
  EXPECT_TRUE(scaled.cosines.equal(plain.cosines * 1.25));
  EXPECT_TRUE(scaled.sines.equal(plain.sines * 1.25));
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
