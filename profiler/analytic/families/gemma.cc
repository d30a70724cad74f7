#include "profiler/analytic/families/decoder.h"
#include "profiler/analytic/families/family.h"

// Gemma, Gemma 2 and the text of Gemma 3.
namespace greenplan::profiler {
namespace {

DecoderSpec ReadGemma(Request& request, DecoderDefaults defaults) {
  defaults.head_width = 256;
  defaults.activation = "gelu_pytorch_tanh";
  defaults.tied = true;
  DecoderSpec spec = ReadDecoder(request, defaults);
  spec.attention.qkv_bias = spec.attention.output_bias = request.Flag("attention_bias", false);
  return spec;
}

// Gemma 2 and 3 have the same sizes, and normalize what a branch reads and what it returns.
DecoderSpec ReadGemma2Or3(Request& request, int64_t vocab_size) {
  DecoderSpec spec = ReadGemma(request, {.hidden = 2304,
                                         .inner = 9216,
                                         .layers = 26,
                                         .heads = 8,
                                         .kv_heads = 4,
                                         .vocab_size = vocab_size,
                                         .activation_key = "hidden_activation"});
  request.CheckDivides("num_attention_heads", spec.attention.shape.heads, "hidden_size", spec.hidden);
  spec.norms = {{"input_layernorm", Place::kBeforeAttention},
                {"post_attention_layernorm", Place::kBehindAttention},
                {"pre_feedforward_layernorm", Place::kBeforeMlp},
                {"post_feedforward_layernorm", Place::kBehindMlp}};
  return spec;
}

absl::StatusOr<Value> DescribeGemma(Request& request, Graph& graph) {
  const DecoderSpec spec = ReadGemma(
      request, {.hidden = 3072, .inner = 24576, .layers = 28, .heads = 16, .kv_heads = 16, .vocab_size = 256000});
  return BuildDecoder(request, graph, spec);
}

absl::StatusOr<Value> DescribeGemma2(Request& request, Graph& graph) {
  DecoderSpec spec = ReadGemma2Or3(request, 256000);
  spec.attention.eager = true;  // Soft caps have no place in scaled_dot_product_attention.
  spec.attention.shape.soft_cap = request.HasNumber("attn_logit_softcapping", true);
  spec.head.soft_cap = request.HasNumber("final_logit_softcapping", true);
  return BuildDecoder(request, graph, spec);
}

// attn_logit_softcapping is a key of its config too, which its attention does not use.
absl::StatusOr<Value> DescribeGemma3(Request& request, Graph& graph) {
  DecoderSpec spec = ReadGemma2Or3(request, 262208);
  spec.attention.norm = QueryKeyNorm::kRmsOfHeads;
  spec.head.soft_cap = request.HasNumber("final_logit_softcapping", false);
  const int64_t pattern = request.Size("sliding_window_pattern", 6);
  ReadWindow(request, spec, 4096, [pattern](int64_t layer) { return (layer + 1) % pattern != 0; });
  return BuildDecoder(request, graph, spec);
}

}  // namespace

const Family kGemma = {"gemma", "Gemma", "Gemma", "model", DecoderHeads(), DescribeGemma};

const Family kGemma2 = {"gemma2", "Gemma 2", "Gemma2", "model", DecoderHeads(), DescribeGemma2};

const Family kGemma3Text = {"gemma3_text",
                            "Gemma 3 (text)",
                            "Gemma3",
                            "model",
                            {{"ForCausalLM", Head::kCausalLm},
                             {"TextForSequenceClassification", Head::kSequenceClassifier},
                             {"TextModel", Head::kNone}},
                            DescribeGemma3};

}  // namespace greenplan::profiler
