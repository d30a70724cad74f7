#include "trainer_client/models/causal_lm.h"

#include <map>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "profiler/autograd/profile.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

json TinyConfig(const std::string& model_type) {
  json config = {{"model_type", model_type}, {"vocab_size", 40},         {"hidden_size", 16},
                 {"num_hidden_layers", 2},   {"num_attention_heads", 4}, {"max_position_embeddings", 16}};
  if (model_type == "opt") {
    config["ffn_dim"] = 32;
    config["dropout"] = 0;
  } else {
    config["intermediate_size"] = 32;
    config["num_key_value_heads"] = 2;
  }
  // What sets the families apart shows in two layers and rows of twelve tokens.
  if (model_type == "mistral") config["sliding_window"] = 5;
  if (model_type == "qwen2")
    config.update({{"use_sliding_window", true}, {"sliding_window", 5}, {"max_window_layers", 1}});
  if (model_type == "qwen3") config["head_dim"] = 6;
  if (model_type == "smollm3") config.update({{"no_rope_layers", {1, 0}}, {"pad_token_id", nullptr}});
  return config;
}

std::shared_ptr<CausalLm> Create(const json& config, Attention attention = Attention::kSdpa) {
  absl::StatusOr<std::shared_ptr<CausalLm>> model = CreateCausalLm(config, attention);
  EXPECT_TRUE(model.ok()) << model.status();
  return *model;
}

class FamilyTest : public testing::TestWithParam<std::string> {
 protected:
  FamilyTest() { torch::manual_seed(11); }
  const json config_ = TinyConfig(GetParam());
  const torch::Tensor ids_ = at::arange(24).view({2, 12}) % 40;
};

INSTANTIATE_TEST_SUITE_P(Families, FamilyTest, testing::Values("llama", "mistral", "qwen2", "qwen3", "smollm3", "opt"),
                         [](const auto& i) { return i.param; });

TEST_P(FamilyTest, StartsFromTheInitialWeightsOfTransformers) {
  json config = config_;
  config["vocab_size"] = 4000;
  config["pad_token_id"] = 5;
  config[GetParam() == "opt" ? "init_std" : "initializer_range"] = 0.05;
  for (const auto& parameter : Create(config)->named_parameters()) {
    const torch::Tensor& value = parameter.value();
    if (parameter.key().find("embed_tokens") != std::string::npos) {
      EXPECT_EQ(value[5].abs().max().item<float>(), 0) << "the padding row";
      EXPECT_NEAR(value.std().item<float>(), 0.05, 0.002);
      EXPECT_NEAR(value.mean().item<float>(), 0, 0.002);
    } else if (value.dim() == 1) {
      const float constant = parameter.key().ends_with("bias") ? 0 : 1;
      EXPECT_TRUE(value.eq(constant).all().item<bool>()) << parameter.key();
    } else {
      EXPECT_NEAR(value.std().item<float>(), 0.05, 0.01) << parameter.key();
    }
    EXPECT_EQ(value.scalar_type(), torch::kFloat);
    EXPECT_TRUE(value.requires_grad());
  }
}

TEST_P(FamilyTest, APositionNeverSeesLaterPositions) {
  for (const Attention attention : {Attention::kSdpa, Attention::kEager}) {
    const auto model = Create(config_, attention);
    torch::Tensor other = ids_.clone();
    other.narrow(1, 7, 5).fill_(39);
    const torch::Tensor logits = model->forward(ids_), changed = model->forward(other);
    EXPECT_TRUE(logits.narrow(1, 0, 7).allclose(changed.narrow(1, 0, 7), 0, 1e-6));
    EXPECT_FALSE(logits.narrow(1, 7, 5).allclose(changed.narrow(1, 7, 5), 0, 1e-3));
  }
}

TEST_P(FamilyTest, BothKindsOfAttentionComputeTheSame) {
  torch::manual_seed(3);
  const torch::Tensor fused = Create(config_, Attention::kSdpa)->forward(ids_);
  torch::manual_seed(3);
  const torch::Tensor separate = Create(config_, Attention::kEager)->forward(ids_);
  EXPECT_TRUE(fused.allclose(separate, 1e-5, 1e-6)) << (fused - separate).abs().max();
}

// This is what applying a plan relies on: freezing tensors must not change the gradients of the others.
TEST_P(FamilyTest, FreezingTensorsDoesNotChangeTheGradientsOfTheOthers) {
  std::mt19937 random(5);
  for (const bool is_tied : {false, true}) {
    for (const Attention attention : {Attention::kSdpa, Attention::kEager}) {
      json config = config_;
      config["tie_word_embeddings"] = is_tied;
      const auto model = Create(config, attention);
      auto parameters = model->named_parameters();
      CausalLmLoss(model->forward(ids_), ids_).backward();
      std::map<std::string, torch::Tensor> full;
      for (const auto& parameter : parameters) full[parameter.key()] = parameter.value().grad().clone();
      for (int round = 0; round < 12; ++round) {
        bool any = false;
        for (auto& parameter : parameters) {
          parameter.value().mutable_grad() = torch::Tensor();
          parameter.value().requires_grad_(random() % 4 == 0);
          any = any || parameter.value().requires_grad();
        }
        if (!any) continue;
        CausalLmLoss(model->forward(ids_), ids_).backward();
        for (const auto& parameter : parameters) {
          const torch::Tensor& gradient = parameter.value().grad();
          ASSERT_EQ(gradient.defined(), parameter.value().requires_grad()) << parameter.key() << " round " << round;
          if (gradient.defined()) {
            EXPECT_TRUE(gradient.allclose(full[parameter.key()], 1e-4, 1e-7)) << parameter.key() << " round " << round;
          }
        }
      }
    }
  }
}

TEST_P(FamilyTest, DropoutActsOnlyInTraining) {
  json config = config_;
  config["attention_dropout"] = 0.5;
  if (GetParam() == "opt") config["dropout"] = 0.5;
  for (const Attention attention : {Attention::kSdpa, Attention::kEager}) {
    const auto model = Create(config, attention);
    EXPECT_FALSE(model->forward(ids_).equal(model->forward(ids_)));
    model->eval();
    EXPECT_TRUE(model->forward(ids_).equal(model->forward(ids_)));
  }
}

TEST_P(FamilyTest, AnUninitializedModelDrawsNoRandomNumbers) {
  torch::manual_seed(1);
  const torch::Tensor before = at::rand({4});
  torch::manual_seed(1);
  ASSERT_TRUE(CreateUninitializedCausalLm(config_, Attention::kSdpa).ok());
  EXPECT_TRUE(at::rand({4}).equal(before));
}

TEST_P(FamilyTest, DeclaresTheResidualBlocksThatTheProfileFinds) {
  for (const Attention attention : {Attention::kSdpa, Attention::kEager}) {
    const auto model = Create(config_, attention);
    const BranchOutputs outputs(model->residual_branches());
    const torch::Tensor loss = CausalLmLoss(model->forward(ids_), ids_);
    const auto parameters = model->named_parameters().pairs();
    const auto found = profiler::Profile(loss, parameters);
    ASSERT_TRUE(found.ok()) << found.status();
    profiler::ProfileOptions declared;
    for (const ResidualBranch& branch : model->residual_branches()) {
      ASSERT_EQ(outputs.of(branch).size(), 1u) << branch.name();
      declared.blocks.push_back({branch.name(), outputs.of(branch)[0]});
    }
    const auto marked = profiler::Profile(loss, parameters, declared);
    ASSERT_TRUE(marked.ok()) << marked.status();
    EXPECT_EQ(found->blocks.size(), 4u);
    EXPECT_EQ(found->blocks, marked->blocks);
    ASSERT_EQ(found->ops.size(), marked->ops.size());
    for (size_t op = 0; op < found->ops.size(); ++op) {
      EXPECT_EQ(found->ops[op].block, marked->ops[op].block) << found->ops[op].name;
    }
  }
}

TEST(CausalLmLossTest, IsTheMeanOverTheLabelsThatCount) {
  const torch::Tensor logits = at::randn({2, 3, 7});
  const torch::Tensor labels = torch::tensor({{-100, 4, -100}, {6, -100, 2}});
  const torch::Tensor log_probabilities = logits.log_softmax(-1);
  const float expected = -(log_probabilities[0][0][4] + log_probabilities[1][1][2]).item<float>() / 2;
  EXPECT_NEAR(CausalLmLoss(logits, labels).item<float>(), expected, 1e-6);
}

void ExpectRefused(const json& config, absl::StatusCode code, const std::string& message) {
  const absl::Status status = CreateCausalLm(config, Attention::kSdpa).status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_NE(status.message().find(message), std::string::npos) << status;
}

TEST(CreateCausalLmTest, NamesTheKeyThatItDoesNotSupport) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  ExpectRefused(json::array(), kInvalid, "config is not a JSON object");
  ExpectRefused(json::object(), kInvalid,
                "config model_type is missing; allowed: llama, mistral, qwen2, qwen3, smollm3, opt");
  ExpectRefused({{"model_type", "t5"}}, kInvalid, "config model_type is \"t5\"; allowed: llama, mistral,");
  json config = TinyConfig("opt");
  config["architectures"] = {"OPTForSequenceClassification"};
  ExpectRefused(config, kInvalid,
                "config architectures is [\"OPTForSequenceClassification\"]; allowed: [\"OPTForCausalLM\"]");
  config = TinyConfig("llama");
  config["quantization_config"] = {{"bits", 4}};
  ExpectRefused(config, kInvalid, "config quantization_config is {\"bits\":4}; allowed: no such key");
}

TEST(CreateCausalLmTest, TakesOldSpellingsOfItsClassAndNone) {
  json config = TinyConfig("llama");
  for (const json& architectures : {json::array({"LLaMAForCausalLM"}), json::array(), json()}) {
    config["architectures"] = architectures;
    EXPECT_TRUE(CreateUninitializedCausalLm(config, Attention::kSdpa).ok()) << architectures;
  }
}

TEST(CreateCausalLmTest, RefusesAModelThatCannotBeAllocated) {
  json config = TinyConfig("llama");
  config["vocab_size"] = 2147483647;
  config["hidden_size"] = 2147483640;
  ExpectRefused(config, absl::StatusCode::kResourceExhausted, "a model of this config cannot be allocated: ");
}

}  // namespace
}  // namespace greenplan::trainer
