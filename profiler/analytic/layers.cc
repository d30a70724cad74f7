#include "profiler/analytic/layers.h"

#include <string>
#include <utility>
#include <vector>

namespace greenplan::profiler {
namespace {

constexpr int64_t kBytesPerIndex = 8;
constexpr int64_t kBytesPerStatistic = 4;  // Means, deviations and log-sums of norms and fused attention are float32.

int64_t MatrixFlops(int64_t rows, int64_t in, int64_t out) { return SaturatingProduct({2, rows, in, out}); }

// One of the products of attention: per head, [query_length, width] by [width, key_length] or a transpose of it.
int64_t ProductFlops(const AttentionShape& shape, int64_t width) {
  return SaturatingProduct({2, shape.batch, shape.heads, shape.query_length, shape.key_length, width});
}

// Whether transformers gives heads that share keys and values copies of them before fused attention.
bool NeedsRepeatedKeys(const AttentionShape& shape) {
  const bool kernel_shares = !shape.masked && shape.head_width == shape.value_head_width && shape.head_width <= 256;
  return shape.kv_heads < shape.heads && !kernel_shares;
}

}  // namespace

Linear::Linear(Graph& graph, std::string name, int64_t in, int64_t out, Options options)
    : graph_(&graph), name_(std::move(name)), in_(in), out_(out) {
  const std::vector<int64_t> shape = options.transposed ? std::vector<int64_t>{in, out} : std::vector<int64_t>{out, in};
  weight_ = graph.AddParameter(name_ + ".weight", shape);
  if (options.bias) bias_ = graph.AddParameter(name_ + ".bias", {out});
  const int64_t rank = graph.options().lora_rank;
  if (rank > 0 && options.adapted) {
    lora_a_ = graph.AddAdapterParameter(name_ + ".lora_A.weight", {rank, in});
    lora_b_ = graph.AddAdapterParameter(name_ + ".lora_B.weight", {out, rank});
  }
}

Linear::Linear(Graph& graph, std::string name, int64_t in, int64_t out, Parameter weight, Parameter bias)
    : graph_(&graph), name_(std::move(name)), in_(in), out_(out), weight_(weight), bias_(bias) {}

Value Linear::operator()(const Value& x) const {
  const int64_t flops = MatrixFlops(x.rows, in_, out_);
  graph_->AddForwardCost(flops);
  graph_->Keep(x.storage, weight_.op);
  if (lora_a_.op == kNone) {
    const int op = graph_->AddOp(name_, 0, {{x.op, flops}, {weight_.op, flops}, {bias_.op, 0}});
    return graph_->NewValue(op, x.rows, out_);
  }
  // y = x W^T + b + (x A^T) B^T: the sum and the product by B receive the same gradient and are one op.
  const int64_t rank = graph_->options().lora_rank;
  const int64_t flops_a = MatrixFlops(x.rows, in_, rank);
  const int64_t flops_b = MatrixFlops(x.rows, rank, out_);
  graph_->AddForwardCost(SaturatingSum(flops_a, flops_b));
  graph_->Keep(x.storage, lora_a_.op);
  const int down = graph_->AddOp(name_ + ".lora_A", 0, {{x.op, flops_a}, {lora_a_.op, flops_a}});
  graph_->Keep(graph_->NewValue(down, x.rows, rank).storage, lora_b_.op);
  const int op = graph_->AddOp(name_, 0, {{x.op, flops}, {down, flops_b}, {lora_b_.op, flops_b}});
  return graph_->NewValue(op, x.rows, out_);
}

Embedding::Embedding(Graph& graph, std::string name, int64_t size, int64_t width)
    : graph_(&graph), name_(std::move(name)), width_(width) {
  weight_ = graph.AddParameter(name_ + ".weight", {size, width});
}

Value Embedding::operator()(int64_t rows) const {
  const int op = graph_->AddOp(name_, 0, {{weight_.op, 0}});
  graph_->KeepBytes(SaturatingProduct({rows, kBytesPerIndex}), weight_.op);
  return graph_->NewValue(op, rows, width_);
}

LayerNorm::LayerNorm(Graph& graph, std::string name, int64_t width, Options options)
    : graph_(&graph), name_(std::move(name)) {
  if (options.weight) weight_ = graph.AddParameter(name_ + ".weight", {width});
  if (options.bias) bias_ = graph.AddParameter(name_ + ".bias", {width});
}

Value LayerNorm::operator()(const Value& x) const {
  const int op = graph_->AddOp(name_, 0, {{x.op, 0}, {weight_.op, 0}, {bias_.op, 0}});
  graph_->Keep(x.storage, op);
  graph_->KeepBytes(SaturatingProduct({2, x.rows, kBytesPerStatistic}), op);
  return graph_->NewValue(op, x.rows, x.width);
}

RmsNorm::RmsNorm(Graph& graph, std::string name, int64_t width) : graph_(&graph), name_(std::move(name)) {
  weight_ = graph.AddParameter(name_ + ".weight", {width});
}

Value RmsNorm::operator()(const Value& x) const {
  graph_->Keep(Normalize(*graph_, x).storage, weight_.op);
  const int op = graph_->AddOp(name_, 0, {{x.op, 0}, {weight_.op, 0}});
  return graph_->NewValue(op, x.rows, x.width);
}

CenteredNorm::CenteredNorm(Graph& graph, std::string name, int64_t width) : graph_(&graph), name_(std::move(name)) {
  weight_ = graph.AddParameter(name_ + ".weight", {width});
}

Value CenteredNorm::operator()(const Value& x) const {
  // The centred rows are computed twice: once to be squared, once to be scaled.
  const Value squared = graph_->NewValue(x.op, x.rows, x.width);
  graph_->Keep(squared.storage, x.op);
  graph_->Keep(Normalize(*graph_, Copy(*graph_, x)).storage, weight_.op);
  const int op = graph_->AddOp(name_, 0, {{x.op, 0}, {weight_.op, 0}});
  return graph_->NewValue(op, x.rows, x.width);
}

Convolution::Convolution(Graph& graph, std::string name, int64_t in_channels, int64_t out_channels,
                         std::initializer_list<int64_t> kernel)
    : graph_(&graph),
      name_(std::move(name)),
      in_channels_(in_channels),
      out_channels_(out_channels),
      kernel_(SaturatingProduct(kernel)) {
  std::vector<int64_t> shape = {out_channels, in_channels};
  shape.insert(shape.end(), kernel.begin(), kernel.end());
  weight_ = graph.AddParameter(name_ + ".weight", std::move(shape));
  bias_ = graph.AddParameter(name_ + ".bias", {out_channels});
}

Value Convolution::operator()(const Value& x, int64_t positions) const {
  const int64_t flops = SaturatingProduct({2, positions, kernel_, in_channels_, out_channels_});
  graph_->AddForwardCost(flops);
  const int op = graph_->AddOp(name_, 0, {{x.op, flops}, {weight_.op, flops}, {bias_.op, 0}});
  graph_->Keep(x.storage, op);
  return graph_->NewValue(op, positions, out_channels_);
}

Value Activation(Graph& graph, absl::string_view name, const Value& x) {
  const Value y = graph.NewValue(x.op, x.rows, x.width);
  if (name == "relu" || name == "tanh" || name == "sigmoid") {
    graph.Keep(y.storage, x.op);
    return y;
  }
  graph.Keep(x.storage, x.op);
  // Written out in elementwise steps, it keeps the result of three of them.
  if (name == "gelu_new") graph.Keep(graph.NewValue(x.op, x.rows, x.width, 3).storage, x.op);
  return y;
}

Value Copy(Graph& graph, const Value& x) { return graph.NewValue(x.op, x.rows, x.width); }

Value Normalize(Graph& graph, const Value& x) {
  graph.Keep(x.storage, x.op);
  graph.KeepBytes(SaturatingProduct({x.rows, kBytesPerStatistic}), x.op);
  return graph.NewValue(x.op, x.rows, x.width);
}

Value Columns(const Value& x, int64_t width) {
  return {.op = x.op, .storage = x.storage, .rows = x.rows, .width = width};
}

Value Rows(const Value& x, int64_t rows) { return {.op = x.op, .storage = x.storage, .rows = rows, .width = x.width}; }

Value SplitRows(const Value& x, int64_t parts) {
  return {.op = x.op, .storage = x.storage, .rows = SaturatingProduct({x.rows, parts}), .width = x.width / parts};
}

Value JoinRows(const Value& x, int64_t parts) {
  return {.op = x.op, .storage = x.storage, .rows = x.rows / parts, .width = x.width * parts};
}

Value Add(Graph& graph, std::string name, const Value& x, const Value& y) {
  int op = x.op == kNone ? y.op : x.op;
  if (x.op != kNone && y.op != kNone) op = graph.AddOp(std::move(name), 0, {{x.op, 0}, {y.op, 0}});
  return graph.NewValue(op, x.rows, x.width);
}

Value Multiply(Graph& graph, std::string name, const Value& x, const Value& y) {
  graph.Keep(x.storage, y.op);
  graph.Keep(y.storage, x.op);
  return Add(graph, std::move(name), x, y);
}

Value Concatenate(Graph& graph, std::string name, const Value& x, const Value& y) {
  const int op = graph.AddOp(std::move(name), 0, {{x.op, 0}, {y.op, 0}});
  return graph.NewValue(op, x.rows, x.width + y.width);
}

Value AttendEagerly(Graph& graph, const std::string& name, const Value& q, const Value& k, const Value& v,
                    const AttentionShape& shape, const Value& bias) {
  const int64_t score_flops = ProductFlops(shape, shape.head_width);
  const int64_t value_flops = ProductFlops(shape, shape.value_head_width);
  graph.AddForwardCost(SaturatingSum(score_flops, value_flops));
  // The products read matrices of their own, one per head: heads that share keys and values are given copies of them.
  const int64_t key_rows = SaturatingProduct({shape.batch, shape.key_length});
  const int64_t key_width = shape.heads * shape.head_width;
  const int64_t value_width = shape.heads * shape.value_head_width;
  const Value queries = Copy(graph, Columns(q, key_width));
  const Value keys = graph.NewValue(k.op, key_rows, key_width);
  const Value values = graph.NewValue(v.op, key_rows, value_width);

  const int scores = graph.AddOp(name + ".scores", 0, {{q.op, score_flops}, {k.op, score_flops}, {bias.op, 0}});
  graph.Keep(queries.storage, k.op);
  graph.Keep(keys.storage, q.op);
  const int64_t score_rows = SaturatingProduct({shape.batch, shape.heads, shape.query_length});
  const Value probabilities = graph.NewValue(scores, score_rows, shape.key_length);
  graph.Keep(probabilities.storage, scores);
  if (shape.soft_cap) graph.Keep(graph.NewValue(scores, score_rows, shape.key_length).storage, scores);
  graph.Keep(probabilities.storage, v.op);
  graph.Keep(values.storage, scores);
  const int op = graph.AddOp(name + ".context", 0, {{scores, value_flops}, {v.op, value_flops}});
  return graph.NewValue(op, q.rows, value_width);
}

Value Attend(Graph& graph, const std::string& name, const Value& q, const Value& k, const Value& v,
             const AttentionShape& shape, const Value& bias) {
  if (graph.options().attention == Attention::kEager) return AttendEagerly(graph, name, q, k, v, shape, bias);
  const int64_t score_flops = ProductFlops(shape, shape.head_width);
  const int64_t value_flops = ProductFlops(shape, shape.value_head_width);
  graph.AddForwardCost(SaturatingSum(score_flops, value_flops));
  // Backward computes the scores again, then the gradients of probabilities, values, queries and keys.
  int64_t flops = SaturatingSum(value_flops, value_flops);
  for (int i = 0; i < 3; ++i) flops = SaturatingSum(flops, score_flops);
  const int op = graph.AddOp(name, flops, {{q.op, 0}, {k.op, 0}, {v.op, 0}, {bias.op, 0}});
  const Value context = graph.NewValue(op, q.rows, shape.heads * shape.value_head_width);
  int keys = k.storage;
  int values = v.storage;
  if (NeedsRepeatedKeys(shape)) {
    const int64_t key_rows = SaturatingProduct({shape.batch, shape.key_length});
    keys = graph.NewValue(op, key_rows, shape.heads * shape.head_width).storage;
    values = graph.NewValue(op, key_rows, shape.heads * shape.value_head_width).storage;
  }
  for (const int storage : {q.storage, keys, values, context.storage, shape.bias_storage}) graph.Keep(storage, op);
  graph.KeepBytes(SaturatingProduct({shape.batch, shape.heads, shape.query_length, kBytesPerStatistic}), op);
  return context;
}

}  // namespace greenplan::profiler
