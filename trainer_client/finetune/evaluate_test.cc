#include "trainer_client/finetune/evaluate.h"

#include <cmath>
#include <optional>
#include <string>

#include "ATen/autocast_mode.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/log_softmax.h"
#include "ATen/ops/zeros.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

// Knows nothing of the text but its own first token: logit 1 for the token `favourite`. Counts its forward passes.
class OneTokenLm : public CausalLm {
 public:
  torch::Tensor forward(const torch::Tensor& input_ids) override {
    EXPECT_FALSE(is_training());
    EXPECT_FALSE(at::GradMode::is_enabled());
    ++forward_passes;
    if (at::autocast::is_autocast_enabled(at::kCPU)) ran_in = at::autocast::get_autocast_dtype(at::kCPU);
    at::Tensor logits = at::zeros({input_ids.size(0), input_ids.size(1), vocab_size()});
    logits.select(2, 1).fill_(1);
    return logits;
  }
  int64_t vocab_size() const override { return 4; }
  int64_t max_position_embeddings() const override { return 8; }
  std::string model_type() const override { return "one_token"; }

  int forward_passes = 0;
  std::optional<at::ScalarType> ran_in;  // The type of its products; absent: that of its weights.
};

// The loss of predicting token 1, and of predicting another.
double Favourite() { return std::log(std::exp(1) + 3) - 1; }
double Other() { return std::log(std::exp(1) + 3); }

TEST(MeanLossTest, WeighsRowsByTheirTokensAndKeepsThePartialBatch) {
  OneTokenLm model;
  const Dataset data{.seq_len = 3,
                     .input_ids = {0, 1, 1, 0, 2, 2, 0, 1, 2},
                     .labels = {0, 1, 1, 0, 2, kIgnoredLabel, kIgnoredLabel, 1, kIgnoredLabel}};
  EXPECT_NEAR(MeanLoss(model, data, /*batch_size=*/2), (3 * Favourite() + Other()) / 4, 1e-6);
  EXPECT_EQ(model.forward_passes, 2);
  EXPECT_TRUE(model.is_training());
}

TEST(MeanLossTest, PassesOverRowsThatPredictNothing) {
  OneTokenLm model;
  const Dataset data{.seq_len = 2, .input_ids = {0, 1, 0, 1}, .labels = {0, kIgnoredLabel, 0, 1}};
  EXPECT_NEAR(MeanLoss(model, data, /*batch_size=*/1), Favourite(), 1e-6);
  EXPECT_EQ(model.forward_passes, 1);
}

TEST(MeanLossTest, RunsProductsInTheTypeThatItIsTold) {
  const Dataset data{.seq_len = 2, .input_ids = {0, 1}, .labels = {0, 1}};
  for (const auto& type : {std::optional<at::ScalarType>(), std::optional<at::ScalarType>(at::kBFloat16)}) {
    OneTokenLm model;
    MeanLoss(model, data, /*batch_size=*/1, type);
    EXPECT_EQ(model.ran_in, type);
  }
}

TEST(MeanLossTest, IsNotANumberWithoutTokens) {
  OneTokenLm model;
  EXPECT_TRUE(std::isnan(MeanLoss(model, {.seq_len = 2, .input_ids = {0, 1}, .labels = {0, kIgnoredLabel}}, 1)));
}

}  // namespace
}  // namespace greenplan::trainer
