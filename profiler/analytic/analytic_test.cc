#include "profiler/analytic/analytic.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "planner/core/cost.h"

namespace greenplan::profiler {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json TinyLlama() {
  return {{"model_type", "llama"},  {"hidden_size", 8},         {"intermediate_size", 12},
          {"num_hidden_layers", 2}, {"num_attention_heads", 2}, {"vocab_size", 10}};
}

json TinyT5() {
  return {{"model_type", "t5"}, {"d_model", 8},   {"d_kv", 4},       {"d_ff", 12},
          {"num_layers", 1},    {"num_heads", 2}, {"vocab_size", 10}};
}

AnalyticOptions Options(Attention attention = Attention::kEager) {
  return {.batch_size = 2, .seq_len = 3, .target_len = 5, .attention = attention};
}

ModelProfile MustProfile(const json& config, const AnalyticOptions& options) {
  const absl::StatusOr<ModelProfile> profile = AnalyticProfile(config, options);
  EXPECT_TRUE(profile.ok()) << profile.status();
  return profile.value_or(ModelProfile());
}

int TensorIndex(const ModelProfile& profile, const std::string& name) {
  for (size_t k = 0; k < profile.tensors.size(); ++k) {
    if (profile.tensors[k].name == name) return static_cast<int>(k);
  }
  ADD_FAILURE() << "no tensor " << name;
  return 0;
}

MaskCost CostOf(const ModelProfile& profile, const std::vector<std::string>& names) {
  std::vector<bool> mask(profile.tensors.size());
  for (const std::string& name : names) mask[TensorIndex(profile, name)] = true;
  return EvaluateMask(profile, mask);
}

TEST(AnalyticProfileTest, ATiedTensorHangsOnceAndEachUseIsAnEdge) {
  json config = TinyLlama();
  config["tie_word_embeddings"] = true;
  const ModelProfile profile = MustProfile(config, Options());
  const Tensor& embedding = profile.tensors[0];
  EXPECT_EQ(embedding.name, "model.embed_tokens.weight");
  EXPECT_EQ(embedding.weight_grad_cost, 0);
  EXPECT_EQ(profile.ops[embedding.op].cost, 0);
  int64_t paid = 0;
  int uses = 0;
  for (const Op& op : profile.ops) {
    if (op.name == "saved") continue;
    for (const Edge& edge : op.inputs) {
      if (edge.op != embedding.op) continue;
      paid += edge.cost;
      ++uses;
    }
  }
  EXPECT_EQ(uses, 2);
  EXPECT_EQ(paid, 2 * 6 * 8 * 10) << "the head's product alone";
}

TEST(AnalyticProfileTest, EagerAttentionPrunesItsProductsOneByOne) {
  const ModelProfile profile = MustProfile(TinyLlama(), Options());
  const std::string name = "model.layers.1.self_attn.";
  const int64_t product = 2 * 2 * 2 * 3 * 3 * 4;
  const int64_t own_gradient = 2 * 6 * 8 * 8;
  // Values need one product, keys and queries a second one for the scores and a third for themselves.
  const int64_t v = CostOf(profile, {name + "v_proj.weight"}).backward_cost;
  EXPECT_EQ(CostOf(profile, {name + "q_proj.weight"}).backward_cost, v + product);
  EXPECT_EQ(CostOf(profile, {name + "k_proj.weight"}).backward_cost, v + product);
  EXPECT_EQ(CostOf(profile, {name + "q_proj.weight", name + "v_proj.weight"}).backward_cost,
            v + 2 * product + own_gradient);
}

TEST(AnalyticProfileTest, FusedAttentionRunsFiveProductsOrNone) {
  const ModelProfile eager = MustProfile(TinyLlama(), Options(Attention::kEager));
  const ModelProfile fused = MustProfile(TinyLlama(), Options(Attention::kSdpa));
  const int64_t product = 2 * 2 * 2 * 3 * 3 * 4;
  EXPECT_EQ(EvaluateMask(fused, FullMask(fused)).backward_cost,
            EvaluateMask(eager, FullMask(eager)).backward_cost + 2 * product);
  const std::string v = "model.layers.1.self_attn.v_proj.weight";
  EXPECT_EQ(CostOf(fused, {v}).backward_cost, CostOf(eager, {v}).backward_cost + 4 * product);
  EXPECT_LT(EvaluateMask(fused, FullMask(fused)).saved_bytes, EvaluateMask(eager, FullMask(eager)).saved_bytes);
}

TEST(AnalyticProfileTest, ModelsWithoutAFusedPathRunSeparateProductsEitherWay) {
  for (json config : {json{{"model_type", "bloom"}}, json{{"model_type", "gemma2"}, {"num_hidden_layers", 2}}}) {
    const ModelProfile eager = MustProfile(config, Options(Attention::kEager));
    const ModelProfile fused = MustProfile(config, Options(Attention::kSdpa));
    EXPECT_EQ(EvaluateMask(fused, FullMask(fused)).backward_cost, EvaluateMask(eager, FullMask(eager)).backward_cost);
  }
}

TEST(AnalyticProfileTest, ASharedPositionBiasMakesTheScoresOfEveryLayerLive) {
  json config = TinyT5();
  config["num_layers"] = 3;
  const ModelProfile profile = MustProfile(config, Options());
  std::vector<bool> mask(profile.tensors.size());
  mask[TensorIndex(profile, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight")] = true;
  const std::vector<bool> live = LiveOps(profile, mask);
  int scores = 0;
  for (size_t i = 0; i < profile.ops.size(); ++i) {
    if (profile.ops[i].name.find("encoder") == 0 && profile.ops[i].name.find(".scores") != std::string::npos) {
      EXPECT_TRUE(live[i]) << profile.ops[i].name;
      ++scores;
    }
  }
  EXPECT_EQ(scores, 3);
}

TEST(AnalyticProfileTest, ResidualBlocksAreAttentionAndMlpOfEachLayer) {
  EXPECT_THAT(MustProfile(TinyLlama(), Options()).blocks,
              testing::ElementsAre("model.layers.0.self_attn", "model.layers.0.mlp", "model.layers.1.self_attn",
                                   "model.layers.1.mlp"));
  EXPECT_THAT(MustProfile(TinyT5(), Options()).blocks,
              testing::ElementsAre("encoder.block.0.layer.0.SelfAttention", "encoder.block.0.layer.1.DenseReluDense",
                                   "decoder.block.0.layer.0.SelfAttention", "decoder.block.0.layer.1.EncDecAttention",
                                   "decoder.block.0.layer.2.DenseReluDense"));
}

TEST(AnalyticProfileTest, TheStreamBetweenBlocksBelongsToNone) {
  const ModelProfile profile = MustProfile(TinyLlama(), Options());
  int64_t in_blocks = 0;
  for (const int64_t cost : BlockCosts(profile, FullMask(profile))) in_blocks += cost;
  const int64_t head = 2 * 2 * 6 * 8 * 10;  // Both products of lm_head; norms and the embedding cost nothing.
  EXPECT_EQ(EvaluateMask(profile, FullMask(profile)).backward_cost - in_blocks, head);
}

TEST(AnalyticProfileTest, AdaptersFreezeTheBaseAndSkipTheHead) {
  AnalyticOptions options = Options();
  options.lora_rank = 2;
  const ModelProfile profile = MustProfile(TinyLlama(), options);
  int adapters = 0;
  for (const Tensor& tensor : profile.tensors) {
    const bool adapter = tensor.name.find(".lora_") != std::string::npos;
    EXPECT_EQ(tensor.op != kNone, adapter) << tensor.name;
    adapters += adapter;
  }
  EXPECT_EQ(adapters, 2 * 7 * 2) << "two layers of seven linear layers";
  const Tensor& a = profile.tensors[TensorIndex(profile, "model.layers.0.mlp.down_proj.lora_A.weight")];
  const Tensor& b = profile.tensors[TensorIndex(profile, "model.layers.0.mlp.down_proj.lora_B.weight")];
  EXPECT_THAT(a.shape, testing::ElementsAre(2, 12));
  EXPECT_THAT(b.shape, testing::ElementsAre(8, 2));
  EXPECT_EQ(a.weight_grad_cost, 2 * 6 * 2 * 12);
  EXPECT_EQ(b.weight_grad_cost, 2 * 6 * 2 * 8);
}

TEST(AnalyticProfileTest, SavedBytesScaleWithTheElement) {
  const ModelProfile four = MustProfile(TinyLlama(), Options());
  AnalyticOptions options = Options();
  options.bytes_per_element = 2;
  const ModelProfile two = MustProfile(TinyLlama(), options);
  const int64_t bytes_of_four = EvaluateMask(four, FullMask(four)).saved_bytes;
  const int64_t bytes_of_two = EvaluateMask(two, FullMask(two)).saved_bytes;
  EXPECT_LT(bytes_of_two, bytes_of_four);
  EXPECT_GT(2 * bytes_of_two, bytes_of_four) << "logits, statistics and indices stay as they are";
}

TEST(AnalyticProfileTest, AMissingKeyHasTheDefaultOfItsConfigClass) {
  const ModelProfile bare = MustProfile({{"model_type", "gpt2"}}, Options());
  const ModelProfile full = MustProfile({{"model_type", "gpt2"},
                                         {"n_embd", 768},
                                         {"n_layer", 12},
                                         {"n_head", 12},
                                         {"vocab_size", 50257},
                                         {"n_positions", 1024},
                                         {"n_inner", nullptr}},
                                        Options());
  EXPECT_EQ(EvaluateMask(bare, FullMask(bare)).backward_cost, EvaluateMask(full, FullMask(full)).backward_cost);
  EXPECT_EQ(bare.tensors.size(), full.tensors.size());
}

TEST(AnalyticProfileTest, NullIsAValueOfItsOwnWhereTheConfigClassSaysSo) {
  json config = {{"model_type", "deepseek_v3"}, {"num_hidden_layers", 1}};
  TensorIndex(MustProfile(config, Options()), "model.layers.0.self_attn.q_a_proj.weight");
  config["q_lora_rank"] = nullptr;
  TensorIndex(MustProfile(config, Options()), "model.layers.0.self_attn.q_proj.weight");
}

TEST(AnalyticProfileTest, ImageLabelsComeFromTheirNumberThenTheirNamesThenTwo) {
  json config = {{"model_type", "vit"}, {"num_hidden_layers", 1}};
  const auto labels = [&] { return MustProfile(config, {.batch_size = 1}).tensors.back().shape[0]; };
  EXPECT_EQ(labels(), 2);
  config["id2label"] = {{"0", "cat"}, {"1", "dog"}, {"2", "owl"}};
  EXPECT_EQ(labels(), 3);
  config["num_labels"] = 5;
  EXPECT_EQ(labels(), 5);
}

TEST(AnalyticProfileTest, TheLabelIsTheNameTheCheckpointWasSavedUnder) {
  json config = TinyLlama();
  EXPECT_EQ(MustProfile(config, Options()).model, "llama");
  config["_name_or_path"] = "acme/tiny";
  EXPECT_EQ(MustProfile(config, Options()).model, "acme/tiny");
}

struct Refusal {
  const char* what;
  json config;
  AnalyticOptions options;
  const char* message;
};

json With(json config, const char* key, json value) {
  config[key] = std::move(value);
  return config;
}

AnalyticOptions WithOptions(const std::function<void(AnalyticOptions&)>& change) {
  AnalyticOptions options = Options();
  change(options);
  return options;
}

TEST(AnalyticProfileTest, RefusesByNamingTheThing) {
  const json llama = TinyLlama();
  const std::vector<Refusal> refusals = {
      {"no object", json::array(), Options(), "the config is not a JSON object"},
      {"no family", json::object(), Options(), "model_type is missing"},
      {"unknown family", {{"model_type", "mamba"}}, Options(), "model_type is \"mamba\", which is not supported"},
      {"negative size", With(llama, "hidden_size", -4), Options(),
       "hidden_size is -4; allowed: whole numbers in [1, 1073741824]"},
      {"zero size", With(llama, "vocab_size", 0), Options(), "vocab_size is 0; allowed"},
      {"fraction", With(llama, "intermediate_size", 1.5), Options(), "intermediate_size is 1.5; allowed"},
      {"text for a number", With(llama, "hidden_size", "8"), Options(), "hidden_size is \"8\"; allowed"},
      {"beyond int64", With(llama, "hidden_size", 18446744073709551615ull), Options(),
       "hidden_size is 18446744073709551615; allowed"},
      {"too many layers", With(llama, "num_hidden_layers", 1000000), Options(),
       "num_hidden_layers is 1000000; allowed: whole numbers in [0, 10000]"},
      {"number for a flag", With(llama, "tie_word_embeddings", 1), Options(),
       "tie_word_embeddings is 1; allowed: true, false"},
      {"number for a text", With(llama, "hidden_act", 1), Options(), "hidden_act is 1; a text is needed"},
      {"heads do not divide", With(llama, "num_attention_heads", 3), Options(),
       "num_attention_heads is 3; allowed: what divides hidden_size, which is 8"},
      {"key heads do not divide", With(llama, "num_key_value_heads", 4), Options(),
       "num_key_value_heads is 4; allowed: what divides num_attention_heads, which is 2"},
      {"heads that do not divide although their width is given",
       With(With(llama, "num_attention_heads", 3), "head_dim", 4), Options(),
       "num_attention_heads is 3; allowed: what divides hidden_size, which is 8"},
      {"feed-forward of another form", With(TinyT5(), "feed_forward_proj", "wide-relu"), Options(),
       "feed_forward_proj is \"wide-relu\"; allowed: an activation, or gated- before one"},
      {"unknown activation", With(llama, "hidden_act", "sillu"), Options(),
       "hidden_act is \"sillu\"; allowed: gelu, gelu_10, "},
      {"more layer types than layers",
       {{"model_type", "qwen3"}, {"num_hidden_layers", 1}, {"layer_types", {"full_attention", "full_attention"}}},
       Options(),
       "layer_types has 2 entries; allowed: one per layer, 1 as num_hidden_layers says"},
      {"unknown layer type",
       {{"model_type", "qwen3"}, {"num_hidden_layers", 1}, {"layer_types", {"linear_attention"}}},
       Options(),
       "layer_types[0] is \"linear_attention\"; allowed: full_attention, sliding_attention, chunked_attention"},
      {"fewer rotations than layers",
       {{"model_type", "smollm3"}, {"num_hidden_layers", 3}, {"no_rope_layers", {1, 0}}},
       Options(),
       "no_rope_layers has 2 entries; allowed: at least one per layer, 3 as num_hidden_layers says"},
      {"padding beyond the vocabulary", With(llama, "pad_token_id", 500), Options(),
       "pad_token_id is 500; allowed: null, or below vocab_size, which is "},
      {"padding beyond BERT's",
       {{"model_type", "bert"}, {"pad_token_id", 30522}},
       Options(),
       "pad_token_id is 30522; allowed: null, or below vocab_size, which is 30522"},
      {"a head of odd width", With(llama, "head_dim", 7), Options(), "head_dim is 7; allowed: even numbers"},
      {"unknown scaling of rotation", With(llama, "rope_scaling", {{"type", "ntk"}, {"factor", 2}}), Options(),
       "rope_scaling.type is \"ntk\"; allowed: default, linear, "},
      {"scaling without its factor", With(llama, "rope_parameters", {{"rope_type", "linear"}}), Options(),
       "rope_parameters.factor is missing; linear scaling needs it"},
      {"layers with a window of no size",
       {{"model_type", "smollm3"},
        {"num_hidden_layers", 1},
        {"use_sliding_window", true},
        {"layer_types", {"sliding_attention"}}},
       Options(),
       "sliding_window is null; layer_types asks for sliding attention, which needs a size"},
      {"beyond RoBERTa's positions",
       {{"model_type", "roberta"}},
       WithOptions([](auto& o) { o.seq_len = 511; }),
       "seq_len is 511; allowed: [1, 510], as many as the model has positions for"},
      {"more experts than there are",
       {{"model_type", "mixtral"}, {"num_local_experts", 2}, {"num_experts_per_tok", 3}},
       Options(),
       "num_experts_per_tok is 3; allowed: [1, 2]"},
      {"patch above image", {{"model_type", "vit"}, {"image_size", 8}}, Options(), "patch_size is above image_size"},
      {"image of three sizes",
       {{"model_type", "vit"}, {"image_size", {8, 8, 8}}},
       Options(),
       "image_size is [8,8,8]; allowed: a size or [height, width]"},
      {"no labels", {{"model_type", "vit"}, {"id2label", json::object()}}, Options(), "id2label is {}"},
      {"no length", llama, WithOptions([](auto& o) { o.seq_len.reset(); }), "seq_len is missing"},
      {"zero length", llama, WithOptions([](auto& o) { o.seq_len = 0; }), "seq_len is 0; allowed: [1, 1073741824]"},
      {"huge length", llama, WithOptions([](auto& o) { o.seq_len = int64_t{1} << 40; }), "seq_len is 1099511627776"},
      {"beyond the positions",
       {{"model_type", "gpt2"}},
       WithOptions([](auto& o) { o.seq_len = 1025; }),
       "seq_len is 1025; allowed: [1, 1024], as many as the model has positions for"},
      {"no target", TinyT5(), WithOptions([](auto& o) { o.target_len.reset(); }), "target_len is missing"},
      {"zero target", TinyT5(), WithOptions([](auto& o) { o.target_len = 0; }), "target_len is 0; allowed"},
      {"wrong number of frames",
       {{"model_type", "whisper"}},
       Options(),
       "seq_len is 3; this model takes exactly 3000 mel frames"},
      {"no batch", llama, WithOptions([](auto& o) { o.batch_size = 0; }), "batch_size is 0; allowed: [1, 1073741824]"},
      {"negative rank", llama, WithOptions([](auto& o) { o.lora_rank = -1; }), "lora_rank is -1; allowed"},
      {"no bytes", llama, WithOptions([](auto& o) { o.bytes_per_element = 0; }), "bytes_per_element is 0; allowed"},
      {"too many FLOPs", llama, WithOptions([](auto& o) { o.batch_size = o.seq_len.emplace(1 << 30); }),
       "this model at batch_size 1073741824 and seq_len 1073741824 has a step of more than 2^62 FLOPs"},
  };
  for (const Refusal& refusal : refusals) {
    const absl::Status status = AnalyticProfile(refusal.config, refusal.options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << refusal.what;
    EXPECT_THAT(std::string(status.message()), HasSubstr(refusal.message)) << refusal.what;
  }
}

TEST(AnalyticProfileTest, LayersOfAdaptersAloneWithoutLayersHaveNothingToTrain) {
  AnalyticOptions options = Options();
  options.lora_rank = 2;
  const absl::Status status = AnalyticProfile(With(TinyLlama(), "num_hidden_layers", 0), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "no trainable tensor reaches the loss");
}

TEST(AnalyticProfileTest, ABareModelIsTheModelWithoutItsHeadUnderItsOwnNames) {
  json config = TinyLlama();
  const ModelProfile whole = MustProfile(config, Options());
  config["architectures"] = {"LlamaModel"};
  const ModelProfile bare = MustProfile(config, Options());
  ASSERT_EQ(bare.tensors.size() + 1, whole.tensors.size());
  EXPECT_EQ(bare.tensors[0].name, "embed_tokens.weight");
  EXPECT_EQ(bare.blocks[0], "layers.0.self_attn");
  const int64_t head_product = 2 * 6 * 8 * 10;
  EXPECT_EQ(bare.forward_cost + head_product, whole.forward_cost);
  EXPECT_EQ(EvaluateMask(bare, FullMask(bare)).backward_cost + 2 * head_product,
            EvaluateMask(whole, FullMask(whole)).backward_cost);
}

TEST(AnalyticProfileTest, TheHeadOfTheOptionsComesBeforeTheConfigs) {
  json config = TinyLlama();
  config["architectures"] = {"LlamaModel"};
  AnalyticOptions options = Options();
  options.head = "causal-lm";
  EXPECT_EQ(MustProfile(config, options).tensors.back().name, "lm_head.weight");
  options.head = "classifier";
  EXPECT_EQ(MustProfile(config, options).tensors.back().name, "score.weight");
}

TEST(AnalyticProfileTest, OfTextAndImagesTheTextIsProfiledUnderItsNamesInTheWholeModel) {
  json text = TinyLlama();
  text["model_type"] = "gemma3_text";
  text["num_key_value_heads"] = 2;
  const json config = {{"model_type", "gemma3"},
                       {"architectures", {"Gemma3ForConditionalGeneration"}},
                       {"text_config", text},
                       {"vision_config", {{"hidden_size", 16}}}};
  const ModelProfile profile = MustProfile(config, Options());
  EXPECT_EQ(profile.model, "gemma3_text (text alone)");
  const Tensor& patches = profile.tensors[0];
  EXPECT_EQ(patches.name, "model.vision_tower.embeddings.patch_embedding.weight");
  EXPECT_EQ(patches.op, kNone) << "text does not reach the image model";
  EXPECT_NE(profile.tensors[TensorIndex(profile, "model.language_model.embed_tokens.weight")].op, kNone);
}

TEST(SupportedFamiliesTest, AreSortedAndEachHasABareModel) {
  const std::vector<SupportedFamily> families = SupportedFamilies();
  EXPECT_GE(families.size(), 46);
  EXPECT_TRUE(std::is_sorted(families.begin(), families.end(),
                             [](const auto& a, const auto& b) { return a.model_type < b.model_type; }));
  for (const SupportedFamily& family : families) {
    EXPECT_TRUE(std::any_of(family.architectures.begin(), family.architectures.end(), [](const std::string& name) {
      return name.find("For") == std::string::npos && name.find("LMHead") == std::string::npos;
    })) << family.model_type;
  }
}

TEST(BytesPerElementTest, KnowsTheFloatsByBothNames) {
  EXPECT_EQ(*BytesPerElement("float64"), 8);
  EXPECT_EQ(*BytesPerElement("fp32"), 4);
  EXPECT_EQ(*BytesPerElement("bfloat16"), 2);
  EXPECT_EQ(*BytesPerElement("float16"), 2);
  const absl::Status status = BytesPerElement("int8").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "dtype is \"int8\"; allowed: float32, bfloat16, float16, float64");
}

}  // namespace
}  // namespace greenplan::profiler
