#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_HEADS_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_HEADS_H_

#include <cstdint>

#include "profiler/analytic/layers.h"
#include "profiler/analytic/request.h"

namespace greenplan::profiler {

// The head of a decoder, behind its last norm:
//
// - for language models, `lm_head` at every position, tied to the embedding or not;
// - for classifiers of tokens and for question answering, a linear layer at every position;
// - for classifiers of sequences, `score` at every position, of which the loss takes one per sequence;
// - for a bare model, nothing.
struct HeadSpec {
  Head head = Head::kCausalLm;
  // Sequences of the batch.
  int64_t batch = 0;
  // Features that the head reads.
  int64_t width = 0;
  // Logits of a language model, and of a classifier.
  int64_t vocab_size = 0;
  int64_t num_labels = 0;
  // Whether lm_head shares the embedding's weight.
  bool tied = false;

  // Whether lm_head has a bias.
  bool bias = false;

  // Whether the logits of lm_head go through tanh.
  bool soft_cap = false;

  // The name of the classifier of tokens, and whether it has a bias.
  const char* token_classifier = "score";
  bool token_classifier_bias = true;
};
// Reads the head that the request asks for. `tied_if_missing` is the family's default for tie_word_embeddings.
HeadSpec ReadHead(Request& request, int64_t width, int64_t vocab_size, bool tied_if_missing);
// Adds the head's parameters and ops behind `x` [rows, width] and returns what the loss is computed from: the logits,
// [rows, vocab_size] or [rows, num_labels], or `x` itself for a bare model.
Value ApplyHead(Graph& graph, const HeadSpec& spec, const Embedding& embedding, const Value& x);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_HEADS_H_
