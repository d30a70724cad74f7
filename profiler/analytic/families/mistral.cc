#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

// Mistral and Ministral: LLaMA without biases, with a window of attention.
namespace greenplan::profiler {
namespace {

DecoderDefaults Defaults() {
  return {.hidden = 4096, .inner = 14336, .layers = 32, .heads = 32, .kv_heads = 8, .vocab_size = 32000};
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph, const DecoderDefaults& defaults,
                               std::optional<int64_t> window) {
  DecoderSpec spec = ReadDecoder(request, defaults);
  ReadWindow(request, spec, window, [](int64_t) { return true; });
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kMistral = {
    "mistral",
    "Mistral",
    "Mistral",
    "model",
    DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering}}),
    [](Request& request, Graph& graph) { return Describe(request, graph, Defaults(), /*window=*/4096); }};

const Family kMinistral = {
    "ministral",
    "Ministral",
    "Ministral",
    "model",
    DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering, "transformer"}}),
    [](Request& request, Graph& graph) { return Describe(request, graph, Defaults(), /*window=*/4096); }};

const Family kMinistral3 = {"ministral3",
                            "Ministral 3",
                            "Ministral3",
                            "model",
                            DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering}}),
                            [](Request& request, Graph& graph) {
                              DecoderDefaults defaults = Defaults();
                              defaults.layers = 34;
                              defaults.head_width = 128;
                              defaults.vocab_size = 131072;
                              return Describe(request, graph, defaults, /*window=*/std::nullopt);
                            }};

}  // namespace greenplan::profiler
