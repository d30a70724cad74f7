#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/families/mlps.h"
#include "profiler/analytic/families/patches.h"
#include "profiler/analytic/families/step.h"
#include "profiler/analytic/layers.h"

namespace greenplan::profiler {
namespace {

// Scales each column of a branch's output by a learned factor.
class LayerScale {
 public:
  LayerScale(Graph& graph, const std::string& name, int64_t width)
      : graph_(&graph), name_(name), factors_(graph.AddParameter(name + ".lambda1", {width})) {}
  Value operator()(const Value& x) const {
    graph_->Keep(x.storage, factors_.op);
    return graph_->NewValue(graph_->AddOp(name_, 0, {{x.op, 0}, {factors_.op, 0}}), x.rows, x.width);
  }

 private:
  Graph* graph_;
  std::string name_;
  Parameter factors_;
};

Step MakeMlp(Graph& graph, const std::string& name, const MlpSpec& spec, bool gated) {
  if (!gated) return PlainMlp(graph, name + ".fc1", name + ".fc2", spec);
  // Three matrices in place of two: a third less each, rounded up to a multiple of 8.
  const int64_t inner = (spec.inner * 2 / 3 + 7) / 8 * 8;
  return GatedMlp(graph, name, {.hidden = spec.hidden, .inner = inner, .activation = "silu", .bias = true});
}

Value Layer(Graph& graph, const std::string& name, const PatchSpec& spec, const MlpSpec& mlp_spec, bool gated,
            Value x) {
  const LayerNorm attention_norm(graph, name + ".norm1", spec.hidden);
  const PatchAttention attention(graph, name + ".attention", spec, spec.Patches() + 1);
  const LayerScale attention_scale(graph, name + ".layer_scale1", spec.hidden);
  const LayerNorm mlp_norm(graph, name + ".norm2", spec.hidden);
  const Step mlp = MakeMlp(graph, name + ".mlp", mlp_spec, gated);
  const LayerScale mlp_scale(graph, name + ".layer_scale2", spec.hidden);
  x = Residual(graph, name + ".attention", x,
               [&](const Value& y) { return attention_scale(attention(attention_norm(y))); });
  return Residual(graph, name + ".mlp", x, [&](const Value& y) { return mlp_scale(mlp(mlp_norm(y))); });
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const PatchSpec spec = ReadPatches(request, 14);
  const int64_t hidden = spec.hidden;
  const MlpSpec mlp = {.hidden = hidden,
                       .inner = SaturatingProduct({hidden, request.Size("mlp_ratio", 4)}),
                       .activation = request.Activation("hidden_act", "gelu"),
                       .bias = true};
  const bool gated = request.Flag("use_swiglu_ffn", false);
  const bool mask_token = request.Flag("use_mask_token", true);
  const int64_t layers = request.Layers("num_hidden_layers", 12);
  const int64_t num_labels = request.NumLabels();
  if (!request.status().ok()) return request.status();

  const Parameter class_token = graph.AddParameter("dinov2.embeddings.cls_token", {1, 1, hidden});
  if (mask_token) graph.AddParameter("dinov2.embeddings.mask_token", {1, hidden});  // For masked images alone.
  const int64_t length = spec.Patches() + 1;
  const Parameter positions = graph.AddParameter("dinov2.embeddings.position_embeddings", {1, length, hidden});
  const PatchProjection projection(graph, "dinov2.embeddings.patch_embeddings.projection", spec);
  const int embed = graph.AddOp("dinov2.embeddings", 0, {{projection().op, 0}, {class_token.op, 0}, {positions.op, 0}});
  Value x = graph.NewValue(embed, SaturatingProduct({spec.batch, length}), hidden);
  for (int64_t i = 0; i < layers; ++i) {
    x = Layer(graph, absl::StrCat("dinov2.encoder.layer.", i), spec, mlp, gated, x);
  }
  x = LayerNorm(graph, "dinov2.layernorm", hidden)(x);
  if (request.head() == Head::kNone) return x;
  // The class token beside the mean of the patches.
  const Value features = graph.NewValue(x.op, spec.batch, 2 * hidden);
  return Linear(graph, "classifier", 2 * hidden, num_labels, {.adapted = false})(features);
}

}  // namespace

const Family kDinov2 = {"dinov2",
                        "DINOv2",
                        "Dinov2",
                        "dinov2",
                        {{"ForImageClassification", Head::kImageClassifier}, {"Model", Head::kNone}},
                        Describe};

}  // namespace greenplan::profiler
