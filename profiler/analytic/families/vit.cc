#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/layers.h"

namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const int64_t hidden = request.Size("hidden_size", 768);
  const int64_t inner = request.Size("intermediate_size", 3072);
  const int64_t layers = request.Layers("num_hidden_layers", 12);
  const int64_t heads = request.Size("num_attention_heads", 12);
  const int64_t channels = request.Size("num_channels", 3);
  const auto [image_height, image_width] = request.Extent("image_size", 224);
  const auto [patch_height, patch_width] = request.Extent("patch_size", 16);
  const Linear::Options qkv = {.bias = request.Flag("qkv_bias", true)};
  const std::string activation = request.Text("hidden_act", "gelu");
  const int64_t num_labels = request.NumLabels();
  request.CheckDivides(heads, hidden, "num_attention_heads and hidden_size");
  const int64_t patches = (image_height / patch_height) * (image_width / patch_width);
  if (patches == 0) request.Fail("patch_size is above image_size; at least one patch is needed");
  if (!request.status().ok()) return request.status();
  const int64_t batch = request.batch_size();
  const int64_t length = patches + 1;  // The class token stands first.
  const AttentionShape shape = {batch, heads, heads, length, length, hidden / heads, hidden / heads};

  const Parameter class_token = graph.AddParameter("vit.embeddings.cls_token", {1, 1, hidden});
  const Parameter positions = graph.AddParameter("vit.embeddings.position_embeddings", {1, length, hidden});
  const Convolution projection(graph, "vit.embeddings.patch_embeddings.projection", channels, hidden,
                               {patch_height, patch_width});
  const Value pixels = graph.NewValue(kNone, SaturatingProduct({batch, image_height, image_width}), channels);
  const Value patch_embeddings = projection(pixels, SaturatingProduct({batch, patches}));
  const int embed =
      graph.AddOp("vit.embeddings", 0, {{patch_embeddings.op, 0}, {class_token.op, 0}, {positions.op, 0}});
  Value x = graph.NewValue(embed, SaturatingProduct({batch, length}), hidden);
  for (int64_t i = 0; i < layers; ++i) {
    const std::string name = absl::StrCat("vit.layers.", i);
    const Linear q(graph, name + ".attention.q_proj", hidden, hidden, qkv);
    const Linear k(graph, name + ".attention.k_proj", hidden, hidden, qkv);
    const Linear v(graph, name + ".attention.v_proj", hidden, hidden, qkv);
    const Linear o(graph, name + ".attention.o_proj", hidden, hidden);
    const LayerNorm attention_norm(graph, name + ".layernorm_before", hidden);
    const LayerNorm mlp_norm(graph, name + ".layernorm_after", hidden);
    const Linear mlp_in(graph, name + ".mlp.fc1", hidden, inner);
    const Linear mlp_out(graph, name + ".mlp.fc2", inner, hidden);

    x = Residual(graph, name + ".attention", x, [&](Value y) {
      y = attention_norm(y);
      return o(Attend(graph, name + ".attention", q(y), k(y), v(y), shape));
    });
    x = Residual(graph, name + ".mlp", x,
                 [&](const Value& y) { return mlp_out(Activation(graph, activation, mlp_in(mlp_norm(y)))); });
  }
  x = LayerNorm(graph, "vit.layernorm", hidden)(x);
  const Value first = Rows(x, batch);
  return Linear(graph, "classifier", hidden, num_labels, {.adapted = false})(first);
}

}  // namespace

const Family kVit = {"vit", {{"ViTForImageClassification", Head::kImageClassifier}}, Describe};

}  // namespace greenplan::profiler
