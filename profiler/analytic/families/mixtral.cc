#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/decoder_parts.h"
#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const int64_t hidden = request.Size("hidden_size", 4096);
  const int64_t layers = request.Layers("num_hidden_layers", 32);
  const int64_t vocab_size = request.Size("vocab_size", 32000);
  const ExpertsSpec experts_spec = {.hidden = hidden,
                                    .inner = request.Size("intermediate_size", 14336),
                                    .experts = request.Size({"num_local_experts", "num_experts"}, 8),
                                    .top_k = request.Size("num_experts_per_tok", 2),
                                    .activation = request.Text("hidden_act", "silu")};
  const GroupedAttentionSpec attention_spec = ReadGroupedAttention(request, hidden, 32, 8);
  const HeadSpec head = ReadHead(request, hidden, vocab_size, false);
  CheckExperts(request, experts_spec);
  if (!request.status().ok()) return request.status();

  const Embedding embedding(graph, "model.embed_tokens", vocab_size, hidden);
  Value x = embedding(SaturatingProduct({request.batch_size(), attention_spec.shape.query_length}));
  for (int64_t i = 0; i < layers; ++i) {
    const std::string name = absl::StrCat("model.layers.", i);
    const GroupedAttention attention(graph, name + ".self_attn", attention_spec);
    const Linear router(graph, name + ".mlp.gate", hidden, experts_spec.experts, {.bias = false, .adapted = false});
    const Experts experts(graph, name + ".mlp.experts", experts_spec);
    const RmsNorm input_norm(graph, name + ".input_layernorm", hidden);
    const RmsNorm post_attention_norm(graph, name + ".post_attention_layernorm", hidden);
    x = Residual(graph, name + ".self_attn", x, [&](const Value& y) { return attention(input_norm(y)); });
    x = Residual(graph, name + ".mlp", x, [&](Value y) {
      y = post_attention_norm(y);
      return experts(y, Route(graph, router(y), experts_spec.top_k));
    });
  }
  x = RmsNorm(graph, "model.norm", hidden)(x);
  return ApplyHead(graph, head, embedding, x);
}

}  // namespace

const Family kMixtral = {"mixtral",
                         {{"MixtralForCausalLM", Head::kLanguageModel},
                          {"MixtralForSequenceClassification", Head::kSequenceClassifier},
                          {"MixtralForTokenClassification", Head::kTokenClassifier}},
                         Describe};

}  // namespace greenplan::profiler
