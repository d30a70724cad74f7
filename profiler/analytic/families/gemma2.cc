#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/decoder_parts.h"
#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const int64_t hidden = request.Size("hidden_size", 2304);
  const int64_t inner = request.Size("intermediate_size", 9216);
  const int64_t layers = request.Layers("num_hidden_layers", 26);
  const int64_t vocab_size = request.Size("vocab_size", 256000);
  const std::string activation = request.Text("hidden_activation", "gelu_pytorch_tanh");
  GroupedAttentionSpec attention_spec = ReadGroupedAttention(request, hidden, 8, 4, 256);
  attention_spec.output_bias = attention_spec.qkv_bias = request.Flag("attention_bias", false);
  attention_spec.eager = true;  // Soft caps have no place in scaled_dot_product_attention.
  attention_spec.shape.soft_cap = request.HasNumber("attn_logit_softcapping", true);
  const bool soft_cap = request.HasNumber("final_logit_softcapping", true) && request.head() == Head::kLanguageModel;
  const HeadSpec head = ReadHead(request, hidden, vocab_size, true);
  if (!request.status().ok()) return request.status();

  const Embedding embedding(graph, "model.embed_tokens", vocab_size, hidden);
  Value x = embedding(SaturatingProduct({request.batch_size(), attention_spec.shape.query_length}));
  for (int64_t i = 0; i < layers; ++i) {
    const std::string name = absl::StrCat("model.layers.", i);
    const GroupedAttention attention(graph, name + ".self_attn", attention_spec);
    const GatedMlp mlp(graph, name + ".mlp", hidden, inner, activation);
    const RmsNorm input_norm(graph, name + ".input_layernorm", hidden);
    const RmsNorm post_attention_norm(graph, name + ".post_attention_layernorm", hidden);
    const RmsNorm pre_mlp_norm(graph, name + ".pre_feedforward_layernorm", hidden);
    const RmsNorm post_mlp_norm(graph, name + ".post_feedforward_layernorm", hidden);
    x = Residual(graph, name + ".self_attn", x,
                 [&](const Value& y) { return post_attention_norm(attention(input_norm(y))); });
    x = Residual(graph, name + ".mlp", x, [&](const Value& y) { return post_mlp_norm(mlp(pre_mlp_norm(y))); });
  }
  x = RmsNorm(graph, "model.norm", hidden)(x);
  const Value logits = ApplyHead(graph, head, embedding, x);
  return soft_cap ? Activation(graph, "tanh", logits) : logits;
}

}  // namespace

const Family kGemma2 = {"gemma2",
                        {{"Gemma2ForCausalLM", Head::kLanguageModel},
                         {"Gemma2ForSequenceClassification", Head::kSequenceClassifier},
                         {"Gemma2ForTokenClassification", Head::kTokenClassifier}},
                        Describe};

}  // namespace greenplan::profiler
