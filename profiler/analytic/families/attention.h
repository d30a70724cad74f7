#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_ATTENTION_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_ATTENTION_H_

#include <cstdint>
#include <string>

#include "profiler/analytic/families/step.h"
#include "profiler/analytic/layers.h"
#include "profiler/analytic/request.h"

namespace greenplan::profiler {

// What normalizes queries and keys behind their projections.
enum class QueryKeyNorm {
  kNone,
  kRmsOfHeads,        // One RMS norm, as wide as a head, for all heads.
  kRmsOfAll,          // An RMS norm over all heads at once.
  kLayerOfHeads,      // One layer norm, as wide as a head, for all heads.
  kLayerOfEachHead,   // A layer norm without bias for each head.
  kUnitBehindRotary,  // By their root mean square, without a weight, once they are rotated.
};

// Grouped attention of a decoder layer: queries of `shape.heads` heads share the keys and values of `shape.kv_heads`
// heads.
struct GroupedAttentionSpec {
  // Features of the stream that attention reads and writes.
  int64_t hidden = 0;
  // Batch, heads and lengths.
  AttentionShape shape;
  // Whether the three projections of the input have biases, and whether the projection of the output has one.
  bool qkv_bias = false;
  bool output_bias = false;
  // What the projection of the output is called; the others are q_proj, k_proj and v_proj in every family.
  const char* output = "o_proj";

  // Whether the family has no fused path in transformers, so that attention always runs separate products.
  bool eager = false;

  // Whether queries and keys are rotated by their positions.
  bool rotated = true;

  // Whether each head has a learned score for attending to nothing.
  bool sinks = false;

  // Whether queries lie head by head in memory. The result does then, too, and is copied.
  bool by_head = false;

  // The norms of queries and keys, and what they are called.
  QueryKeyNorm norm = QueryKeyNorm::kNone;
  const char* query_norm = "q_norm";
  const char* key_norm = "k_norm";
};
// Reads num_attention_heads, num_key_value_heads and head_dim of a decoder that runs on batch x seq_len tokens. A
// missing key takes the default given; kNone stands for as many key-value heads as heads, and for a head width of
// hidden / heads. What is not allowed goes to the request's status.
GroupedAttentionSpec ReadGroupedAttention(Request& request, int64_t hidden, int64_t heads, int64_t kv_heads = kNone,
                                          int64_t head_width = kNone);

// The projections q_proj, k_proj, v_proj and o_proj around attention whose heads may share keys and values. The
// constructor adds their parameters to the graph, in the order in which transformers registers them.
class GroupedAttention {
 public:
  GroupedAttention(Graph& graph, const std::string& name, const GroupedAttentionSpec& spec);
  // Takes [batch * length, hidden] and returns the same shape.
  Value operator()(const Value& x) const;

 private:
  // Normalized and rotated. `norm`: none where empty.
  Value Prepare(const Value& x, const Step& norm) const;

  Graph* graph_;
  std::string name_;
  GroupedAttentionSpec spec_;
  Parameter sinks_;  // In the order of registration, from here on.
  Linear q_;
  Linear k_;
  Linear v_;
  Linear o_;
  Step q_norm_;
  Step k_norm_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_ATTENTION_H_
