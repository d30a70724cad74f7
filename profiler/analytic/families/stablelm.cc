#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(
      request, {.hidden = 2560, .inner = 6912, .layers = 32, .heads = 32, .kv_heads = 32, .vocab_size = 50304});
  spec.norm = Norm::kLayer;
  spec.attention.by_head = true;  // Rotated and other columns are joined anew.
  spec.attention.qkv_bias = request.Flag("use_qkv_bias", false);
  if (request.Flag("qk_layernorm", false)) spec.attention.norm = QueryKeyNorm::kLayerOfEachHead;
  spec.attention.query_norm = "q_layernorm";
  spec.attention.key_norm = "k_layernorm";
  spec.parallel = request.Flag("use_parallel_residual", false);
  if (spec.parallel) spec.norms = {{"input_layernorm", Place::kBeforeAttention}};
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kStableLm = {"stablelm", "StableLM", "StableLm", "model", DecoderHeads(), Describe};

}  // namespace greenplan::profiler
