#include "profiler/analytic/families/heads.h"

namespace greenplan::profiler {
namespace {

constexpr int64_t kStartAndEnd = 2;  // Logits per position for question answering, whatever the number of labels.

Value PredictTokens(Graph& graph, const HeadSpec& spec, const Embedding& embedding, const Value& x) {
  if (!spec.tied) {
    return Linear(graph, "lm_head", spec.width, spec.vocab_size, {.bias = spec.bias, .adapted = false})(x);
  }
  Parameter bias;
  if (spec.bias) bias = graph.AddParameter("lm_head.bias", {spec.vocab_size});
  return Linear(graph, "lm_head", spec.width, spec.vocab_size, embedding.weight(), bias)(x);
}

}  // namespace

HeadSpec ReadHead(Request& request, int64_t width, int64_t vocab_size, bool tied_if_missing) {
  HeadSpec spec = {.head = request.head(), .batch = request.batch_size(), .width = width, .vocab_size = vocab_size};
  spec.tied = request.Flag("tie_word_embeddings", tied_if_missing);
  if (spec.head != Head::kCausalLm) spec.num_labels = request.NumLabels();
  spec.token_classifier_bias = request.Flag("token_classification_bias", true);
  return spec;
}

Value ApplyHead(Graph& graph, const HeadSpec& spec, const Embedding& embedding, const Value& x) {
  switch (spec.head) {
    case Head::kSequenceClassifier:
      return Rows(Linear(graph, "score", spec.width, spec.num_labels, {.bias = false, .adapted = false})(x),
                  spec.batch);
    case Head::kTokenClassifier:
      return Linear(graph, spec.token_classifier, spec.width, spec.num_labels,
                    {.bias = spec.token_classifier_bias, .adapted = false})(x);
    case Head::kQuestionAnswering:
      return Linear(graph, "qa_outputs", spec.width, kStartAndEnd, {.adapted = false})(x);
    case Head::kNone:
      return x;
    default:
      break;
  }
  const Value logits = PredictTokens(graph, spec, embedding, x);
  return spec.soft_cap ? Activation(graph, "tanh", logits) : logits;
}

}  // namespace greenplan::profiler
