#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

// Command R7B and its relatives: attention and MLP side by side; layers without a window are not rotated.
namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(
      request, {.hidden = 8192, .inner = 22528, .layers = 40, .heads = 64, .vocab_size = 256000, .tied = true});
  spec.attention.qkv_bias = spec.attention.output_bias = request.Flag("attention_bias", false);
  spec.parallel = true;
  spec.norm = Norm::kCentered;
  spec.norms = {{"input_layernorm", Place::kBeforeAttention}};
  const int64_t pattern = request.Size("sliding_window_pattern", 4);
  const auto slides = [pattern](int64_t layer) { return (layer + 1) % pattern != 0; };
  ReadWindow(request, spec, 4096, slides);
  spec.rotated.assign(spec.layers, false);
  if (request.SizeOrNull("sliding_window", 4096)) {
    spec.rotated = LayersOfType(request, spec.layers, "sliding_attention", slides);
  }
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kCohere2 = {
    "cohere2", "Cohere 2 (Command R7B)", "Cohere2", "model", {{"ForCausalLM", Head::kCausalLm}, {"Model", Head::kNone}},
    Describe};

}  // namespace greenplan::profiler
