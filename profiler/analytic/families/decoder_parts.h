#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_DECODER_PARTS_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_DECODER_PARTS_H_

#include <cstdint>
#include <string>

#include "profiler/analytic/layers.h"
#include "profiler/analytic/request.h"

// What several families of decoders are made of.
namespace greenplan::profiler {

// The head behind the last norm: `lm_head` at every position, tied to the embedding or not; for classifiers of tokens a
// linear layer at every position; for those of sequences `score` at every position, of which the loss takes one each.
struct HeadSpec {
  Head head = Head::kLanguageModel;
  int64_t batch = 0;
  int64_t width = 0;
  int64_t vocab_size = 0;
  int64_t num_labels = 0;
  bool tied = false;
  const char* token_classifier = "score";  // What its module is called.
  bool token_classifier_bias = true;
};
HeadSpec ReadHead(Request& request, int64_t width, int64_t vocab_size, bool tied_if_missing);
Value ApplyHead(Graph& graph, const HeadSpec& spec, const Embedding& embedding, const Value& x);

struct GroupedAttentionSpec {
  int64_t hidden = 0;
  AttentionShape shape;
  bool qkv_bias = false;
  bool output_bias = false;
  bool eager = false;  // There is no fused path.
};
// num_attention_heads, num_key_value_heads and head_dim of a decoder, on batch x seq_len tokens. What is missing has
// the defaults given; kNone stands for as many as heads, and for hidden / heads.
GroupedAttentionSpec ReadGroupedAttention(Request& request, int64_t hidden, int64_t heads, int64_t kv_heads = kNone,
                                          int64_t head_width = kNone);

// q_proj, k_proj, v_proj, o_proj around attention with rotary positions, whose heads may share keys and values.
class GroupedAttention {
 public:
  GroupedAttention(Graph& graph, const std::string& name, const GroupedAttentionSpec& spec);
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  AttentionShape shape_;
  bool eager_;
  Linear q_;
  Linear k_;
  Linear v_;
  Linear o_;
};

// down(act(gate(x)) * up(x)).
class GatedMlp {
 public:
  struct Names {
    const char* gate = "gate_proj";
    const char* up = "up_proj";
    const char* down = "down_proj";
  };
  GatedMlp(Graph& graph, const std::string& name, int64_t hidden, int64_t inner, std::string activation, bool bias,
           Names names);
  GatedMlp(Graph& graph, const std::string& name, int64_t hidden, int64_t inner, std::string activation,
           bool bias = false)
      : GatedMlp(graph, name, hidden, inner, std::move(activation), bias, Names()) {}
  Value operator()(const Value& x) const;

 private:
  Graph* graph_;
  std::string name_;
  std::string activation_;
  Linear gate_;
  Linear up_;
  Linear down_;
};

struct ExpertsSpec {
  int64_t hidden = 0;
  int64_t inner = 0;
  int64_t experts = 0;
  int64_t top_k = 0;
  std::string activation;
};

void CheckExperts(Request& request, const ExpertsSpec& spec);

// The weights of a router's top_k choices from its scores of all experts.
Value Route(Graph& graph, const Value& scores, int64_t top_k);

// A mixture of experts: every token goes to top_k of them, so the work is the same however the router spreads tokens.
// The experts' weights are one tensor each for all of them; adapters leave them alone.
class Experts {
 public:
  Experts(Graph& graph, const std::string& name, const ExpertsSpec& spec);
  // weights: the router's, one row per token.
  Value operator()(const Value& x, const Value& weights) const;

 private:
  Graph* graph_;
  std::string name_;
  ExpertsSpec spec_;
  Parameter gate_up_;
  Parameter down_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_DECODER_PARTS_H_
