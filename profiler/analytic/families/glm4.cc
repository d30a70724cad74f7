#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(request, {.hidden = 4096,
                                           .inner = 13696,
                                           .layers = 40,
                                           .heads = 32,
                                           .kv_heads = 2,
                                           .head_width = 128,
                                           .vocab_size = 151552});
  spec.attention.by_head = true;  // Rotated and other columns are joined anew.
  spec.attention.qkv_bias = request.Flag("attention_bias", true);
  spec.norms = {{"input_layernorm", Place::kBeforeAttention},
                {"post_attention_layernorm", Place::kBeforeMlp},
                {"post_self_attn_layernorm", Place::kBehindAttention},
                {"post_mlp_layernorm", Place::kBehindMlp}};
  spec.make_mlp = [mlp = spec.mlp](Graph& graph, const std::string& name, int64_t) {
    return JointGatedMlp(graph, name, mlp);
  };
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kGlm4 = {"glm4", "GLM-4", "Glm4", "model", DecoderHeads(), Describe};

}  // namespace greenplan::profiler
