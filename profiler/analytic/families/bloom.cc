#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/families/heads.h"

namespace greenplan::profiler {
namespace {

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const int64_t hidden = request.Size({"n_embed", "hidden_size"}, 64);
  const int64_t layers = request.Layers({"n_layer", "num_hidden_layers"}, 2);
  const int64_t heads = request.Size({"n_head", "num_attention_heads"}, 8);
  const int64_t vocab_size = request.Size("vocab_size", 250880);
  const bool residual_behind_norm = request.Flag("apply_residual_connection_post_layernorm", false);
  const int64_t length = request.SeqLen();
  HeadSpec head = ReadHead(request, hidden, vocab_size, true);
  head.token_classifier = "classifier";
  head.token_classifier_bias = true;
  request.CheckDivides("n_head", heads, "hidden_size", hidden);
  if (!request.status().ok()) return request.status();
  const AttentionShape shape = {request.batch_size(), heads, heads, length, length, hidden / heads, hidden / heads};

  const Embedding tokens(graph, "transformer.word_embeddings", vocab_size, hidden);
  const LayerNorm embedding_norm(graph, "transformer.word_embeddings_layernorm", hidden);
  Value x = embedding_norm(tokens(SaturatingProduct({request.batch_size(), length})));
  for (int64_t i = 0; i < layers; ++i) {
    const std::string name = absl::StrCat("transformer.h.", i);
    const LayerNorm attention_norm(graph, name + ".input_layernorm", hidden);
    const Linear qkv(graph, name + ".self_attention.query_key_value", hidden, 3 * hidden);
    const Linear dense(graph, name + ".self_attention.dense", hidden, hidden);
    const LayerNorm mlp_norm(graph, name + ".post_attention_layernorm", hidden);
    const Linear mlp_in(graph, name + ".mlp.dense_h_to_4h", hidden, 4 * hidden);
    const Linear mlp_out(graph, name + ".mlp.dense_4h_to_h", 4 * hidden, hidden);

    // ALiBi is added inside the product of queries and keys: there is no fused path.
    const auto attention = [&](const Value& y) {
      const Value part = Columns(qkv(y), hidden);
      return dense(AttendEagerly(graph, name + ".self_attention", part, part, part, shape));
    };
    const auto mlp = [&](const Value& y) { return mlp_out(Activation(graph, "gelu", mlp_in(y))); };
    if (residual_behind_norm) {
      x = Residual(graph, name + ".self_attention", attention_norm(x), attention);
      x = Residual(graph, name + ".mlp", mlp_norm(x), mlp);
    } else {
      x = Residual(graph, name + ".self_attention", x, [&](const Value& y) { return attention(attention_norm(y)); });
      x = Residual(graph, name + ".mlp", x, [&](const Value& y) { return mlp(mlp_norm(y)); });
    }
  }
  x = LayerNorm(graph, "transformer.ln_f", hidden)(x);
  return ApplyHead(graph, head, tokens, x);
}

}  // namespace

const Family kBloom = {
    "bloom", "BLOOM", "Bloom", "transformer", DecoderHeads({{"ForQuestionAnswering", Head::kQuestionAnswering}}),
    Describe};

}  // namespace greenplan::profiler
