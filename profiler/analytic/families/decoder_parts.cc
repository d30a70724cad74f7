#include "profiler/analytic/families/decoder_parts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace greenplan::profiler {
namespace {

constexpr int64_t kBytesPerIndex = 8;
constexpr int64_t kBytesPerScore = 4;  // Routers work in float32.

}  // namespace

HeadSpec ReadHead(Request& request, int64_t width, int64_t vocab_size, bool tied_if_missing) {
  HeadSpec spec = {.head = request.head(), .batch = request.batch_size(), .width = width, .vocab_size = vocab_size};
  spec.tied = request.Flag("tie_word_embeddings", tied_if_missing);
  if (spec.head != Head::kLanguageModel) spec.num_labels = request.NumLabels();
  spec.token_classifier_bias = request.Flag("token_classification_bias", true);
  return spec;
}

Value ApplyHead(Graph& graph, const HeadSpec& spec, const Embedding& embedding, const Value& x) {
  const Linear::Options options = {.bias = false, .adapted = false};
  if (spec.head == Head::kSequenceClassifier) {
    return Rows(Linear(graph, "score", spec.width, spec.num_labels, options)(x), spec.batch);
  }
  if (spec.head == Head::kTokenClassifier) {
    return Linear(graph, spec.token_classifier, spec.width, spec.num_labels,
                  {.bias = spec.token_classifier_bias, .adapted = false})(x);
  }
  if (spec.tied) return Linear(graph, "lm_head", spec.width, spec.vocab_size, embedding.weight())(x);
  return Linear(graph, "lm_head", spec.width, spec.vocab_size, options)(x);
}

GroupedAttentionSpec ReadGroupedAttention(Request& request, int64_t hidden, int64_t heads, int64_t kv_heads,
                                          int64_t head_width) {
  head_width = request.Size("head_dim", head_width);
  heads = request.Size("num_attention_heads", heads);
  kv_heads = request.SizeOrNull("num_key_value_heads", kv_heads == kNone ? heads : kv_heads).value_or(heads);
  request.CheckDivides(kv_heads, heads, "num_key_value_heads and num_attention_heads");
  if (head_width == kNone) {
    request.CheckDivides(heads, hidden, "num_attention_heads and hidden_size");
    head_width = std::max<int64_t>(1, hidden / heads);
  }
  const int64_t length = request.SeqLen();
  return {.hidden = hidden,
          .shape = {.batch = request.batch_size(),
                    .heads = heads,
                    .kv_heads = kv_heads,
                    .query_length = length,
                    .key_length = length,
                    .head_width = head_width,
                    .value_head_width = head_width}};
}

GroupedAttention::GroupedAttention(Graph& graph, const std::string& name, const GroupedAttentionSpec& spec)
    : graph_(&graph),
      name_(name),
      shape_(spec.shape),
      eager_(spec.eager),
      q_(graph, name + ".q_proj", spec.hidden, shape_.heads * shape_.head_width, {.bias = spec.qkv_bias}),
      k_(graph, name + ".k_proj", spec.hidden, shape_.kv_heads * shape_.head_width, {.bias = spec.qkv_bias}),
      v_(graph, name + ".v_proj", spec.hidden, shape_.kv_heads * shape_.value_head_width, {.bias = spec.qkv_bias}),
      o_(graph, name + ".o_proj", shape_.heads * shape_.value_head_width, spec.hidden, {.bias = spec.output_bias}) {}

Value GroupedAttention::operator()(const Value& x) const {
  const Value q = Copy(*graph_, q_(x));
  const Value k = Copy(*graph_, k_(x));
  const auto attend = eager_ ? AttendEagerly : Attend;
  return o_(attend(*graph_, name_, q, k, v_(x), shape_, {}));
}

GatedMlp::GatedMlp(Graph& graph, const std::string& name, int64_t hidden, int64_t inner, std::string activation,
                   bool bias, Names names)
    : graph_(&graph),
      name_(name),
      activation_(std::move(activation)),
      gate_(graph, name + "." + names.gate, hidden, inner, {.bias = bias}),
      up_(graph, name + "." + names.up, hidden, inner, {.bias = bias}),
      down_(graph, name + "." + names.down, inner, hidden, {.bias = bias}) {}

Value GatedMlp::operator()(const Value& x) const {
  const Value gate = Activation(*graph_, activation_, gate_(x));
  return down_(Multiply(*graph_, name_ + ".multiply", gate, up_(x)));
}

void CheckExperts(Request& request, const ExpertsSpec& spec) {
  if (spec.top_k <= spec.experts) return;
  request.Fail(
      absl::StrCat("num_experts_per_tok is ", spec.top_k, "; allowed: [1, ", spec.experts, "], the number of experts"));
}

Value Route(Graph& graph, const Value& scores, int64_t top_k) {
  graph.KeepBytes(SaturatingProduct({scores.rows, scores.width, kBytesPerScore}), scores.op);
  graph.KeepBytes(SaturatingProduct({scores.rows, top_k, kBytesPerScore + kBytesPerIndex}), scores.op);
  return graph.NewValue(scores.op, scores.rows, top_k);
}

Experts::Experts(Graph& graph, const std::string& name, const ExpertsSpec& spec)
    : graph_(&graph), name_(name), spec_(spec) {
  gate_up_ = graph.AddParameter(name + ".gate_up_proj", {spec.experts, 2 * spec.inner, spec.hidden});
  down_ = graph.AddParameter(name + ".down_proj", {spec.experts, spec.hidden, spec.inner});
}

Value Experts::operator()(const Value& x, const Value& weights) const {
  Graph& graph = *graph_;
  const int64_t rows = SaturatingProduct({x.rows, spec_.top_k});
  const int64_t in_flops = SaturatingProduct({2, rows, spec_.hidden, 2 * spec_.inner});
  const int64_t out_flops = SaturatingProduct({2, rows, spec_.inner, spec_.hidden});
  graph.AddForwardCost(SaturatingSum(in_flops, out_flops));

  const Value chosen = graph.NewValue(x.op, rows, spec_.hidden);
  graph.Keep(chosen.storage, gate_up_.op);
  const int in_op = graph.AddOp(name_ + ".gate_up_proj", 0, {{x.op, in_flops}, {gate_up_.op, in_flops}});
  const Value gate_up = graph.NewValue(in_op, rows, 2 * spec_.inner);
  const Value gate = Activation(graph, spec_.activation, Columns(gate_up, spec_.inner));
  const Value inner = Multiply(graph, name_ + ".multiply", gate, Columns(gate_up, spec_.inner));

  graph.Keep(inner.storage, down_.op);
  const int out_op = graph.AddOp(name_ + ".down_proj", 0, {{inner.op, out_flops}, {down_.op, out_flops}});
  const Value expert_outputs = graph.NewValue(out_op, rows, spec_.hidden);
  graph.Keep(expert_outputs.storage, weights.op);
  const int op = graph.AddOp(name_ + ".combine", 0, {{out_op, 0}, {weights.op, 0}});
  // Where each row of the experts came from and goes to.
  graph.KeepBytes(SaturatingProduct({3, rows, kBytesPerIndex}), op);
  return graph.NewValue(op, x.rows, spec_.hidden);
}

}  // namespace greenplan::profiler
