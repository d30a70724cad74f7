#include "profiler/autograd/profile.h"

#include <algorithm>
#include <cstdint>
#include <queue>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "profiler/autograd/contraction.h"
#include "profiler/autograd/node_cost.h"
#include "torch/csrc/autograd/function.h"
#include "torch/csrc/autograd/functions/accumulate_grad.h"

namespace greenplan::profiler {
namespace {

using torch::autograd::AccumulateGrad;
using torch::autograd::Node;

constexpr int64_t kMaxTotalCost = int64_t{1} << 62;

// Every node once, consumers before what they consume, otherwise in the order in which the engine would run them.
std::vector<Node*> NodesFromLoss(Node* loss) {
  absl::flat_hash_map<Node*, int> waiting_for = {{loss, 0}};
  std::vector<Node*> stack = {loss};
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    for (const torch::autograd::Edge& edge : node->next_edges()) {
      if (!edge.is_valid()) continue;
      const auto [entry, is_new] = waiting_for.try_emplace(edge.function.get(), 0);
      ++entry->second;
      if (is_new) stack.push_back(edge.function.get());
    }
  }
  struct Ready {
    uint64_t sequence_number;
    size_t order;  // Breaks ties.
    Node* node;
    bool operator<(const Ready& other) const {
      return sequence_number != other.sequence_number ? sequence_number < other.sequence_number : order > other.order;
    }
  };
  std::priority_queue<Ready> ready;
  ready.push({loss->sequence_nr(), 0, loss});
  std::vector<Node*> nodes;
  for (size_t pushed = 1; !ready.empty();) {
    Node* node = ready.top().node;
    ready.pop();
    nodes.push_back(node);
    for (const torch::autograd::Edge& edge : node->next_edges()) {
      if (!edge.is_valid() || --waiting_for[edge.function.get()] > 0) continue;
      ready.push({edge.function->sequence_nr(), pushed++, edge.function.get()});
    }
  }
  return nodes;
}

absl::Status AddTensors(const NamedParameters& parameters, ModelProfile& profile,
                        absl::flat_hash_map<const c10::TensorImpl*, int>& tensor_of) {
  for (const auto& [name, parameter] : parameters) {
    if (!parameter.defined()) return absl::InvalidArgumentError(absl::StrCat("parameter ", name, " is not defined"));
    if (!parameter.is_leaf()) {
      return absl::InvalidArgumentError(
          absl::StrCat("parameter ", name, " is the result of an operator; parameters must be leaf tensors"));
    }
    const int index = static_cast<int>(profile.tensors.size());
    if (!tensor_of.try_emplace(parameter.unsafeGetTensorImpl(), index).second) continue;  // Tied to an earlier name.
    profile.tensors.push_back({.name = name, .shape = parameter.sizes().vec()});
  }
  return absl::OkStatus();
}

bool AddSaturating(int64_t cost, int64_t& total) {
  return !__builtin_add_overflow(total, cost, &total) && total <= kMaxTotalCost;
}

// One op per node, a leaf's included, its tensor hanging on it at no cost.
absl::Status AddOps(const std::vector<Node*>& nodes, const absl::flat_hash_map<const c10::TensorImpl*, int>& tensor_of,
                    ModelProfile& profile) {
  absl::flat_hash_map<const Node*, int> op_of;
  op_of.reserve(nodes.size());
  for (Node* node : nodes) op_of.emplace(node, static_cast<int>(op_of.size()));
  profile.ops.resize(nodes.size());
  int64_t total = 0;
  bool fits = true;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = *nodes[i];
    Op& op = profile.ops[i];
    op.name = node.name();
    if (const auto* leaf = dynamic_cast<const AccumulateGrad*>(&node)) {
      const auto tensor = tensor_of.find(leaf->variable.unsafeGetTensorImpl());
      if (tensor == tensor_of.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("the loss depends on a tensor of shape [", absl::StrJoin(leaf->variable.sizes(), ", "),
                         "] that requires grad and is not among the parameters; list it or freeze it"));
      }
      profile.tensors[tensor->second].op = static_cast<int>(i);
      continue;
    }
    absl::StatusOr<NodeCost> cost = CostOfNode(node);
    if (!cost.ok()) return cost.status();
    op.cost = cost->op;
    fits &= AddSaturating(cost->forward, total) && AddSaturating(cost->op, total);
    if (fits) profile.forward_cost += cost->forward;
    for (size_t input = 0; input < node.num_outputs(); ++input) {
      const torch::autograd::Edge& edge = node.next_edge(input);
      if (!edge.is_valid()) continue;
      const int64_t edge_cost = input < cost->per_input.size() ? cost->per_input[input] : 0;
      fits &= AddSaturating(edge_cost, total);
      op.inputs.push_back({.op = op_of.at(edge.function.get()), .cost = edge_cost});
    }
  }
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError("forward + full backward cost more than 2^62 FLOPs");
}

}  // namespace

absl::StatusOr<ModelProfile> Profile(const at::Tensor& loss, const NamedParameters& parameters) {
  if (!loss.defined()) return absl::InvalidArgumentError("loss is not defined");
  if (!loss.requires_grad()) {
    return absl::InvalidArgumentError("loss does not require grad; run forward with the parameters requiring grad");
  }
  if (loss.is_leaf()) return absl::InvalidArgumentError("loss is a leaf tensor; it must be the result of an operator");

  ModelProfile profile;
  absl::flat_hash_map<const c10::TensorImpl*, int> tensor_of;
  if (absl::Status status = AddTensors(parameters, profile, tensor_of); !status.ok()) return status;
  const std::vector<Node*> nodes = NodesFromLoss(loss.grad_fn().get());
  if (absl::Status status = AddOps(nodes, tensor_of, profile); !status.ok()) return status;
  if (std::none_of(profile.tensors.begin(), profile.tensors.end(),
                   [](const Tensor& tensor) { return tensor.op != kNone; })) {
    return absl::InvalidArgumentError("the loss depends on none of the parameters that require grad");
  }

  PruneUnreachingOps(profile);
  ContractOps(profile);
  HangTensors(profile);
  ContractOps(profile);
  return profile;
}

}  // namespace greenplan::profiler
