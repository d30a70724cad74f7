#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

// Phi-1, 1.5 and 2.
namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(
      request,
      {.hidden = 2048, .inner = 8192, .layers = 24, .heads = 32, .vocab_size = 51200, .activation = "gelu_new"});
  spec.attention.by_head = true;  // Rotated and other columns are joined anew.
  spec.attention.qkv_bias = spec.attention.output_bias = true;
  spec.attention.output = "dense";
  if (request.Flag("qk_layernorm", false)) spec.attention.norm = QueryKeyNorm::kLayerOfHeads;
  spec.attention.query_norm = "q_layernorm";
  spec.attention.key_norm = "k_layernorm";
  spec.parallel = true;
  spec.norm = Norm::kLayer;
  spec.norms = {{"input_layernorm", Place::kBeforeAttention}};
  spec.names.last_norm = "final_layernorm";
  spec.head.bias = true;
  spec.mlp.bias = true;
  spec.make_mlp = [mlp = spec.mlp](Graph& graph, const std::string& name, int64_t) {
    return PlainMlp(graph, name + ".fc1", name + ".fc2", mlp);
  };
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kPhi = {"phi", "Phi-1, Phi-1.5 and Phi-2", "Phi", "model", DecoderHeads(), Describe};

}  // namespace greenplan::profiler
