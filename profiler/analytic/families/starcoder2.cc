#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(request, {.hidden = 3072,
                                           .inner = 12288,
                                           .layers = 30,
                                           .heads = 24,
                                           .kv_heads = 2,
                                           .vocab_size = 49152,
                                           .activation = "gelu_pytorch_tanh",
                                           .tied = true});
  spec.norm = Norm::kLayer;
  spec.mlp.bias = spec.attention.qkv_bias = spec.attention.output_bias = request.Flag("use_bias", true);
  ReadWindow(request, spec, std::nullopt, [](int64_t) { return true; });
  spec.make_mlp = [mlp = spec.mlp](Graph& graph, const std::string& name, int64_t) {
    return PlainMlp(graph, name + ".c_fc", name + ".c_proj", mlp);
  };
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kStarcoder2 = {"starcoder2", "StarCoder 2", "Starcoder2", "model", DecoderHeads(), Describe};

}  // namespace greenplan::profiler
