#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(
      request,
      {.hidden = 2048, .inner = 11008, .layers = 36, .heads = 16, .kv_heads = 4, .vocab_size = 128256, .tied = true});
  spec.attention.qkv_bias = spec.attention.output_bias = request.Flag("attention_bias", false);
  spec.mlp.bias = request.Flag("mlp_bias", false);
  spec.rotated = ReadRotatedLayers(request, spec.layers, /*interval_if_missing=*/4);
  if (request.Flag("use_sliding_window", false)) {
    const std::vector<bool> rotated = spec.rotated;
    ReadWindow(request, spec, std::nullopt, [rotated](int64_t layer) { return !rotated[layer]; });
  }
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kSmolLm3 = {"smollm3",
                         "SmolLM3",
                         "SmolLM3",
                         "model",
                         DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering, "transformer"}}),
                         Describe};

}  // namespace greenplan::profiler
