#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

// Qwen2 and Qwen3.
namespace greenplan::profiler {
namespace {

DecoderDefaults Defaults() {
  return {.hidden = 4096, .inner = 22016, .layers = 32, .heads = 32, .kv_heads = 32, .vocab_size = 151936};
}

// The last layers see a window, where the config asks for one at all.
void ReadLateWindow(Request& request, DecoderSpec& spec) {
  const int64_t full_layers = request.Layers("max_window_layers", 28);
  if (!request.Flag("use_sliding_window", false)) return;
  ReadWindow(request, spec, 4096, [full_layers](int64_t layer) { return layer >= full_layers; });
}

absl::StatusOr<Value> DescribeQwen2(Request& request, Graph& graph) {
  DecoderSpec spec = ReadDecoder(request, Defaults());
  spec.attention.qkv_bias = true;
  ReadLateWindow(request, spec);
  return BuildDecoder(request, graph, spec);
}

absl::StatusOr<Value> DescribeQwen3(Request& request, Graph& graph) {
  DecoderDefaults defaults = Defaults();
  defaults.head_width = 128;
  DecoderSpec spec = ReadDecoder(request, defaults);
  spec.attention.qkv_bias = spec.attention.output_bias = request.Flag("attention_bias", false);
  spec.attention.norm = QueryKeyNorm::kRmsOfHeads;
  ReadLateWindow(request, spec);
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kQwen2 = {"qwen2",
                       "Qwen2 and Qwen2.5",
                       "Qwen2",
                       "model",
                       DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering, "transformer"}}),
                       DescribeQwen2};

const Family kQwen3 = {"qwen3",
                       "Qwen3",
                       "Qwen3",
                       "model",
                       DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering, "transformer"}}),
                       DescribeQwen3};

}  // namespace greenplan::profiler
