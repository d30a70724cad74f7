#include <string>

#include "absl/strings/str_cat.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/layers.h"

namespace greenplan::profiler {
namespace {

// The classifier reads the pooled first token; there is one row per sequence.
Value Classify(Graph& graph, int64_t hidden, int64_t num_labels, int64_t batch, const Value& x) {
  const Linear pooler(graph, "bert.pooler.dense", hidden, hidden, {.adapted = false});
  const Value pooled = Activation(graph, "tanh", pooler(Rows(x, batch)));
  return Linear(graph, "classifier", hidden, num_labels, {.adapted = false})(pooled);
}

Value PredictTokens(Graph& graph, int64_t hidden, int64_t vocab_size, bool tied, const std::string& activation,
                    const Embedding& words, const Value& x) {
  const Parameter bias = graph.AddParameter("cls.predictions.bias", {vocab_size});
  const Linear dense(graph, "cls.predictions.transform.dense", hidden, hidden, {.adapted = false});
  const LayerNorm norm(graph, "cls.predictions.transform.LayerNorm", hidden);
  const Value y = norm(Activation(graph, activation, dense(x)));
  const std::string name = "cls.predictions.decoder";
  if (tied) return Linear(graph, name, hidden, vocab_size, words.weight(), bias)(y);
  return Linear(graph, name, hidden, vocab_size, {.adapted = false})(y);
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const int64_t hidden = request.Size("hidden_size", 768);
  const int64_t inner = request.Size("intermediate_size", 3072);
  const int64_t layers = request.Layers("num_hidden_layers", 12);
  const int64_t heads = request.Size("num_attention_heads", 12);
  const int64_t vocab_size = request.Size("vocab_size", 30522);
  const int64_t positions = request.Size("max_position_embeddings", 512);
  const int64_t types = request.Size("type_vocab_size", 2);
  const bool tied = request.Flag("tie_word_embeddings", true);
  const std::string activation = request.Text("hidden_act", "gelu");
  const int64_t num_labels = request.head() == Head::kLanguageModel ? 0 : request.NumLabels();
  const int64_t length = request.SeqLen(positions);
  request.CheckDivides(heads, hidden, "num_attention_heads and hidden_size");
  if (!request.status().ok()) return request.status();
  const int64_t batch = request.batch_size();
  const AttentionShape shape = {batch, heads, heads, length, length, hidden / heads, hidden / heads};

  const Embedding words(graph, "bert.embeddings.word_embeddings", vocab_size, hidden);
  const Embedding position(graph, "bert.embeddings.position_embeddings", positions, hidden);
  const Embedding type(graph, "bert.embeddings.token_type_embeddings", types, hidden);
  const LayerNorm embedding_norm(graph, "bert.embeddings.LayerNorm", hidden);
  const int64_t rows = SaturatingProduct({batch, length});
  Value x = Add(graph, "bert.embeddings.types", words(rows), type(rows));
  x = embedding_norm(Add(graph, "bert.embeddings.positions", x, position(length)));
  for (int64_t i = 0; i < layers; ++i) {
    const std::string name = absl::StrCat("bert.encoder.layer.", i);
    const Linear q(graph, name + ".attention.self.query", hidden, hidden);
    const Linear k(graph, name + ".attention.self.key", hidden, hidden);
    const Linear v(graph, name + ".attention.self.value", hidden, hidden);
    const Linear o(graph, name + ".attention.output.dense", hidden, hidden);
    const LayerNorm attention_norm(graph, name + ".attention.output.LayerNorm", hidden);
    const Linear mlp_in(graph, name + ".intermediate.dense", hidden, inner);
    const Linear mlp_out(graph, name + ".output.dense", inner, hidden);
    const LayerNorm mlp_norm(graph, name + ".output.LayerNorm", hidden);

    x = attention_norm(Residual(graph, name + ".attention", x, [&](const Value& y) {
      return o(Attend(graph, name + ".attention", q(y), k(y), v(y), shape));
    }));
    x = mlp_norm(
        Residual(graph, name, x, [&](const Value& y) { return mlp_out(Activation(graph, activation, mlp_in(y))); }));
  }
  const Linear::Options head = {.adapted = false};
  switch (request.head()) {
    case Head::kSequenceClassifier:
      return Classify(graph, hidden, num_labels, batch, x);
    case Head::kTokenClassifier:
      return Linear(graph, "classifier", hidden, num_labels, head)(x);
    case Head::kQuestionAnswering:
      return Linear(graph, "qa_outputs", hidden, num_labels, head)(x);
    default:
      return PredictTokens(graph, hidden, vocab_size, tied, activation, words, x);
  }
}

}  // namespace

const Family kBert = {"bert",
                      {{"BertForMaskedLM", Head::kLanguageModel},
                       {"BertForSequenceClassification", Head::kSequenceClassifier},
                       {"BertForTokenClassification", Head::kTokenClassifier},
                       {"BertForQuestionAnswering", Head::kQuestionAnswering}},
                      Describe};

}  // namespace greenplan::profiler
