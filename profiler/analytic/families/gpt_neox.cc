#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/families/heads.h"

// GPT-NeoX and Pythia.
namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const int64_t hidden = request.Size("hidden_size", 6144);
  const int64_t inner = request.Size("intermediate_size", 24576);
  const int64_t layers = request.Layers("num_hidden_layers", 44);
  const int64_t heads = request.Size("num_attention_heads", 64);
  const int64_t vocab_size = request.Size("vocab_size", 50432);
  const bool parallel = request.Flag("use_parallel_residual", true);
  const Linear::Options projection = {.bias = request.Flag("attention_bias", true)};
  const std::string activation = request.Activation("hidden_act", "gelu");
  const int64_t length = request.SeqLen();
  HeadSpec head = ReadHead(request, hidden, vocab_size, false);
  head.token_classifier = "classifier";
  head.token_classifier_bias = true;
  request.CheckDivides("num_attention_heads", heads, "hidden_size", hidden);
  if (!request.status().ok()) return request.status();
  const AttentionShape shape = {request.batch_size(), heads, heads, length, length, hidden / heads, hidden / heads};

  const Embedding embedding(graph, "gpt_neox.embed_in", vocab_size, hidden);
  Value x = embedding(SaturatingProduct({request.batch_size(), length}));
  for (int64_t i = 0; i < layers; ++i) {
    const std::string name = absl::StrCat("gpt_neox.layers.", i);
    const LayerNorm attention_norm(graph, name + ".input_layernorm", hidden);
    const LayerNorm mlp_norm(graph, name + ".post_attention_layernorm", hidden);
    const Linear qkv(graph, name + ".attention.query_key_value", hidden, 3 * hidden, projection);
    const Linear dense(graph, name + ".attention.dense", hidden, hidden, projection);
    const Linear mlp_in(graph, name + ".mlp.dense_h_to_4h", hidden, inner);
    const Linear mlp_out(graph, name + ".mlp.dense_4h_to_h", inner, hidden);

    const auto attention = [&](const Value& y) {
      const Value part = Columns(qkv(attention_norm(y)), hidden);
      const Value attended = Attend(graph, name + ".attention", Copy(graph, part), Copy(graph, part), part, shape);
      return dense(Copy(graph, attended));  // Queries, and so the result, lie head by head in memory.
    };
    const auto mlp = [&](const Value& y) { return mlp_out(Activation(graph, activation, mlp_in(mlp_norm(y)))); };
    if (parallel) {
      const Value attention_output = InBlock(graph, name + ".attention", x, attention);
      const Value mlp_output = InBlock(graph, name + ".mlp", x, mlp);
      x = Add(graph, name + ".add", Add(graph, name + ".branches", mlp_output, attention_output), x);
    } else {
      x = Residual(graph, name + ".attention", x, attention);
      x = Residual(graph, name + ".mlp", x, mlp);
    }
  }
  x = LayerNorm(graph, "gpt_neox.final_layer_norm", hidden)(x);
  return ApplyHead(graph, head, embedding, x);
}

}  // namespace

const Family kGptNeox = {"gpt_neox",
                         "GPT-NeoX and Pythia",
                         "GPTNeoX",
                         "gpt_neox",
                         DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering}}),
                         Describe};

}  // namespace greenplan::profiler
