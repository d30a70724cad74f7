#include "profiler/analytic/families/image_tower.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/layers.h"
#include "profiler/analytic/request.h"

namespace greenplan::profiler {
namespace {

using Json = nlohmann::json;

constexpr Linear::Options kPlain = {.bias = false};
constexpr Linear::Options kOutside = {.adapted = false};  // Of the blocks.
constexpr Linear::Options kPlainOutside = {.bias = false, .adapted = false};
constexpr LayerNorm::Options kWeightAlone = {.bias = false};

// What a tower is listed from: vision_config, and the text model's width.
struct Tower {
  Request& vision;
  Request& whole;
  int64_t text_width;
  std::string root;  // What all names begin with, LLaMA 4's excepted: "model.", or nothing in a bare model.
  Graph& graph;
};

void Attention(Graph& graph, const std::string& name, int64_t width, const char* out, const char* const (&order)[3],
               const Linear::Options& options) {
  for (const char* projection : order) Linear(graph, absl::StrCat(name, ".", projection), width, width, options);
  Linear(graph, absl::StrCat(name, ".", out), width, width, options);
}

// A patch is a cube of frames, rows and columns.
void QwenPatches(const Tower& tower, int64_t width, int64_t patch_if_missing, bool bias) {
  const auto [rows, columns] = tower.vision.Extent("patch_size", patch_if_missing);
  const auto [frames, same_frames] = tower.vision.Extent("temporal_patch_size", 2);
  const int64_t channels = tower.vision.Size("in_channels", 3);
  tower.graph.AddParameter(tower.root + "visual.patch_embed.proj.weight", {width, channels, frames, rows, columns});
  if (bias) tower.graph.AddParameter(tower.root + "visual.patch_embed.proj.bias", {width});
}

void QwenAttention(Graph& graph, const std::string& block, int64_t width) {
  Linear(graph, block + ".attn.qkv", width, 3 * width);
  Linear(graph, block + ".attn.proj", width, width);
}

int64_t MergedWidth(const Tower& tower, int64_t width) {
  const int64_t side = tower.vision.Size("spatial_merge_size", 2);
  return SaturatingProduct({width, side, side});
}

void ListQwen2(const Tower& tower, bool gated) {
  Graph& graph = tower.graph;
  const int64_t width = gated ? tower.vision.Size("hidden_size", 3584) : tower.vision.Size("embed_dim", 1280);
  const int64_t inner = gated ? tower.vision.Size("intermediate_size", 3420)
                              : SaturatingProduct({width, tower.vision.Size("mlp_ratio", 4)});
  const int64_t out = tower.vision.Size(gated ? "out_hidden_size" : "hidden_size", 3584);
  const LayerNorm::Options norm = {.bias = !gated};
  QwenPatches(tower, width, 14, /*bias=*/false);
  for (int64_t i = 0; i < tower.vision.Layers("depth", 32); ++i) {
    const std::string block = absl::StrCat(tower.root, "visual.blocks.", i);
    LayerNorm(graph, block + ".norm1", width, norm);
    LayerNorm(graph, block + ".norm2", width, norm);
    QwenAttention(graph, block, width);
    if (gated) Linear(graph, block + ".mlp.gate_proj", width, inner);
    Linear(graph, block + (gated ? ".mlp.up_proj" : ".mlp.fc1"), width, inner);
    Linear(graph, block + (gated ? ".mlp.down_proj" : ".mlp.fc2"), inner, width);
  }
  LayerNorm(graph, tower.root + "visual.merger.ln_q", width, norm);
  const int64_t merged = MergedWidth(tower, width);
  Linear(graph, tower.root + "visual.merger.mlp.0", merged, merged, kOutside);
  Linear(graph, tower.root + "visual.merger.mlp.2", merged, out, kOutside);
}

void ListQwen3(const Tower& tower) {
  Graph& graph = tower.graph;
  const int64_t width = tower.vision.Size("hidden_size", 1152);
  const int64_t inner = tower.vision.Size("intermediate_size", 4304);
  const int64_t out = tower.vision.Size("out_hidden_size", 3584);
  QwenPatches(tower, width, 16, /*bias=*/true);
  Embedding(graph, tower.root + "visual.pos_embed", tower.vision.Size("num_position_embeddings", 2304), width);
  for (int64_t i = 0; i < tower.vision.Layers("depth", 27); ++i) {
    const std::string block = absl::StrCat(tower.root, "visual.blocks.", i);
    LayerNorm(graph, block + ".norm1", width);
    LayerNorm(graph, block + ".norm2", width);
    QwenAttention(graph, block, width);
    Linear(graph, block + ".mlp.linear_fc1", width, inner);
    Linear(graph, block + ".mlp.linear_fc2", inner, width);
  }
  const int64_t merged = MergedWidth(tower, width);
  const auto merger = [&](const std::string& name, int64_t norm_width) {
    LayerNorm(graph, name + ".norm", norm_width);
    Linear(graph, name + ".linear_fc1", merged, merged, kOutside);
    Linear(graph, name + ".linear_fc2", merged, out, kOutside);
  };
  merger(tower.root + "visual.merger", width);
  const int64_t deep = tower.vision.Has("deepstack_visual_indexes")
                           ? static_cast<int64_t>(tower.vision.Numbers("deepstack_visual_indexes").size())
                           : 3;
  for (int64_t i = 0; i < deep; ++i) merger(absl::StrCat(tower.root, "visual.deepstack_merger_list.", i), merged);
}

// SigLIP, with the pooling head that the text model does not read.
void ListGemma3(const Tower& tower) {
  Graph& graph = tower.graph;
  const std::string root = tower.root + "vision_tower";
  const int64_t width = tower.vision.Size("hidden_size", 768);
  const int64_t inner = tower.vision.Size("intermediate_size", 3072);
  const auto [height, image_width] = tower.vision.Extent("image_size", 224);
  const auto [rows, columns] = tower.vision.Extent("patch_size", 16);
  Convolution(graph, root + ".embeddings.patch_embedding", tower.vision.Size("num_channels", 3), width,
              {rows, columns});
  Embedding(graph, root + ".embeddings.position_embedding", (height / rows) * (image_width / columns), width);
  for (int64_t i = 0; i < tower.vision.Layers("num_hidden_layers", 12); ++i) {
    const std::string layer = absl::StrCat(root, ".encoder.layers.", i);
    LayerNorm(graph, layer + ".layer_norm1", width);
    Attention(graph, layer + ".self_attn", width, "out_proj", {"k_proj", "v_proj", "q_proj"}, {});
    LayerNorm(graph, layer + ".layer_norm2", width);
    Linear(graph, layer + ".mlp.fc1", width, inner);
    Linear(graph, layer + ".mlp.fc2", inner, width);
  }
  LayerNorm(graph, root + ".post_layernorm", width);
  if (tower.vision.Flag("vision_use_head", true)) {
    graph.AddParameter(root + ".head.probe", {1, 1, width});
    graph.AddParameter(root + ".head.attention.in_proj_weight", {3 * width, width});
    graph.AddParameter(root + ".head.attention.in_proj_bias", {3 * width});
    Linear(graph, root + ".head.attention.out_proj", width, width, kOutside);
    LayerNorm(graph, root + ".head.layernorm", width);
    Linear(graph, root + ".head.mlp.fc1", width, inner, kOutside);
    Linear(graph, root + ".head.mlp.fc2", inner, width, kOutside);
  }
  graph.AddParameter(tower.root + "multi_modal_projector.mm_input_projection_weight", {width, tower.text_width});
  RmsNorm(graph, tower.root + "multi_modal_projector.mm_soft_emb_norm", width);
}

// Pixtral.
void ListMistral3(const Tower& tower) {
  Graph& graph = tower.graph;
  const std::string root = tower.root + "vision_tower";
  const int64_t width = tower.vision.Size("hidden_size", 1024);
  const int64_t inner = tower.vision.Size("intermediate_size", 4096);
  const auto [rows, columns] = tower.vision.Extent("patch_size", 16);
  const bool bias = tower.whole.Flag("multimodal_projector_bias", false);
  const int64_t side = tower.whole.Size("spatial_merge_size", 2);
  graph.AddParameter(root + ".patch_conv.weight", {width, tower.vision.Size("num_channels", 3), rows, columns});
  RmsNorm(graph, root + ".ln_pre", width);
  for (int64_t i = 0; i < tower.vision.Layers("num_hidden_layers", 24); ++i) {
    const std::string layer = absl::StrCat(root, ".transformer.layers.", i);
    RmsNorm(graph, layer + ".attention_norm", width);
    Linear(graph, layer + ".feed_forward.gate_proj", width, inner, kPlain);
    Linear(graph, layer + ".feed_forward.up_proj", width, inner, kPlain);
    Linear(graph, layer + ".feed_forward.down_proj", inner, width, kPlain);
    Attention(graph, layer + ".attention", width, "o_proj", {"k_proj", "v_proj", "q_proj"}, kPlain);
    RmsNorm(graph, layer + ".ffn_norm", width);
  }
  const std::string projector = tower.root + "multi_modal_projector";
  RmsNorm(graph, projector + ".norm", width);
  Linear(graph, projector + ".patch_merger.merging_layer", SaturatingProduct({width, side, side}), width,
         kPlainOutside);
  const Linear::Options outside = {.bias = bias, .adapted = false};
  Linear(graph, projector + ".linear_1", width, tower.text_width, outside);
  Linear(graph, projector + ".linear_2", tower.text_width, tower.text_width, outside);
}

void ListLlama4(const Tower& tower) {
  Graph& graph = tower.graph;
  const int64_t width = tower.vision.Size("hidden_size", 768);
  const int64_t inner = tower.vision.Size("intermediate_size", 5632);
  const auto [height, image_width] = tower.vision.Extent("image_size", 448);
  const auto [rows, columns] = tower.vision.Extent("patch_size", 14);
  const int64_t patch = SaturatingProduct({tower.vision.Size("num_channels", 3), rows, columns});
  const int64_t projector_in = tower.vision.Size("projector_input_dim", 4096);
  const int64_t projector_out = tower.vision.Size("projector_output_dim", 4096);
  const int64_t out = tower.vision.Size("vision_output_dim", 7680);
  graph.AddParameter("vision_model.class_embedding", {width});
  graph.AddParameter("vision_model.positional_embedding_vlm", {(height / rows) * (image_width / columns) + 1, width});
  Linear(graph, "vision_model.patch_embedding.linear", patch, width, kPlainOutside);
  LayerNorm(graph, "vision_model.layernorm_pre", width);
  LayerNorm(graph, "vision_model.layernorm_post", width);
  for (int64_t i = 0; i < tower.vision.Layers("num_hidden_layers", 34); ++i) {
    const std::string layer = absl::StrCat("vision_model.model.layers.", i);
    Attention(graph, layer + ".self_attn", width, "o_proj", {"q_proj", "k_proj", "v_proj"}, {});
    Linear(graph, layer + ".mlp.fc1", width, inner);
    Linear(graph, layer + ".mlp.fc2", inner, width);
    LayerNorm(graph, layer + ".input_layernorm", width);
    LayerNorm(graph, layer + ".post_attention_layernorm", width);
  }
  Linear(graph, "vision_model.vision_adapter.mlp.fc1", inner, projector_in, kPlainOutside);
  Linear(graph, "vision_model.vision_adapter.mlp.fc2", projector_out, projector_out, kPlainOutside);
  Linear(graph, "multi_modal_projector.linear_1", out, tower.text_width, kPlainOutside);
}

}  // namespace

absl::Status ListImageTower(const Json& config, const std::string& model_type, bool bare, Graph& graph) {
  const auto part = [&config](const char* key) { return config.value(key, Json::object()); };
  const Json vision_config = part("vision_config");
  const Json text_config = config.contains("text_config") ? part("text_config") : config;
  const AnalyticOptions& options = graph.options();
  Request vision(vision_config, options, Head::kNone);
  Request text(text_config, options, Head::kNone);
  Request whole(config, options, Head::kNone);
  const int64_t text_default = model_type == "gemma3" ? 2304 : model_type == "llama4" ? 5120 : 4096;
  const Tower tower = {vision, whole, text.Size("hidden_size", text_default), bare ? "" : "model.", graph};
  if (model_type == "gemma3") ListGemma3(tower);
  if (model_type == "llama4") ListLlama4(tower);
  if (model_type == "mistral3") ListMistral3(tower);
  if (model_type == "qwen2_vl") ListQwen2(tower, /*gated=*/false);
  if (model_type == "qwen2_5_vl") ListQwen2(tower, /*gated=*/true);
  if (model_type == "qwen3_vl") ListQwen3(tower);
  for (const absl::Status& status : {vision.status(), text.status(), whole.status()}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace greenplan::profiler
