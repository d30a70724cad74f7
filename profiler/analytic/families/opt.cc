#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/families/heads.h"

namespace greenplan::profiler {
namespace {

constexpr int64_t kPositionOffset = 2;  // The table of positions has two rows more than positions.

// What the decoder layers have in common.
struct Layers {
  int64_t hidden = 0;
  int64_t inner = 0;
  bool norm_first = true;
  LayerNorm::Options norm;
  Linear::Options linear;
  std::string activation;
  AttentionShape attention;
};

// Adds one decoder layer and returns its output for `x`.
Value AddLayer(Graph& graph, const std::string& name, const Layers& layers, Value x) {
  const int64_t hidden = layers.hidden;
  const Linear k(graph, name + ".self_attn.k_proj", hidden, hidden, layers.linear);
  const Linear v(graph, name + ".self_attn.v_proj", hidden, hidden, layers.linear);
  const Linear q(graph, name + ".self_attn.q_proj", hidden, hidden, layers.linear);
  const Linear o(graph, name + ".self_attn.out_proj", hidden, hidden, layers.linear);
  const LayerNorm attention_norm(graph, name + ".self_attn_layer_norm", hidden, layers.norm);
  const Linear fc1(graph, name + ".fc1", hidden, layers.inner, layers.linear);
  const Linear fc2(graph, name + ".fc2", layers.inner, hidden, layers.linear);
  const LayerNorm mlp_norm(graph, name + ".final_layer_norm", hidden, layers.norm);

  x = Residual(graph, name + ".self_attn", x, [&](Value y) {
    if (layers.norm_first) y = attention_norm(y);
    return o(Attend(graph, name + ".self_attn", Copy(graph, q(y)), k(y), v(y), layers.attention));
  });
  if (!layers.norm_first) x = attention_norm(x);
  x = Residual(graph, name, x, [&](Value y) {
    if (layers.norm_first) y = mlp_norm(y);
    return fc2(Activation(graph, layers.activation, fc1(y)));
  });
  return layers.norm_first ? x : mlp_norm(x);
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const int64_t hidden = request.Size("hidden_size", 768);
  const int64_t embed = request.Size("word_embed_proj_dim", hidden);
  const int64_t inner = request.Size("ffn_dim", 3072);
  const int64_t num_layers = request.Layers("num_hidden_layers", 12);
  const int64_t heads = request.Size("num_attention_heads", 12);
  const int64_t vocab_size = request.Size("vocab_size", 50272);
  request.CheckPaddingRow(vocab_size);
  const int64_t positions = request.Size("max_position_embeddings", 2048);
  const bool norm_first = request.Flag("do_layer_norm_before", true);
  const bool final_norm = norm_first && !request.Flag("_remove_final_layer_norm", false);
  const bool affine = request.Flag("layer_norm_elementwise_affine", true);
  const LayerNorm::Options norm = {.weight = affine, .bias = affine};
  const Linear::Options linear = {.bias = request.Flag("enable_bias", true)};
  const std::string activation = request.Activation("activation_function", "relu");
  const int64_t length = request.SeqLen(positions);
  const HeadSpec head = ReadHead(request, embed, vocab_size, true);
  request.CheckDivides("num_attention_heads", heads, "hidden_size", hidden);
  if (!request.status().ok()) return request.status();
  const Layers layers = {
      .hidden = hidden,
      .inner = inner,
      .norm_first = norm_first,
      .norm = norm,
      .linear = linear,
      .activation = activation,
      .attention = {request.batch_size(), heads, heads, length, length, hidden / heads, hidden / heads}};

  const Linear::Options projection = {.bias = false, .adapted = false};
  const Embedding tokens(graph, "model.decoder.embed_tokens", vocab_size, embed);
  const Embedding position(graph, "model.decoder.embed_positions", positions + kPositionOffset, hidden);
  std::optional<Linear> project_out, project_in;
  if (embed != hidden) {
    project_out.emplace(graph, "model.decoder.project_out", hidden, embed, projection);
    project_in.emplace(graph, "model.decoder.project_in", embed, hidden, projection);
  }
  std::optional<LayerNorm> last_norm;
  if (final_norm) last_norm.emplace(graph, "model.decoder.final_layer_norm", hidden, norm);

  Value x = tokens(SaturatingProduct({request.batch_size(), length}));
  if (project_in) x = (*project_in)(x);
  x = Add(graph, "model.decoder.embed", x, position(x.rows));
  for (int64_t i = 0; i < num_layers; ++i) {
    x = AddLayer(graph, absl::StrCat("model.decoder.layers.", i), layers, x);
  }
  if (last_norm) x = (*last_norm)(x);
  if (project_out) x = (*project_out)(x);
  return ApplyHead(graph, head, tokens, x);
}

}  // namespace

const Family kOpt = {"opt",
                     "OPT",
                     "OPT",
                     "model",
                     {{"ForCausalLM", Head::kCausalLm},
                      {"ForSequenceClassification", Head::kSequenceClassifier},
                      {"ForQuestionAnswering", Head::kQuestionAnswering},
                      {"Model", Head::kNone}},
                     Describe};

}  // namespace greenplan::profiler
