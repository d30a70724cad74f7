#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_HEADS_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_HEADS_H_

#include <cstdint>

#include "profiler/analytic/layers.h"
#include "profiler/analytic/request.h"

namespace greenplan::profiler {

// The head of a decoder, behind its last norm: `lm_head` at every position, tied to the embedding or not; for
// classifiers of tokens and for question answering a linear layer at every position; for classifiers of sequences
// `score` at every position, of which the loss takes one each; none for a bare model.
struct HeadSpec {
  Head head = Head::kCausalLm;
  int64_t batch = 0;
  int64_t width = 0;
  int64_t vocab_size = 0;
  int64_t num_labels = 0;
  bool tied = false;
  bool bias = false;                       // Of lm_head.
  bool soft_cap = false;                   // The logits of lm_head go through tanh.
  const char* token_classifier = "score";  // What its module is called.
  bool token_classifier_bias = true;
};
HeadSpec ReadHead(Request& request, int64_t width, int64_t vocab_size, bool tied_if_missing);
Value ApplyHead(Graph& graph, const HeadSpec& spec, const Embedding& embedding, const Value& x);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_HEADS_H_
