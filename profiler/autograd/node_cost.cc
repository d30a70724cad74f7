#include "profiler/autograd/node_cost.h"

#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "profiler/autograd/free_ops.h"
#include "torch/csrc/autograd/functions/tensor.h"
#include "torch/csrc/autograd/generated/Functions.h"

namespace greenplan::profiler {
namespace {

namespace generated = torch::autograd::generated;
using torch::autograd::Node;
using torch::autograd::SavedVariable;
using Shape = std::vector<int64_t>;
using Rule = absl::StatusOr<NodeCost> (*)(const Node&);

// Returns the FLOPs of as many multiply-adds as the product of `sizes`.
int64_t Flops(std::initializer_list<int64_t> sizes) {
  int64_t flops = 2;
  bool overflow = false;
  for (int64_t size : sizes) {
    if (size == 0) return 0;
    overflow |= __builtin_mul_overflow(flops, size, &flops);
  }
  return overflow ? std::numeric_limits<int64_t>::max() : flops;
}

int64_t Product(const Shape& shape, size_t first = 0) {
  int64_t product = 1;
  for (size_t i = first; i < shape.size(); ++i) product *= shape[i];
  return product;
}

// Reads the shapes that a rule needs. status() keeps the first failure. A shape that cannot be read is returned as
// zeros of the expected rank, so that a rule can read all its operands first and check the status once.
class ShapeReader {
 public:
  explicit ShapeReader(const Node& node) : node_(node) {}

  // Returns the shape of the forward operator's output. It must have `rank` dimensions; 0 allows any number.
  Shape Output(size_t rank) { return Checked(FromMetadata(node_, 0), "output", rank); }

  // Returns the shape of the forward operator's operand `index`. `saved` is where the node saved the operand, or null.
  Shape Operand(size_t index, const SavedVariable* saved, size_t rank) {
    const torch::autograd::Edge& edge = node_.next_edge(index);
    if (edge.is_valid()) return Checked(FromMetadata(*edge.function, edge.input_nr), OperandName(index), rank);
    return Checked(saved == nullptr ? std::nullopt : FromSaved(*saved), OperandName(index), rank);
  }

  const absl::Status& status() const { return status_; }

 private:
  static std::string OperandName(size_t index) { return absl::StrCat("operand ", index); }

  static std::optional<Shape> FromMetadata(const Node& node, size_t index) {
    if (index >= node.num_inputs()) return std::nullopt;
    const torch::autograd::InputMetadata& metadata = node.input_metadata(index);
    if (metadata.was_default_constructed() || metadata.is_nested_tensor()) return std::nullopt;
    if (metadata.layout() != at::kStrided) return std::nullopt;
    Shape shape;
    for (const c10::SymInt& size : metadata.shape_as_dim_vector()) {
      if (!size.maybe_as_int().has_value()) return std::nullopt;
      shape.push_back(*size.maybe_as_int());
    }
    return shape;
  }

  static std::optional<Shape> FromSaved(const SavedVariable& saved) {
    const std::optional<at::Tensor> tensor = saved.get_raw_data();
    if (!tensor.has_value() || !tensor->defined() || tensor->is_nested() || tensor->layout() != at::kStrided) {
      return std::nullopt;
    }
    return tensor->sizes().vec();
  }

  Shape Checked(std::optional<Shape> shape, const std::string& what, size_t rank) {
    if (shape.has_value() && (rank == 0 || shape->size() == rank)) return *std::move(shape);
    if (status_.ok()) {
      const std::string problem = shape.has_value()
                                      ? absl::StrCat("has rank ", shape->size(), "; it must have rank ", rank)
                                      : "is not known; it must be a dense tensor, and backward() must not have freed "
                                        "the graph";
      status_ = absl::InvalidArgumentError(
          absl::StrCat("autograd node ", node_.name(), ": the shape of ", what, " ", problem));
    }
    return Shape(std::max<size_t>(rank, 1), 0);
  }

  const Node& node_;
  absl::Status status_;
};

// The rule for a product of two matrices: operand `left` is [.., rows, inner] and operand `left + 1` is
// [.., inner, columns]. Either gradient costs as much as the product itself. `product` computes the FLOPs from the
// output's shape [.., rows, columns] and from `inner`.
template <typename ProductFlops>
absl::StatusOr<NodeCost> ProductCost(const Node& node, size_t left, size_t rank, ProductFlops product) {
  ShapeReader shapes(node);
  const Shape output = shapes.Output(0);
  const int64_t inner = node.next_edge(left).is_valid() ? shapes.Operand(left, nullptr, rank).back()
                                                        : shapes.Operand(left + 1, nullptr, rank)[rank - 2];
  if (!shapes.status().ok()) return shapes.status();
  NodeCost cost;
  cost.forward = product(output, inner);
  cost.per_input.assign(left + 2, 0);  // Operands before `left` are added, so their gradient is a copy or a sum.
  cost.per_input[left] = cost.per_input[left + 1] = cost.forward;
  return cost;
}

int64_t OutputTimesInner(const Shape& output, int64_t inner) { return Flops({Product(output), inner}); }

absl::StatusOr<NodeCost> Mm(const Node& node) { return ProductCost(node, 0, 2, OutputTimesInner); }
absl::StatusOr<NodeCost> Addmm(const Node& node) { return ProductCost(node, 1, 2, OutputTimesInner); }
absl::StatusOr<NodeCost> Bmm(const Node& node) { return ProductCost(node, 0, 3, OutputTimesInner); }
absl::StatusOr<NodeCost> Baddbmm(const Node& node) { return ProductCost(node, 1, 3, OutputTimesInner); }

// The product sums over the batch: the output is [rows, columns], the operands are [batch, rows, inner] and
// [batch, inner, columns].
absl::StatusOr<NodeCost> Addbmm(const Node& node) {
  ShapeReader shapes(node);
  const Shape output = shapes.Output(2);
  const bool left = node.next_edge(1).is_valid();
  const Shape operand = shapes.Operand(left ? 1 : 2, nullptr, 3);
  if (!shapes.status().ok()) return shapes.status();
  const int64_t flops = Flops({operand[0], Product(output), operand[left ? 2 : 1]});
  return NodeCost{.forward = flops, .per_input = {0, flops, flops}};
}

// Operand `matrix` is [rows, inner] and the operand after it is a vector [inner]. The matrix's gradient is an outer
// product, which LibTorch executes as a broadcast multiplication. That is elementwise work and costs 0.
absl::StatusOr<NodeCost> MatrixVectorCost(const Node& node, size_t matrix) {
  ShapeReader shapes(node);
  const int64_t rows = shapes.Output(1)[0];
  const int64_t inner = node.next_edge(matrix).is_valid() ? shapes.Operand(matrix, nullptr, 2)[1]
                                                          : shapes.Operand(matrix + 1, nullptr, 1)[0];
  if (!shapes.status().ok()) return shapes.status();
  NodeCost cost{.forward = Flops({rows, inner})};
  cost.per_input.assign(matrix + 2, 0);
  cost.per_input[matrix + 1] = cost.forward;
  return cost;
}

absl::StatusOr<NodeCost> Mv(const Node& node) { return MatrixVectorCost(node, 0); }
absl::StatusOr<NodeCost> Addmv(const Node& node) { return MatrixVectorCost(node, 1); }

// The forward operator is an outer product, which costs 0. Each vector's gradient is a matrix-vector product.
absl::StatusOr<NodeCost> Addr(const Node& node) {
  ShapeReader shapes(node);
  const int64_t flops = Flops({Product(shapes.Output(2))});
  if (!shapes.status().ok()) return shapes.status();
  return NodeCost{.per_input = {0, flops, flops}};
}

// The gradients of an inner product are scaled vectors, which cost 0.
absl::StatusOr<NodeCost> Dot(const Node& node) {
  ShapeReader shapes(node);
  const Shape operand = shapes.Operand(node.next_edge(0).is_valid() ? 0 : 1, nullptr, 1);
  if (!shapes.status().ok()) return shapes.status();
  return NodeCost{.forward = Flops({operand[0]})};
}

// The operands are input [.., inner], weight [columns, inner] and bias. Only devices where linear is one operator make
// this node; on the CPU it is decomposed.
absl::StatusOr<NodeCost> Linear(const Node& node) {
  ShapeReader shapes(node);
  const Shape output = shapes.Output(0);
  const Shape operand = shapes.Operand(node.next_edge(0).is_valid() ? 0 : 1, nullptr, 0);
  if (!shapes.status().ok()) return shapes.status();
  const int64_t flops = OutputTimesInner(output, operand.back());
  return NodeCost{.forward = flops, .per_input = {flops, flops, 0}};
}

// A product over ragged groups, such as [rows, inner] x [groups, inner, columns]. Every row (or, if both operands are
// matrices, every inner index) belongs to one group, so the number of groups does not matter unless both operands have
// it as a dimension.
absl::StatusOr<NodeCost> GroupedMm(const Node& node) {
  ShapeReader shapes(node);
  const Shape output = shapes.Output(0);
  const bool left = node.next_edge(0).is_valid();
  const Shape operand = shapes.Operand(left ? 0 : 1, nullptr, 0);
  if (!shapes.status().ok()) return shapes.status();
  const int64_t inner = operand.size() < 2 ? 0 : left ? operand.back() : operand[operand.size() - 2];
  const bool ragged_inner = output.size() == 3 && operand.size() == 2;
  const int64_t flops = Flops({ragged_inner ? Product(output, 1) : Product(output), inner});
  return NodeCost{.forward = flops, .per_input = {flops, flops}};
}

// The weight is [out, in / groups, kernel..], or [in, out / groups, kernel..] if the convolution is transposed. Every
// position of the output (of the input, if transposed) meets every element of the weight once. This holds for any
// stride, dilation and number of groups.
template <typename ConvolutionNode>
absl::StatusOr<NodeCost> Convolution(const Node& node) {
  const auto* convolution = dynamic_cast<const ConvolutionNode*>(&node);
  if (convolution == nullptr) return absl::InternalError(absl::StrCat(node.name(), " is of an unexpected type"));
  ShapeReader shapes(node);
  const Shape weight = shapes.Operand(1, &convolution->weight_, 0);
  const Shape image = convolution->transposed ? shapes.Operand(0, &convolution->input_, 0) : shapes.Output(0);
  if (!shapes.status().ok()) return shapes.status();
  // If the image has no batch dimension, it has one dimension less than the weight.
  const bool batched = image.size() == weight.size();
  const int64_t positions = Product(image, batched ? 2 : 1) * (batched ? image[0] : 1);
  const int64_t flops = Flops({positions, Product(weight)});
  return NodeCost{.forward = flops, .per_input = {flops, flops, 0}};
}

// The query is [batch, heads, queries, depth], the key [.., keys, depth] and the value [.., keys, value depth].
// Backward computes the scores again and then the gradients of query, key, scores and value; it computes all of them or
// none. Masked positions count, as they do in unfused attention. With grouped queries every query head counts.
template <typename AttentionNode>
absl::StatusOr<NodeCost> FusedAttention(const Node& node) {
  const auto* attention = dynamic_cast<const AttentionNode*>(&node);
  if (attention == nullptr) return absl::InternalError(absl::StrCat(node.name(), " is of an unexpected type"));
  ShapeReader shapes(node);
  const Shape output = shapes.Output(4);
  const Shape query = shapes.Operand(0, &attention->query_, 4);
  const Shape key = shapes.Operand(1, &attention->key_, 4);
  if (!shapes.status().ok()) return shapes.status();
  const int64_t heads = query[0] * query[1];
  const int64_t score_flops = Flops({heads, query[2], key[2], query[3]});
  const int64_t value_flops = Flops({heads, query[2], key[2], output[3]});
  return NodeCost{.forward = score_flops + value_flops, .op = 3 * score_flops + 2 * value_flops};
}

const absl::flat_hash_map<std::string_view, Rule>& Rules() {
  static const auto& rules = *new absl::flat_hash_map<std::string_view, Rule>({
      {"MmBackward0", Mm},
      {"AddmmBackward0", Addmm},
      {"BmmBackward0", Bmm},
      {"BaddbmmBackward0", Baddbmm},
      {"AddbmmBackward0", Addbmm},
      {"MvBackward0", Mv},
      {"AddmvBackward0", Addmv},
      {"AddrBackward0", Addr},
      {"DotBackward0", Dot},
      {"VdotBackward0", Dot},
      {"LinearBackward0", Linear},
      {"GroupedMmBackward0", GroupedMm},
      {"ConvolutionBackward0", Convolution<generated::ConvolutionBackward0>},
      {"ScaledDotProductFlashAttentionForCpuBackward0",
       FusedAttention<generated::ScaledDotProductFlashAttentionForCpuBackward0>},
      {"ScaledDotProductFlashAttentionBackward0", FusedAttention<generated::ScaledDotProductFlashAttentionBackward0>},
      {"ScaledDotProductEfficientAttentionBackward0",
       FusedAttention<generated::ScaledDotProductEfficientAttentionBackward0>},
      {"ScaledDotProductCudnnAttentionBackward0", FusedAttention<generated::ScaledDotProductCudnnAttentionBackward0>},
  });
  return rules;
}

// Returns "Add" for "AddBackward0". Returns "" if the name has another form, as the names of custom functions have.
std::string_view Stem(std::string_view name) {
  constexpr std::string_view kBackward = "Backward";
  const size_t end = name.find_last_not_of("0123456789");
  if (end == std::string_view::npos || end + 1 == name.size()) return "";
  name = name.substr(0, end + 1);
  return name.ends_with(kBackward) ? name.substr(0, name.size() - kBackward.size()) : "";
}

absl::Status NoRule(const std::string& name) {
  return absl::UnimplementedError(
      absl::StrCat("autograd node ", name,
                   " has no cost rule, and it is not known to be free of matrix products; use an operator that "
                   "LibTorch differentiates itself, or add a rule to profiler/autograd/node_cost.cc"));
}

// CopySlices stands for an operator that wrote into a view, and wraps that operator's node.
absl::StatusOr<NodeCost> InPlaceOnView(const torch::autograd::CopySlices& node) {
  const std::string name = node.fn == nullptr ? "" : node.fn->name();
  if (node.fn != nullptr && (name == "torch::autograd::CopyBackwards" || IsFreeOp(Stem(name)))) return NodeCost{};
  return NoRule(absl::StrCat(node.name(), " (", name, ")"));
}

}  // namespace

absl::StatusOr<NodeCost> CostOfNode(const Node& node) {
  const std::string name = node.name();
  if (IsFreeOp(Stem(name))) return NodeCost{};
  if (const auto rule = Rules().find(name); rule != Rules().end()) return rule->second(node);
  if (name == "torch::autograd::CopyBackwards") return NodeCost{};
  if (const auto* copy = dynamic_cast<const torch::autograd::CopySlices*>(&node)) return InPlaceOnView(*copy);
  return NoRule(name);
}

}  // namespace greenplan::profiler
