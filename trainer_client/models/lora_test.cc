#include "trainer_client/models/lora.h"

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "trainer_client/models/causal_lm.h"

namespace greenplan::trainer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::shared_ptr<CausalLm> TinyLlama() {
  const nlohmann::json config = {
      {"model_type", "llama"},    {"hidden_size", 8}, {"intermediate_size", 12},      {"num_hidden_layers", 2},
      {"num_attention_heads", 2}, {"vocab_size", 17}, {"max_position_embeddings", 8}, {"tie_word_embeddings", false}};
  return *CreateCausalLm(config, Attention::kSdpa);
}

const torch::Tensor kIds = torch::tensor({{1, 2, 3, 4}, {5, 6, 7, 8}});

TEST(LoraTest, AllLinearLeavesOutTheOutputHead) {
  const std::shared_ptr<CausalLm> model = TinyLlama();
  const auto layers = AddLora(*model, {.rank = 2});
  ASSERT_TRUE(layers.ok()) << layers.status();
  EXPECT_EQ(layers->size(), 2 * 7);
  EXPECT_EQ(LinearLayers(*model).at("lm_head")->low_rank(), nullptr);
}

TEST(LoraTest, ASuffixNamesItsLayersAndTheFactorsFollowTheirWeight) {
  const std::shared_ptr<CausalLm> model = TinyLlama();
  const auto layers = AddLora(*model, {.rank = 3, .targets = {"o_proj", "layers.1.mlp.up_proj"}});
  ASSERT_TRUE(layers.ok()) << layers.status();
  EXPECT_THAT(*layers, ElementsAre("model.layers.0.self_attn.o_proj", "model.layers.1.mlp.up_proj",
                                   "model.layers.1.self_attn.o_proj"));
  const auto parameters = model->named_parameters();
  EXPECT_THAT(parameters["model.layers.1.mlp.up_proj.lora_A.weight"].sizes().vec(), ElementsAre(3, 8));
  EXPECT_THAT(parameters["model.layers.1.mlp.up_proj.lora_B.weight"].sizes().vec(), ElementsAre(12, 3));
  for (const auto& parameter : parameters) {
    EXPECT_EQ(parameter.value().requires_grad(), absl::StrContains(parameter.key(), ".lora_")) << parameter.key();
  }
}

TEST(LoraTest, TheModelComputesAtFirstWhatItComputedBefore) {
  const std::shared_ptr<CausalLm> model = TinyLlama();
  const torch::Tensor before = model->forward(kIds);
  ASSERT_TRUE(AddLora(*model, {.rank = 2, .alpha = 16}).ok());
  EXPECT_TRUE(model->forward(kIds).equal(before));
}

TEST(LoraTest, TheAdditionIsScaledByAlphaOverRank) {
  for (const bool use_rslora : {false, true}) {
    const auto owner = std::make_shared<Linear>(4, 3, /*has_bias=*/true);
    Linear& layer = *owner;
    InitializeWeights(layer, 0.5);
    const torch::Tensor x = torch::randn({2, 4}), plain = layer.forward(x);
    ASSERT_TRUE(AddUninitializedLora(layer, {""}, {.rank = 4, .alpha = 6, .use_rslora = use_rslora}).ok());
    torch::NoGradGuard no_grad;
    torch::Tensor a = layer.low_rank()->a, b = layer.low_rank()->b;
    a.normal_();
    b.normal_();
    const torch::Tensor wanted = plain + x.matmul(a.t()).matmul(b.t()) * (use_rslora ? 3.0 : 1.5);
    EXPECT_TRUE(layer.forward(x).allclose(wanted, 1e-5, 1e-6));
  }
}

TEST(LoraTest, DropoutActsInTrainingAlone) {
  const std::shared_ptr<CausalLm> model = TinyLlama();
  ASSERT_TRUE(AddLora(*model, {.rank = 2, .dropout = 0.5}).ok());
  for (auto& [name, layer] : LinearLayers(*model)) {
    torch::NoGradGuard no_grad;
    if (layer->low_rank() != nullptr) torch::Tensor(layer->low_rank()->b).normal_();
  }
  EXPECT_FALSE(model->forward(kIds).equal(model->forward(kIds)));
  model->eval();
  EXPECT_TRUE(model->forward(kIds).equal(model->forward(kIds)));
}

TEST(LoraTest, DropsAnEntryOfTheInputWithTheGivenProbabilityAndScalesTheRest) {
  const auto owner = std::make_shared<Linear>(1000, 1000, /*has_bias=*/false);
  const torch::NoGradGuard no_grad;
  for (const auto& parameter : owner->parameters()) parameter.zero_();
  ASSERT_TRUE(AddUninitializedLora(*owner, {""}, {.rank = 1000, .alpha = 1000, .dropout = 0.2}).ok());
  for (const torch::Tensor& factor : {owner->low_rank()->a, owner->low_rank()->b}) {
    torch::Tensor(factor).copy_(torch::eye(1000));
  }
  torch::manual_seed(1);
  const torch::Tensor input = owner->forward(torch::ones({10, 1000}));  // As the addition sees it.
  EXPECT_NEAR((input == 0).to(torch::kFloat).mean().item<double>(), 0.2, 0.02);
  EXPECT_TRUE(((input == 0) | ((input - 1 / 0.8).abs() < 1e-5)).all().item<bool>());
}

TEST(LoraTest, BadOptionsAreNamedAndChangeNothing) {
  const std::shared_ptr<CausalLm> model = TinyLlama();
  const auto error = [&](const LoraOptions& options) {
    return std::string(AddLora(*model, options).status().message());
  };
  EXPECT_THAT(error({.rank = 0}), HasSubstr("the LoRA rank is 0"));
  EXPECT_THAT(error({.alpha = -1}), HasSubstr("the LoRA alpha is -1"));
  EXPECT_THAT(error({.dropout = 1}), HasSubstr("the LoRA dropout is 1"));
  EXPECT_THAT(error({.targets = {"q_proj", "query"}}), HasSubstr("the LoRA target \"query\" matches no linear layer"));
  EXPECT_THAT(error({.targets = {""}}), HasSubstr("the LoRA target \"\" matches no linear layer"));
  EXPECT_THAT(error({.targets = {}}), HasSubstr("there is no LoRA target"));
  for (const auto& parameter : model->named_parameters()) EXPECT_TRUE(parameter.value().requires_grad());
  ASSERT_TRUE(AddLora(*model, {}).ok());
  EXPECT_THAT(error({}), HasSubstr("has a LoRA adapter already"));
}

}  // namespace
}  // namespace greenplan::trainer
