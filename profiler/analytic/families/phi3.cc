#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/decoder_parts.h"
#include "profiler/analytic/families/family.h"

namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const int64_t hidden = request.Size("hidden_size", 3072);
  const int64_t inner = request.Size("intermediate_size", 8192);
  const int64_t layers = request.Layers("num_hidden_layers", 32);
  const int64_t vocab_size = request.Size("vocab_size", 32064);
  const std::string activation = request.Text("hidden_act", "silu");
  const AttentionShape shape = ReadGroupedAttention(request, hidden, 32).shape;
  const HeadSpec head = ReadHead(request, hidden, vocab_size, false);
  if (!request.status().ok()) return request.status();
  const int64_t query_width = shape.heads * shape.head_width;
  const int64_t key_width = shape.kv_heads * shape.head_width;

  const Linear::Options linear = {.bias = false};
  const Embedding embedding(graph, "model.embed_tokens", vocab_size, hidden);
  Value x = embedding(SaturatingProduct({request.batch_size(), shape.query_length}));
  for (int64_t i = 0; i < layers; ++i) {
    const std::string name = absl::StrCat("model.layers.", i);
    const Linear o(graph, name + ".self_attn.o_proj", query_width, hidden, linear);
    const Linear qkv(graph, name + ".self_attn.qkv_proj", hidden, query_width + 2 * key_width, linear);
    const Linear gate_up(graph, name + ".mlp.gate_up_proj", hidden, 2 * inner, linear);
    const Linear down(graph, name + ".mlp.down_proj", inner, hidden, linear);
    const RmsNorm input_norm(graph, name + ".input_layernorm", hidden);
    const RmsNorm post_attention_norm(graph, name + ".post_attention_layernorm", hidden);

    x = Residual(graph, name + ".self_attn", x, [&](const Value& y) {
      const Value joint = qkv(input_norm(y));
      const Value q = Copy(graph, Columns(joint, query_width));
      const Value k = Copy(graph, Columns(joint, key_width));
      return o(Attend(graph, name + ".self_attn", q, k, Columns(joint, key_width), shape));
    });
    x = Residual(graph, name + ".mlp", x, [&](const Value& y) {
      const Value part = Columns(gate_up(post_attention_norm(y)), inner);
      return down(Multiply(graph, name + ".mlp.multiply", part, Activation(graph, activation, part)));
    });
  }
  x = RmsNorm(graph, "model.norm", hidden)(x);
  return ApplyHead(graph, head, embedding, x);
}

}  // namespace

const Family kPhi3 = {"phi3",
                      {{"Phi3ForCausalLM", Head::kLanguageModel},
                       {"Phi3ForSequenceClassification", Head::kSequenceClassifier},
                       {"Phi3ForTokenClassification", Head::kTokenClassifier}},
                      Describe};

}  // namespace greenplan::profiler
