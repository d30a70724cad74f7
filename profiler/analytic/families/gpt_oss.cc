#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/experts.h"
#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(request, {.hidden = 2880,
                                           .inner = 2880,
                                           .layers = 36,
                                           .heads = 64,
                                           .kv_heads = 8,
                                           .head_width = 64,
                                           .vocab_size = 201088});
  spec.attention.qkv_bias = spec.attention.output_bias = request.Flag("attention_bias", true);
  spec.attention.sinks = true;
  spec.attention.eager = true;  // Sinks have no place in scaled_dot_product_attention.
  const SparseMlpSpec sparse = {.experts = {.hidden = spec.hidden,
                                            .inner = spec.mlp.inner,
                                            .experts = request.Size({"num_local_experts", "num_experts"}, 128),
                                            .top_k = request.Size("num_experts_per_tok", 4),
                                            .transposed = true,
                                            .bias = true,
                                            .clamped = true},
                                .router = "router",
                                .router_bias = true};
  CheckExperts(request, sparse.experts);
  spec.make_mlp = [sparse](Graph& graph, const std::string& name, int64_t) { return SparseMlp(graph, name, sparse); };
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kGptOss = {"gpt_oss", "gpt-oss", "GptOss", "model", DecoderHeads(), Describe};

}  // namespace greenplan::profiler
