#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "trainer_client/models/config_reader.h"
#include "trainer_client/models/llama_config.h"
#include "trainer_client/models/opt_config.h"
#include "trainer_client/models/special_tokens.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

TEST(ParseLlamaConfigTest, MissingKeysTakeTheDefaultsOfTransformers) {
  const auto config = ParseLlamaConfig(json::object());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->vocab_size, 32000);
  EXPECT_EQ(config->hidden_size, 4096);
  EXPECT_EQ(config->intermediate_size, 11008);
  EXPECT_EQ(config->num_hidden_layers, 32);
  EXPECT_EQ(config->num_key_value_heads, 32);
  EXPECT_EQ(config->head_dim, 128);
  EXPECT_EQ(config->max_position_embeddings, 2048);
  EXPECT_EQ(config->hidden_act, Activation::kSilu);
  EXPECT_EQ(config->rms_norm_eps, 1e-6);
  EXPECT_EQ(config->rope.theta, 10000);
  EXPECT_EQ(config->rope.type, RopeConfig::Type::kDefault);
  EXPECT_FALSE(config->tie_word_embeddings);
  EXPECT_FALSE(config->pad_token_id);
}

TEST(ParseOptConfigTest, MissingKeysTakeTheDefaultsOfTransformers) {
  const auto config = ParseOptConfig(json::object());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->vocab_size, 50272);
  EXPECT_EQ(config->hidden_size, 768);
  EXPECT_EQ(config->word_embed_proj_dim, 768);
  EXPECT_EQ(config->ffn_dim, 3072);
  EXPECT_EQ(config->dropout, 0.1);
  EXPECT_EQ(config->activation_function, Activation::kRelu);
  EXPECT_TRUE(config->do_layer_norm_before);
  EXPECT_TRUE(config->tie_word_embeddings);
  EXPECT_EQ(config->pad_token_id, 1);
}

TEST(ParseLlamaConfigTest, ReadsRopeFromOldAndNewKeys) {
  const auto rope = [](const json& config) {
    const auto parsed = ParseLlamaConfig(config);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    return parsed->rope;
  };
  EXPECT_EQ(rope({{"rope_theta", 5e5}}).theta, 5e5);
  EXPECT_EQ(rope({{"rope_theta", 5e5}, {"rope_scaling", nullptr}}).theta, 5e5);
  EXPECT_EQ(rope({{"rope_parameters", {{"rope_theta", 5e5}, {"rope_type", "default"}}}}).theta, 5e5);
  const RopeConfig linear = rope({{"rope_theta", 7.0}, {"rope_scaling", {{"type", "linear"}, {"factor", 2}}}});
  EXPECT_EQ(linear.type, RopeConfig::Type::kLinear);
  EXPECT_EQ(linear.theta, 7);
  EXPECT_EQ(linear.factor, 2);
  const RopeConfig llama3 = rope(json::parse(R"({"max_position_embeddings": 64, "rope_scaling": {
      "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}})"));
  EXPECT_EQ(llama3.type, RopeConfig::Type::kLlama3);
  EXPECT_EQ(llama3.original_max_position_embeddings, 64);
}

TEST(ReadPaddingRowTest, CountsNegativeIdsFromTheEnd) {
  EXPECT_EQ(ParseLlamaConfig({{"pad_token_id", -1}})->pad_token_id, 31999);
  EXPECT_EQ(ParseOptConfig({{"pad_token_id", nullptr}})->pad_token_id, std::nullopt);
}

struct Refused {
  std::string config;
  std::string message;
};

class LlamaRefusalTest : public testing::TestWithParam<Refused> {};
class OptRefusalTest : public testing::TestWithParam<Refused> {};

TEST_P(LlamaRefusalTest, NamesKeyValueAndWhatIsAllowed) {
  const absl::Status status = ParseLlamaConfig(json::parse(GetParam().config)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), GetParam().message);
}

TEST_P(OptRefusalTest, NamesKeyValueAndWhatIsAllowed) {
  const absl::Status status = ParseOptConfig(json::parse(GetParam().config)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), GetParam().message);
}

constexpr char kActivations[] = "relu, silu, swish, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh";

INSTANTIATE_TEST_SUITE_P(
    Configs, LlamaRefusalTest,
    testing::Values(
        Refused{R"({"hidden_size": 0})", "config hidden_size is 0; allowed: an integer from 1 to 2147483647"},
        Refused{R"({"vocab_size": 18446744073709551615})",
                "config vocab_size is 18446744073709551615; allowed: an integer from 1 to 2147483647"},
        Refused{R"({"num_hidden_layers": 2.5})",
                "config num_hidden_layers is 2.5; allowed: an integer from 1 to 2147483647"},
        Refused{R"({"hidden_size": 100, "num_attention_heads": 3})",
                "config hidden_size is 100; allowed: a multiple of num_attention_heads, 3"},
        Refused{R"({"num_key_value_heads": 5})",
                "config num_key_value_heads is 5; allowed: a divisor of num_attention_heads, 32"},
        Refused{R"({"head_dim": 7})", "config head_dim is 7; allowed: an even integer"},
        Refused{R"({"hidden_size": 35, "num_attention_heads": 5})",
                "config hidden_size is 35; allowed: an even multiple of num_attention_heads, 5"},
        Refused{R"({"hidden_act": "mish"})", std::string("config hidden_act is \"mish\"; allowed: ") + kActivations},
        Refused{R"({"attention_bias": 1})", "config attention_bias is 1; allowed: true or false"},
        Refused{R"({"attention_dropout": 1.5})", "config attention_dropout is 1.5; allowed: a number from 0 to 1"},
        Refused{R"({"pad_token_id": 32000})",
                "config pad_token_id is 32000; allowed: null or an integer below vocab_size, 32000"},
        Refused{R"({"rope_theta": 0})", "config rope_theta is 0; allowed: a number above 0"},
        Refused{R"({"rope_scaling": {"rope_type": "yarn", "factor": 2}})",
                "config rope_scaling.rope_type is \"yarn\"; allowed: default, linear, llama3"},
        Refused{R"({"rope_parameters": {"rope_type": "linear"}})",
                "config rope_parameters.factor is missing; allowed: a number above 0"},
        Refused{R"({"rope_parameters": {"partial_rotary_factor": 0.5}})",
                "config rope_parameters.partial_rotary_factor is 0.5; allowed: 1.0"},
        Refused{R"({"rope_parameters": 3})", "config rope_parameters is 3; allowed: an object"}));

INSTANTIATE_TEST_SUITE_P(
    Configs, OptRefusalTest,
    testing::Values(Refused{R"({"activation_function": "quick_gelu"})",
                            std::string("config activation_function is \"quick_gelu\"; allowed: ") + kActivations},
                    Refused{R"({"layerdrop": 0.1})", "config layerdrop is 0.1; allowed: 0.0"},
                    Refused{R"({"dropout": -0.1})", "config dropout is -0.1; allowed: a number from 0 to 1"},
                    Refused{R"({"vocab_size": 1})",
                            "config pad_token_id is missing; allowed: null or an integer below vocab_size, 1"},
                    Refused{R"({"num_attention_heads": 7})",
                            "config hidden_size is missing; allowed: a multiple of num_attention_heads, 7"}));

TEST(ReadSpecialTokensTest, AcceptsIntegersListsNullsAndTheDefaultsOfTheModelType) {
  const auto llama = ReadSpecialTokens(json::parse(R"({"model_type": "llama", "eos_token_id": [7, 8]})"));
  ASSERT_TRUE(llama.ok()) << llama.status();
  EXPECT_EQ(llama->bos, 1);
  EXPECT_EQ(llama->eos, 7);
  const auto opt = ReadSpecialTokens(json::parse(R"({"model_type": "opt", "eos_token_id": null})"));
  EXPECT_EQ(opt->bos, 2);
  EXPECT_EQ(opt->eos, std::nullopt);
}

TEST(ReadSpecialTokensTest, RefusesAValueThatIsNoTokenId) {
  const absl::Status status = ReadSpecialTokens(json::parse(R"({"model_type": "opt", "eos_token_id": []})")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "config eos_token_id is []; allowed: null, an integer >= 0, or a list of such integers");
}

}  // namespace
}  // namespace greenplan::trainer
