#include "profiler/analytic/families/experts.h"

#include <vector>

#include "absl/strings/str_cat.h"

namespace greenplan::profiler {
namespace {

constexpr int64_t kBytesPerIndex = 8;
constexpr int64_t kBytesPerScore = 4;  // Routers work in float32.

}  // namespace

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
  const auto shape = [&spec](int64_t out, int64_t in) {
    return spec.transposed ? std::vector<int64_t>{spec.experts, in, out} : std::vector<int64_t>{spec.experts, out, in};
  };
  gate_up_ = graph.AddParameter(name + ".gate_up_proj", shape(2 * spec.inner, spec.hidden));
  if (spec.bias) gate_up_bias_ = graph.AddParameter(name + ".gate_up_proj_bias", {spec.experts, 2 * spec.inner});
  down_ = graph.AddParameter(name + ".down_proj", shape(spec.hidden, spec.inner));
  if (spec.bias) down_bias_ = graph.AddParameter(name + ".down_proj_bias", {spec.experts, spec.hidden});
}

Value Experts::Gate(const Value& gate_up) const {
  Graph& graph = *graph_;
  const Value half = Columns(gate_up, spec_.inner);
  if (!spec_.clamped) {
    return Multiply(graph, name_ + ".multiply", Activation(graph, spec_.activation, half), half);
  }
  // What is clamped, the clamped gate, its sigmoid, and the two factors of the result.
  graph.Keep(gate_up.storage, gate_up.op);
  graph.Keep(graph.NewValue(gate_up.op, gate_up.rows, spec_.inner, 4).storage, gate_up.op);
  return graph.NewValue(gate_up.op, gate_up.rows, spec_.inner);
}

Value Experts::operator()(const Value& x, const Value& weights) const {
  Graph& graph = *graph_;
  const int64_t rows = SaturatingProduct({x.rows, spec_.top_k});
  const int64_t in_flops = SaturatingProduct({2, rows, spec_.hidden, 2 * spec_.inner});
  const int64_t out_flops = SaturatingProduct({2, rows, spec_.inner, spec_.hidden});
  graph.AddForwardCost(SaturatingSum(in_flops, out_flops));

  const Value chosen = graph.NewValue(x.op, rows, spec_.hidden);
  graph.Keep(chosen.storage, gate_up_.op);
  const int in_op =
      graph.AddOp(name_ + ".gate_up_proj", 0, {{x.op, in_flops}, {gate_up_.op, in_flops}, {gate_up_bias_.op, 0}});
  const Value inner = Gate(graph.NewValue(in_op, rows, 2 * spec_.inner));

  graph.Keep(inner.storage, down_.op);
  const int out_op =
      graph.AddOp(name_ + ".down_proj", 0, {{inner.op, out_flops}, {down_.op, out_flops}, {down_bias_.op, 0}});
  const Value expert_outputs = graph.NewValue(out_op, rows, spec_.hidden);
  graph.Keep(expert_outputs.storage, weights.op);
  const int op = graph.AddOp(name_ + ".combine", 0, {{out_op, 0}, {weights.op, 0}});
  // Where each row of the experts came from and goes to.
  graph.KeepBytes(SaturatingProduct({3, rows, kBytesPerIndex}), op);
  return graph.NewValue(op, x.rows, spec_.hidden);
}

SparseMlp::SparseMlp(Graph& graph, const std::string& name, const SparseMlpSpec& spec)
    : graph_(&graph), name_(name), spec_(spec) {
  const ExpertsSpec& experts = spec.experts;
  const auto make_router = [&] {
    router_.emplace(graph, absl::StrCat(name, ".", spec.router), experts.hidden, experts.experts,
                    Linear::Options{.bias = spec.router_bias, .adapted = false});
  };
  if (spec.router_first) make_router();
  experts_.emplace(graph, name + ".experts", experts);
  if (!spec.router_first) make_router();
  if (spec.shared_inner == 0) return;
  const MlpSpec shared = {.hidden = experts.hidden, .inner = spec.shared_inner, .activation = experts.activation};
  shared_.emplace(graph, absl::StrCat(name, ".", spec.shared), shared);
  if (spec.shared_gate) {
    shared_gate_.emplace(graph, name + ".shared_expert_gate", experts.hidden, 1, Linear::Options{.bias = false});
  }
}

Value SparseMlp::Shared(const Value& x) const {
  const Value y = (*shared_)(x);
  if (!shared_gate_) return y;
  const Value gate = Activation(*graph_, "sigmoid", (*shared_gate_)(x));
  const Value scaled = Multiply(*graph_, name_ + ".shared_expert_gate.multiply", gate, y);
  return graph_->NewValue(scaled.op, y.rows, y.width);
}

Value SparseMlp::operator()(const Value& x) const {
  const Value y = (*experts_)(x, Route(*graph_, (*router_)(x), spec_.experts.top_k));
  return shared_ ? Add(*graph_, name_ + ".add", y, Shared(x)) : y;
}

}  // namespace greenplan::profiler
