#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

// OLMo 2 and 3: norms stand behind the branches.
namespace greenplan::profiler {
namespace {

DecoderSpec ReadOlmo(Request& request) {
  DecoderSpec spec =
      ReadDecoder(request, {.hidden = 4096, .inner = 11008, .layers = 32, .heads = 32, .vocab_size = 50304});
  spec.attention.qkv_bias = spec.attention.output_bias = request.Flag("attention_bias", false);
  spec.attention.norm = QueryKeyNorm::kRmsOfAll;
  spec.norms = {{"post_attention_layernorm", Place::kBehindAttention},
                {"post_feedforward_layernorm", Place::kBehindMlp}};
  return spec;
}

absl::StatusOr<Value> DescribeOlmo2(Request& request, Graph& graph) {
  return BuildDecoder(request, graph, ReadOlmo(request));
}

absl::StatusOr<Value> DescribeOlmo3(Request& request, Graph& graph) {
  DecoderSpec spec = ReadOlmo(request);
  ReadWindow(request, spec, 4096, [](int64_t layer) { return (layer + 1) % 4 != 0; });
  return BuildDecoder(request, graph, spec);
}

std::vector<HeadClass> Heads() {
  return {{"ForCausalLM", Head::kCausalLm},
          {"ForSequenceClassification", Head::kSequenceClassifier},
          {"Model", Head::kNone}};
}

}  // namespace

const Family kOlmo2 = {"olmo2", "OLMo 2", "Olmo2", "model", Heads(), DescribeOlmo2};

const Family kOlmo3 = {"olmo3", "OLMo 3", "Olmo3", "model", Heads(), DescribeOlmo3};

}  // namespace greenplan::profiler
