#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/families/mlps.h"
#include "profiler/analytic/families/step.h"
#include "profiler/analytic/layers.h"

namespace greenplan::profiler {
namespace {

struct Spec {
  int64_t batch = 0;
  int64_t length = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  bool attention_bias = false;
  Norm norm = Norm::kLayerWithoutBias;
  MlpSpec mlp;
  // Of the heads.
  int64_t vocab_size = 0;
  int64_t num_labels = 0;
  bool tied = false;
  bool decoder_bias = false;
  bool dense_bias = false;
  bool mean = false;  // Sequences are classified by the mean of their tokens, not by the first.
  std::string activation;
};

// The first layer has no norm before attention: the embedding's stands there.
Value Layer(Graph& graph, const Spec& spec, int64_t layer, Value x) {
  const std::string name = absl::StrCat("model.layers.", layer);
  Step attention_norm = [](const Value& y) { return y; };
  if (layer > 0) attention_norm = MakeNorm(graph, spec.norm, name + ".attn_norm", spec.hidden);
  const Linear qkv(graph, name + ".attn.Wqkv", spec.hidden, 3 * spec.hidden, {.bias = spec.attention_bias});
  const Linear o(graph, name + ".attn.Wo", spec.hidden, spec.hidden, {.bias = spec.attention_bias});
  const Step mlp_norm = MakeNorm(graph, spec.norm, name + ".mlp_norm", spec.hidden);
  const JointGatedMlp mlp(graph, name + ".mlp", spec.mlp, {"Wi", "Wo"});
  const int64_t width = spec.hidden / spec.heads;
  const AttentionShape shape = {spec.batch, spec.heads, spec.heads, spec.length, spec.length, width, width};

  x = Residual(graph, name + ".attn", x, [&](const Value& y) {
    const Value part = Columns(qkv(attention_norm(y)), spec.hidden);
    return o(Attend(graph, name + ".attn", Copy(graph, part), Copy(graph, part), part, shape));
  });
  return Residual(graph, name + ".mlp", x, [&](const Value& y) { return mlp(mlp_norm(y)); });
}

Value Pool(Graph& graph, const Spec& spec, const Value& x) {
  return spec.mean ? graph.NewValue(x.op, spec.batch, spec.hidden) : Rows(x, spec.batch);
}

Value ApplyHead(Graph& graph, Head head, const Spec& spec, const Embedding& words, Value x) {
  if (head == Head::kNone) return x;
  const Linear dense(graph, "head.dense", spec.hidden, spec.hidden, {.bias = spec.dense_bias, .adapted = false});
  const Step norm = MakeNorm(graph, spec.norm, "head.norm", spec.hidden);
  if (head == Head::kSequenceClassifier) x = Pool(graph, spec, x);
  x = norm(Activation(graph, spec.activation, dense(x)));
  if (head != Head::kMaskedLm) {
    return Linear(graph, "classifier", spec.hidden, spec.num_labels, {.adapted = false})(x);
  }
  if (!spec.tied) {
    return Linear(graph, "decoder", spec.hidden, spec.vocab_size, {.bias = spec.decoder_bias, .adapted = false})(x);
  }
  Parameter bias;
  if (spec.decoder_bias) bias = graph.AddParameter("decoder.bias", {spec.vocab_size});
  return Linear(graph, "decoder", spec.hidden, spec.vocab_size, words.weight(), bias)(x);
}

Spec ReadSpec(Request& request) {
  Spec spec = {.batch = request.batch_size(),
               .length = request.SeqLen(),
               .hidden = request.Size("hidden_size", 768),
               .heads = request.Size("num_attention_heads", 12),
               .attention_bias = request.Flag("attention_bias", false),
               .norm = request.Flag("norm_bias", false) ? Norm::kLayer : Norm::kLayerWithoutBias,
               .vocab_size = request.Size("vocab_size", 50368),
               .num_labels = request.head() == Head::kMaskedLm ? 0 : request.NumLabels(),
               .tied = request.Flag("tie_word_embeddings", true),
               .decoder_bias = request.Flag("decoder_bias", true),
               .dense_bias = request.Flag("classifier_bias", false),
               .activation = request.Activation("classifier_activation", "gelu")};
  spec.mlp = {.hidden = spec.hidden,
              .inner = request.Size("intermediate_size", 1152),
              .activation = request.Activation("hidden_activation", "gelu"),
              .bias = request.Flag("mlp_bias", false)};
  const std::string pooling = request.Text("classifier_pooling", "cls");
  spec.mean = pooling == "mean";
  if (!spec.mean && pooling != "cls") {
    request.Fail(absl::StrCat("classifier_pooling is \"", pooling, "\"; allowed: cls, mean"));
  }
  request.CheckDivides("num_attention_heads", spec.heads, "hidden_size", spec.hidden);
  return spec;
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const Spec spec = ReadSpec(request);
  const int64_t layers = request.Layers("num_hidden_layers", 22);
  if (!request.status().ok()) return request.status();

  const Embedding words(graph, "model.embeddings.tok_embeddings", spec.vocab_size, spec.hidden);
  const Step norm = MakeNorm(graph, spec.norm, "model.embeddings.norm", spec.hidden);
  Value x = norm(words(SaturatingProduct({spec.batch, spec.length})));
  for (int64_t i = 0; i < layers; ++i) x = Layer(graph, spec, i, x);
  x = MakeNorm(graph, spec.norm, "model.final_norm", spec.hidden)(x);
  return ApplyHead(graph, request.head(), spec, words, x);
}

}  // namespace

const Family kModernBert = {"modernbert", "ModernBERT", "ModernBert", "model", EncoderHeads(), Describe};

}  // namespace greenplan::profiler
