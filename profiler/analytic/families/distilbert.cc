#include <string>

#include "profiler/analytic/families/encoder.h"
#include "profiler/analytic/families/family.h"
#include "profiler/analytic/layers.h"

namespace greenplan::profiler {
namespace {

constexpr EncoderNames kNames = {
    ".attention.q_lin", ".attention.k_lin", ".attention.v_lin",   ".attention.out_lin", ".sa_layer_norm",
    ".ffn.lin1",        ".ffn.lin2",        ".output_layer_norm", ".attention",         ".ffn"};
constexpr Linear::Options kHeadLayer = {.adapted = false};

struct Sizes {
  int64_t batch;
  int64_t hidden;
  int64_t vocab_size;
  int64_t num_labels;
  bool tied;
  std::string activation;
};

Value PredictTokens(Graph& graph, const Sizes& sizes, const Embedding& words, const Value& x) {
  const Linear dense(graph, "vocab_transform", sizes.hidden, sizes.hidden, kHeadLayer);
  const LayerNorm norm(graph, "vocab_layer_norm", sizes.hidden);
  const Value y = norm(Activation(graph, sizes.activation, dense(x)));
  if (!sizes.tied) return Linear(graph, "vocab_projector", sizes.hidden, sizes.vocab_size, kHeadLayer)(y);
  const Parameter bias = graph.AddParameter("vocab_projector.bias", {sizes.vocab_size});
  return Linear(graph, "vocab_projector", sizes.hidden, sizes.vocab_size, words.weight(), bias)(y);
}

Value ApplyHead(Graph& graph, Head head, const Sizes& sizes, const Embedding& words, Value x) {
  switch (head) {
    case Head::kSequenceClassifier:
      x = Linear(graph, "pre_classifier", sizes.hidden, sizes.hidden, kHeadLayer)(Rows(x, sizes.batch));
      x = Activation(graph, "relu", x);
      return Linear(graph, "classifier", sizes.hidden, sizes.num_labels, kHeadLayer)(x);
    case Head::kTokenClassifier:
      return Linear(graph, "classifier", sizes.hidden, sizes.num_labels, kHeadLayer)(x);
    case Head::kQuestionAnswering:
      return Linear(graph, "qa_outputs", sizes.hidden, sizes.num_labels, kHeadLayer)(x);
    case Head::kNone:
      return x;
    default:
      return PredictTokens(graph, sizes, words, x);
  }
}

absl::StatusOr<Value> Describe(Request& request, Graph& graph) {
  const Sizes sizes = {.batch = request.batch_size(),
                       .hidden = request.Size({"dim", "hidden_size"}, 768),
                       .vocab_size = request.Size("vocab_size", 30522),
                       .num_labels = request.head() == Head::kMaskedLm ? 0 : request.NumLabels(),
                       .tied = request.Flag("tie_word_embeddings", true),
                       .activation = request.Activation("activation", "gelu")};
  EncoderSpec encoder = {.hidden = sizes.hidden,
                         .inner = request.Size("hidden_dim", 3072),
                         .layers = request.Layers({"n_layers", "num_hidden_layers"}, 6),
                         .activation = sizes.activation};
  const int64_t heads = request.Size({"n_heads", "num_attention_heads"}, 12);
  const int64_t positions = request.Size("max_position_embeddings", 512);
  const int64_t length = request.SeqLen(positions);
  request.CheckDivides("n_heads", heads, "dim", sizes.hidden);
  if (!request.status().ok()) return request.status();
  const int64_t width = sizes.hidden / heads;
  encoder.shape = {sizes.batch, heads, heads, length, length, width, width};

  const Embedding words(graph, "distilbert.embeddings.word_embeddings", sizes.vocab_size, sizes.hidden);
  const Embedding position(graph, "distilbert.embeddings.position_embeddings", positions, sizes.hidden);
  const LayerNorm norm(graph, "distilbert.embeddings.LayerNorm", sizes.hidden);
  Value x = words(SaturatingProduct({sizes.batch, length}));
  x = norm(Add(graph, "distilbert.embeddings.positions", x, position(length)));
  x = BuildEncoderLayers(graph, "distilbert.transformer.layer", kNames, encoder, x);
  return ApplyHead(graph, request.head(), sizes, words, x);
}

}  // namespace

const Family kDistilBert = {"distilbert", "DistilBERT", "DistilBert", "distilbert", EncoderHeads(), Describe};

}  // namespace greenplan::profiler
