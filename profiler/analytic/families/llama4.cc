#include <algorithm>

#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/experts.h"
#include "profiler/analytic/families/family.h"

// The text of LLaMA 4.
namespace greenplan::profiler {
namespace {

// Its experts as transformers runs them: every token goes through all of them, scaled by the router's scores, most of
// which are 0; their sum joins what the expert for all makes of it.
class ScaledExperts {
 public:
  ScaledExperts(Graph& graph, const std::string& name, const ExpertsSpec& spec)
      : graph_(&graph),
        name_(name),
        spec_(spec),
        gate_up_(graph.AddParameter(name + ".experts.gate_up_proj", {spec.experts, spec.hidden, 2 * spec.inner})),
        down_(graph.AddParameter(name + ".experts.down_proj", {spec.experts, spec.inner, spec.hidden})),
        router_(graph, name + ".router", spec.hidden, spec.experts, {.bias = false, .adapted = false}),
        shared_(graph, name + ".shared_expert",
                {.hidden = spec.hidden, .inner = spec.inner, .activation = spec.activation}) {}

  Value operator()(const Value& x) const {
    Graph& graph = *graph_;
    const int64_t rows = SaturatingProduct({x.rows, spec_.experts});
    const Value scores = Activation(graph, "sigmoid", router_(x));
    const Value repeated = graph.NewValue(x.op, rows, spec_.hidden);
    const Value scaled = Multiply(graph, name_ + ".scale", repeated, scores);

    const Value gate_up = Product(".experts.gate_up_proj", scaled, gate_up_, spec_.hidden, 2 * spec_.inner);
    const Value half = Columns(gate_up, spec_.inner);
    const Value inner = Multiply(graph, name_ + ".multiply", half, Activation(graph, spec_.activation, half));
    const Value y = Product(".experts.down_proj", inner, down_, spec_.inner, spec_.hidden);
    return Add(graph, name_ + ".add", shared_(x), y);
  }

 private:
  Value Product(const char* product, const Value& x, const Parameter& weight, int64_t in, int64_t out) const {
    const int64_t flops = SaturatingProduct({2, x.rows, in, out});
    graph_->AddForwardCost(flops);
    graph_->Keep(x.storage, weight.op);
    const int op = graph_->AddOp(name_ + product, 0, {{x.op, flops}, {weight.op, flops}});
    return graph_->NewValue(op, x.rows, out);
  }

  Graph* graph_;
  std::string name_;
  ExpertsSpec spec_;
  Parameter gate_up_;
  Parameter down_;
  Linear router_;
  GatedMlp shared_;
};

// Layers with experts: moe_layers, else every interleave_moe_layer_step-th.
std::vector<bool> ReadSparseLayers(Request& request, int64_t layers) {
  const int64_t step = request.Size("interleave_moe_layer_step", 1);
  const std::vector<int64_t> listed = request.Numbers("moe_layers");
  std::vector<bool> sparse(layers);
  for (int64_t i = 0; i < layers; ++i) {
    sparse[i] =
        request.Has("moe_layers") ? std::find(listed.begin(), listed.end(), i) != listed.end() : (i + 1) % step == 0;
  }
  return sparse;
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(request, {.hidden = 5120,
                                           .inner = 8192,
                                           .layers = 48,
                                           .heads = 40,
                                           .kv_heads = 8,
                                           .head_width = 128,
                                           .vocab_size = 202048});
  spec.names.mlp = "feed_forward";
  spec.attention.qkv_bias = spec.attention.output_bias = request.Flag("attention_bias", false);
  const ExpertsSpec experts = {.hidden = spec.hidden,
                               .inner = spec.mlp.inner,
                               .experts = request.Size("num_local_experts", 16),
                               .top_k = request.Size("num_experts_per_tok", 1),
                               .activation = spec.mlp.activation};
  CheckExperts(request, experts);
  MlpSpec dense = spec.mlp;
  dense.inner = request.Size("intermediate_size_mlp", 16384);
  const std::vector<bool> sparse = ReadSparseLayers(request, spec.layers);
  spec.make_mlp = [=](Graph& graph, const std::string& name, int64_t layer) -> Step {
    if (sparse[layer]) return ScaledExperts(graph, name, experts);
    return GatedMlp(graph, name, dense);
  };
  const std::vector<bool> rotated = ReadRotatedLayers(request, spec.layers, /*interval_if_missing=*/4);
  const bool normalized = request.Flag("use_qk_norm", true);
  const int64_t chunk = request.SizeOrNull("attention_chunk_size", 8192).value_or(spec.attention.shape.key_length + 1);
  const std::vector<bool> chunked =
      LayersOfType(request, spec.layers, "chunked_attention", [rotated](int64_t layer) { return rotated[layer]; });
  spec.make_attention = [=, attention = spec.attention](Graph& graph, const std::string& name, int64_t layer) {
    GroupedAttentionSpec own = attention;
    own.rotated = rotated[layer];
    own.shape.masked = chunked[layer] && chunk <= attention.shape.key_length;
    if (rotated[layer] && normalized) own.norm = QueryKeyNorm::kUnitBehindRotary;
    return GroupedAttention(graph, name, own);
  };
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kLlama4Text = {
    "llama4_text", "LLaMA 4 (text)", "Llama4", "model", {{"ForCausalLM", Head::kCausalLm}, {"TextModel", Head::kNone}},
    Describe};

}  // namespace greenplan::profiler
