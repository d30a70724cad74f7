#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

// LLaMA 2 and 3, and Granite, which differs from them in constant factors alone.
namespace greenplan::profiler {
namespace {

DecoderSpec Read(Request& request) {
  DecoderSpec spec =
      ReadDecoder(request, {.hidden = 4096, .inner = 11008, .layers = 32, .heads = 32, .vocab_size = 32000});
  spec.attention.qkv_bias = spec.attention.output_bias = request.Flag("attention_bias", false);
  spec.mlp.bias = request.Flag("mlp_bias", false);
  return spec;
}

absl::StatusOr<Value> DescribeLlama(Request& request, Graph& graph) {
  const DecoderSpec spec = Read(request);
  request.CheckDivides("num_attention_heads", spec.attention.shape.heads, "hidden_size", spec.hidden);
  return BuildDecoder(request, graph, spec);
}

absl::StatusOr<Value> DescribeGranite(Request& request, Graph& graph) {
  return BuildDecoder(request, graph, Read(request));
}

}  // namespace

const Family kLlama = {"llama",
                       "LLaMA 2 and 3",
                       "Llama",
                       "model",
                       DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering, "transformer"}}),
                       DescribeLlama};

const Family kGranite = {
    "granite",      "Granite", "Granite", "model", {{"ForCausalLM", Head::kCausalLm}, {"Model", Head::kNone}},
    DescribeGranite};

}  // namespace greenplan::profiler
