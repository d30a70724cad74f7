#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/families/heads.h"

namespace greenplan::profiler {
namespace {

// Cross-attention is part of the module, and unused where there is no encoder.
void AddCrossAttention(Graph& graph, const std::string& name, int64_t hidden) {
  const Linear::Options linear = {.adapted = false, .transposed = true};
  const Linear key_value(graph, name + ".crossattention.c_attn", hidden, 2 * hidden, linear);
  const Linear query(graph, name + ".crossattention.q_attn", hidden, hidden, linear);
  const Linear out(graph, name + ".crossattention.c_proj", hidden, hidden, linear);
  const LayerNorm norm(graph, name + ".ln_cross_attn", hidden);
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const int64_t hidden = request.Size({"n_embd", "hidden_size"}, 768);
  const int64_t inner = request.Size("n_inner", 4 * hidden);
  const int64_t layers = request.Layers({"n_layer", "num_hidden_layers"}, 12);
  const int64_t heads = request.Size({"n_head", "num_attention_heads"}, 12);
  const int64_t vocab_size = request.Size("vocab_size", 50257);
  const int64_t positions = request.Size({"n_positions", "max_position_embeddings"}, 1024);
  const bool cross_attention = request.Flag("add_cross_attention", false);
  const std::string activation = request.Activation("activation_function", "gelu_new");
  const int64_t length = request.SeqLen(positions);
  HeadSpec head = ReadHead(request, hidden, vocab_size, true);
  head.token_classifier = "classifier";
  head.token_classifier_bias = true;
  request.CheckDivides("n_head", heads, "n_embd", hidden);
  if (!request.status().ok()) return request.status();
  const AttentionShape shape = {request.batch_size(), heads, heads, length, length, hidden / heads, hidden / heads};

  const Linear::Options conv1d = {.transposed = true};
  const Embedding tokens(graph, "transformer.wte", vocab_size, hidden);
  const Embedding position(graph, "transformer.wpe", positions, hidden);
  Value x = tokens(SaturatingProduct({request.batch_size(), length}));
  x = Add(graph, "transformer.embed", x, position(length));
  for (int64_t i = 0; i < layers; ++i) {
    const std::string name = absl::StrCat("transformer.h.", i);
    const LayerNorm attention_norm(graph, name + ".ln_1", hidden);
    const Linear c_attn(graph, name + ".attn.c_attn", hidden, 3 * hidden, conv1d);
    const Linear c_proj(graph, name + ".attn.c_proj", hidden, hidden, conv1d);
    const LayerNorm mlp_norm(graph, name + ".ln_2", hidden);
    if (cross_attention) AddCrossAttention(graph, name, hidden);
    const Linear mlp_in(graph, name + ".mlp.c_fc", hidden, inner, conv1d);
    const Linear mlp_out(graph, name + ".mlp.c_proj", inner, hidden, conv1d);

    x = Residual(graph, name + ".attn", x, [&](const Value& y) {
      const Value qkv = c_attn(attention_norm(y));
      const Value part = Columns(qkv, hidden);
      return c_proj(Attend(graph, name + ".attn", part, part, part, shape));
    });
    x = Residual(graph, name + ".mlp", x,
                 [&](const Value& y) { return mlp_out(Activation(graph, activation, mlp_in(mlp_norm(y)))); });
  }
  x = LayerNorm(graph, "transformer.ln_f", hidden)(x);
  return ApplyHead(graph, head, tokens, x);
}

}  // namespace

const Family kGpt2 = {"gpt2",
                      "GPT-2",
                      "GPT2",
                      "transformer",
                      {{"LMHeadModel", Head::kCausalLm},
                       {"ForSequenceClassification", Head::kSequenceClassifier},
                       {"ForTokenClassification", Head::kTokenClassifier},
                       {"ForQuestionAnswering", Head::kQuestionAnswering},
                       {"Model", Head::kNone}},
                      Describe};

}  // namespace greenplan::profiler
