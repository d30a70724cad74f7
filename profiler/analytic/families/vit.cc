#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/families/patches.h"
#include "profiler/analytic/layers.h"

// ViT and DeiT, which has one more token that a teacher's answer is distilled into.
namespace greenplan::profiler {
namespace {

Value Layer(Graph& graph, const std::string& name, const PatchSpec& spec, int64_t length, int64_t inner,
            const std::string& activation, Value x) {
  const PatchAttention attention(graph, name + ".attention", spec, length);
  const LayerNorm attention_norm(graph, name + ".layernorm_before", spec.hidden);
  const LayerNorm mlp_norm(graph, name + ".layernorm_after", spec.hidden);
  const Linear mlp_in(graph, name + ".mlp.fc1", spec.hidden, inner);
  const Linear mlp_out(graph, name + ".mlp.fc2", inner, spec.hidden);
  x = Residual(graph, name + ".attention", x, [&](const Value& y) { return attention(attention_norm(y)); });
  return Residual(graph, name + ".mlp", x,
                  [&](const Value& y) { return mlp_out(Activation(graph, activation, mlp_in(mlp_norm(y)))); });
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph, const std::string& root, bool distilled) {
  const PatchSpec spec = ReadPatches(request, 16);
  const int64_t hidden = spec.hidden;
  const int64_t inner = request.Size("intermediate_size", 3072);
  const int64_t layers = request.Layers("num_hidden_layers", 12);
  const int64_t pooled = request.Size("pooler_output_size", hidden);
  const std::string activation = request.Activation("hidden_act", "gelu");
  const int64_t num_labels = request.NumLabels();
  if (!request.status().ok()) return request.status();
  const int64_t length = spec.Patches() + (distilled ? 2 : 1);  // The class token stands first.

  const std::string embeddings = root + ".embeddings";
  const Parameter class_token = graph.AddParameter(embeddings + ".cls_token", {1, 1, hidden});
  const Parameter positions = graph.AddParameter(embeddings + ".position_embeddings", {1, length, hidden});
  Parameter distillation;
  if (distilled) distillation = graph.AddParameter(embeddings + ".distillation_token", {1, 1, hidden});
  const PatchProjection projection(graph, embeddings + ".patch_embeddings.projection", spec);
  const int embed =
      graph.AddOp(embeddings, 0, {{projection().op, 0}, {class_token.op, 0}, {distillation.op, 0}, {positions.op, 0}});
  Value x = graph.NewValue(embed, SaturatingProduct({spec.batch, length}), hidden);
  for (int64_t i = 0; i < layers; ++i) {
    x = Layer(graph, absl::StrCat(root, ".layers.", i), spec, length, inner, activation, x);
  }
  x = LayerNorm(graph, root + ".layernorm", hidden)(x);
  if (request.head() == Head::kNone) {  // The pooler runs behind the last hidden state: no gradient reaches it.
    Linear(graph, root + ".pooler.dense", hidden, pooled, {.adapted = false})(Rows(x, spec.batch));
    return x;
  }
  return Linear(graph, "classifier", hidden, num_labels, {.adapted = false})(Rows(x, spec.batch));
}

}  // namespace

const Family kVit = {
    "vit",
    "ViT",
    "ViT",
    "vit",
    {{"ForImageClassification", Head::kImageClassifier}, {"Model", Head::kNone}},
    [](Request& request, Graph& graph) { return Describe(request, graph, "vit", /*distilled=*/false); }};

const Family kDeit = {
    "deit",
    "DeiT",
    "DeiT",
    "deit",
    {{"ForImageClassification", Head::kImageClassifier}, {"Model", Head::kNone}},
    [](Request& request, Graph& graph) { return Describe(request, graph, "deit", /*distilled=*/true); }};

}  // namespace greenplan::profiler
