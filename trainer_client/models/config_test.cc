#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "trainer_client/models/config_reader.h"
#include "trainer_client/models/families/family.h"
#include "trainer_client/models/opt_config.h"
#include "trainer_client/models/special_tokens.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

absl::StatusOr<DecoderConfig> ParseLlamaConfig(const json& config) { return ParseDecoderConfig(kLlama, config); }

TEST(ParseLlamaConfigTest, MissingKeysTakeTheDefaultsOfTransformers) {
  const auto config = ParseLlamaConfig(json::object());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->vocab_size, 32000);
  EXPECT_EQ(config->hidden_size, 4096);
  EXPECT_EQ(config->intermediate_size, 11008);
  EXPECT_EQ(config->layers.size(), 32);
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

TEST(ParseLlamaConfigTest, ReadsTheScalingsForLongSequences) {
  const auto rope = [](const std::string& keys) {
    const auto parsed = ParseLlamaConfig(json::parse(keys));
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    return parsed->rope;
  };
  const RopeConfig dynamic =
      rope(R"({"max_position_embeddings": 64, "rope_scaling": {"type": "dynamic", "factor": 3}})");
  EXPECT_EQ(dynamic.type, RopeConfig::Type::kDynamic);
  EXPECT_EQ(dynamic.max_position_embeddings, 64);
  // The expected attention factors are those of transformers 5.23.0.
  EXPECT_NEAR(rope(R"({"rope_scaling": {"rope_type": "yarn", "factor": 4}})").attention_factor, 1.138629436111989,
              1e-15);
  const RopeConfig yarn = rope(R"({"max_position_embeddings": 64, "rope_parameters": {"rope_type": "yarn",
      "factor": null, "original_max_position_embeddings": 16, "mscale": 1.0, "mscale_all_dim": 0.5}})");
  EXPECT_EQ(yarn.factor, 4);
  EXPECT_NEAR(yarn.attention_factor, 1.0648216253695715, 1e-15);
  const RopeConfig longrope = rope(R"({"max_position_embeddings": 64, "original_max_position_embeddings": 16,
      "head_dim": 4, "rope_scaling": {"type": "longrope", "short_factor": [1, 2], "long_factor": [3.5, 4]}})");
  EXPECT_EQ(longrope.type, RopeConfig::Type::kLongRope);
  EXPECT_EQ(longrope.original_max_position_embeddings, 16);
  EXPECT_EQ(longrope.long_factor, (std::vector<double>{3.5, 4}));
  EXPECT_NEAR(longrope.attention_factor, 1.224744871391589, 1e-15);
}

// As in transformers: LLaMA and its kin turn whole heads, whatever this key says.
TEST(ParseLlamaConfigTest, IgnoresAPartOfTheHeadToRotateWithoutScaling) {
  const auto parsed = ParseLlamaConfig({{"rope_theta", 7.0}, {"partial_rotary_factor", 0.5}});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->rope.type, RopeConfig::Type::kDefault);
  EXPECT_EQ(parsed->rope.theta, 7);
}

TEST(ParseDecoderConfigTest, EveryFamilyHasTheDefaultsOfTransformers) {
  const auto parse = [](const DecoderFamily& family) {
    auto config = ParseDecoderConfig(family, json::object());
    EXPECT_TRUE(config.ok()) << config.status();
    return *std::move(config);
  };
  const DecoderConfig mistral = parse(kMistral);
  EXPECT_EQ(mistral.num_key_value_heads, 8);
  EXPECT_EQ(mistral.layers.front().window, 4096);
  EXPECT_EQ(mistral.layers.back().window, 4096);
  const DecoderConfig qwen2 = parse(kQwen2);
  EXPECT_EQ(qwen2.head_dim, 128);
  EXPECT_TRUE(qwen2.has_query_key_value_bias);
  EXPECT_FALSE(qwen2.has_output_bias);
  EXPECT_EQ(qwen2.layers.back().window, std::nullopt);
  const DecoderConfig qwen3 = parse(kQwen3);
  EXPECT_TRUE(qwen3.has_query_key_norms);
  EXPECT_FALSE(qwen3.has_query_key_value_bias);
  const DecoderConfig smollm3 = parse(kSmolLm3);
  EXPECT_EQ(smollm3.rope.theta, 2e6);
  EXPECT_TRUE(smollm3.tie_word_embeddings);
  EXPECT_TRUE(smollm3.layers[2].has_rotary);
  EXPECT_FALSE(smollm3.layers[3].has_rotary);
}

TEST(ParseDecoderConfigTest, ReadsWhichLayersHaveAWindow) {
  const auto windows = [](const DecoderFamily& family, const std::string& keys) {
    std::vector<int64_t> windows;
    const auto parsed = ParseDecoderConfig(family, json::parse(keys));
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    for (const DecoderLayerConfig& layer : parsed->layers) windows.push_back(layer.window.value_or(0));
    return windows;
  };
  using Windows = std::vector<int64_t>;
  EXPECT_EQ(windows(kMistral, R"({"num_hidden_layers": 2, "sliding_window": null})"), (Windows{0, 0}));
  const std::string qwen = R"({"num_hidden_layers": 3, "use_sliding_window": true, "sliding_window": 7)";
  EXPECT_EQ(windows(kQwen2, qwen + R"(, "max_window_layers": 1})"), (Windows{0, 7, 7}));
  EXPECT_EQ(windows(kQwen3, qwen + R"(, "layer_types": ["sliding_attention", "full_attention", "full_attention"]})"),
            (Windows{7, 0, 0}));
  EXPECT_EQ(windows(kSmolLm3, R"({"num_hidden_layers": 3, "use_sliding_window": true, "sliding_window": 7,
                                  "no_rope_layers": [1, 0, 1]})"),
            (Windows{0, 7, 0}));
}

TEST(ParseDecoderConfigTest, NamesWhatContradictsTheNumberOfLayers) {
  const auto message = [](const DecoderFamily& family, const std::string& keys) {
    return std::string(ParseDecoderConfig(family, json::parse(keys)).status().message());
  };
  EXPECT_EQ(message(kQwen2, R"({"num_hidden_layers": 2, "layer_types": ["full_attention"]})"),
            "config layer_types is [\"full_attention\"]; allowed: a list of num_hidden_layers, 2, entries");
  EXPECT_EQ(message(kQwen2, R"({"num_hidden_layers": 1, "layer_types": ["linear_attention"]})"),
            "config layer_types is [\"linear_attention\"]; allowed: a list of \"full_attention\" and "
            "\"sliding_attention\"");
  EXPECT_EQ(message(kQwen3, R"({"num_hidden_layers": 1, "layer_types": ["sliding_attention"]})"),
            "config sliding_window is missing; allowed: an integer >= 1, because layer_types asks for sliding "
            "attention");
  EXPECT_EQ(message(kSmolLm3, R"({"num_hidden_layers": 2, "no_rope_layers": [1]})"),
            "config no_rope_layers is [1]; allowed: a list of at least num_hidden_layers, 2, entries");
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
        Refused{R"({"hidden_size": 100, "num_attention_heads": 3, "head_dim": 16})",
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
        Refused{R"({"num_hidden_layers": 2000000000})",
                "config num_hidden_layers is 2000000000; allowed: an integer from 1 to 10000"},
        Refused{R"({"rope_scaling": {"rope_type": "ntk", "factor": 2}})",
                "config rope_scaling.rope_type is \"ntk\"; allowed: default, linear, dynamic, llama3, yarn, longrope"},
        Refused{R"({"rope_scaling": {"rope_type": "yarn"}})",
                "config rope_scaling.factor is missing; allowed: null or a number above 0"},
        Refused{R"({"rope_scaling": {"rope_type": "longrope", "short_factor": [1, 2], "long_factor": [1]}})",
                "config rope_scaling.short_factor is [1,2]; allowed: a list of 64 numbers above 0, half as many as a "
                "head has dimensions"},
        Refused{R"({"rope_parameters": {"rope_type": "linear"}})",
                "config rope_parameters.factor is missing; allowed: a number above 0"},
        Refused{R"({"rope_parameters": {"rope_type": "linear", "factor": 2, "partial_rotary_factor": 0.5}})",
                "config rope_parameters.partial_rotary_factor is 0.5; allowed: 1.0"},
        Refused{R"({"partial_rotary_factor": 0.5, "rope_scaling": {"type": "yarn", "factor": 2}})",
                "config partial_rotary_factor is 0.5; allowed: 1.0"},
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
  EXPECT_TRUE(llama->has_several_eos);
  const auto opt = ReadSpecialTokens(json::parse(R"({"model_type": "opt", "eos_token_id": null})"));
  EXPECT_EQ(opt->bos, 2);
  EXPECT_EQ(opt->eos, std::nullopt);
  EXPECT_FALSE(opt->has_several_eos);
  const auto qwen3 = ReadSpecialTokens(json::parse(R"({"model_type": "qwen3", "eos_token_id": 5})"));
  EXPECT_EQ(qwen3->bos, std::nullopt);
  EXPECT_EQ(qwen3->eos, 5);
}

TEST(ReadSpecialTokensTest, RefusesAValueThatIsNoTokenId) {
  const absl::Status status = ReadSpecialTokens(json::parse(R"({"model_type": "opt", "eos_token_id": []})")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "config eos_token_id is []; allowed: null, an integer >= 0, or a list of such integers");
}

}  // namespace
}  // namespace greenplan::trainer
