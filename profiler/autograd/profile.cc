#include "profiler/autograd/profile.h"

#include <algorithm>
#include <cstdint>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "profiler/autograd/contraction.h"
#include "profiler/autograd/node_cost.h"
#include "profiler/autograd/residual_blocks.h"
#include "torch/csrc/autograd/function.h"
#include "torch/csrc/autograd/functions/accumulate_grad.h"

namespace greenplan::profiler {
namespace {

using torch::autograd::AccumulateGrad;
using torch::autograd::Node;

constexpr char kLeafName[] = "torch::autograd::AccumulateGrad";
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

// The profile under construction and which of its entries are what in the graph.
struct Reading {
  ModelProfile profile;
  absl::flat_hash_map<const c10::TensorImpl*, int> tensor_of;
  absl::flat_hash_map<const Node*, int> op_of;
};

absl::Status AddTensors(const NamedParameters& parameters, Reading& reading) {
  for (const auto& [name, parameter] : parameters) {
    if (!parameter.defined()) return absl::InvalidArgumentError(absl::StrCat("parameter ", name, " is not defined"));
    if (!parameter.is_leaf()) {
      return absl::InvalidArgumentError(
          absl::StrCat("parameter ", name, " is the result of an operator; parameters must be leaf tensors"));
    }
    const int index = static_cast<int>(reading.profile.tensors.size());
    if (!reading.tensor_of.try_emplace(parameter.unsafeGetTensorImpl(), index).second) continue;  // Tied.
    reading.profile.tensors.push_back({.name = name, .shape = parameter.sizes().vec()});
  }
  return absl::OkStatus();
}

// Adds to `total`; false once it exceeds what a profile may cost.
bool AddToTotal(int64_t cost, int64_t& total) {
  return !__builtin_add_overflow(total, cost, &total) && total <= kMaxTotalCost;
}

// A leaf's tensor hangs on the leaf's op for now.
absl::Status HangTensor(const at::Tensor& variable, int op, Reading& reading) {
  const auto tensor = reading.tensor_of.find(variable.unsafeGetTensorImpl());
  if (tensor == reading.tensor_of.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the loss depends on a tensor of shape [", absl::StrJoin(variable.sizes(), ", "),
                     "] that requires grad and is not among the parameters; list it or let it not require grad"));
  }
  reading.profile.tensors[tensor->second].op = op;
  return absl::OkStatus();
}

// One op per node, leaves included.
absl::Status AddOps(const std::vector<Node*>& nodes, Reading& reading) {
  ModelProfile& profile = reading.profile;
  reading.op_of.reserve(nodes.size());
  for (Node* node : nodes) reading.op_of.emplace(node, static_cast<int>(reading.op_of.size()));
  profile.ops.resize(nodes.size());
  int64_t total = 0;
  bool fits = true;
  for (size_t i = 0; i < nodes.size() && fits; ++i) {
    const Node& node = *nodes[i];
    Op& op = profile.ops[i];
    op.name = node.name();
    if (const auto* leaf = dynamic_cast<const AccumulateGrad*>(&node)) {
      if (absl::Status status = HangTensor(leaf->variable, static_cast<int>(i), reading); !status.ok()) return status;
      continue;
    }
    const absl::StatusOr<NodeCost> cost = CostOfNode(node);
    if (!cost.ok()) return cost.status();
    op.cost = cost->op;
    fits = AddToTotal(cost->forward, total) && AddToTotal(cost->op, total);
    if (fits) profile.forward_cost += cost->forward;
    for (size_t input = 0; input < node.num_outputs() && fits; ++input) {
      const torch::autograd::Edge& edge = node.next_edge(input);
      if (!edge.is_valid()) continue;
      const int64_t edge_cost = input < cost->per_input.size() ? cost->per_input[input] : 0;
      fits = AddToTotal(edge_cost, total);
      op.inputs.push_back({.op = reading.op_of.at(edge.function.get()), .cost = edge_cost});
    }
  }
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError("forward + full backward cost more than 2^62 FLOPs");
}

absl::Status Freeze(const std::vector<std::string>& names, ModelProfile& profile) {
  absl::flat_hash_map<std::string, Tensor*> tensors;
  for (Tensor& tensor : profile.tensors) tensors.emplace(tensor.name, &tensor);
  for (const std::string& name : names) {
    const auto tensor = tensors.find(name);
    if (tensor == tensors.end()) {
      return absl::InvalidArgumentError(absl::StrCat("options.frozen names ", name, ", which is not a parameter"));
    }
    tensor->second->op = kNone;
  }
  return absl::OkStatus();
}

absl::Status SetBlocks(const std::vector<MarkedBlock>& blocks, Reading& reading) {
  if (blocks.empty()) {
    FindResidualBlocks("AddBackward0", reading.profile);
    return absl::OkStatus();
  }
  std::vector<BlockMark> marks;
  for (const MarkedBlock& block : blocks) {
    const auto op = block.output.defined() ? reading.op_of.find(block.output.grad_fn().get()) : reading.op_of.end();
    if (op == reading.op_of.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("options.blocks: the output of block ", block.name, " does not lead to the loss"));
    }
    marks.push_back({.name = block.name, .output_op = op->second});
  }
  MarkBlocks(marks, reading.profile);
  return absl::OkStatus();
}

// "Mm fc.weight" for MmBackward0.
void LabelOps(ModelProfile& profile) {
  for (Op& op : profile.ops) {
    op.name = op.name == kLeafName ? "Tied" : op.name.substr(0, op.name.rfind("Backward"));
  }
  std::vector<bool> has_tensor(profile.ops.size(), false);
  for (const Tensor& tensor : profile.tensors) {
    if (tensor.op == kNone || has_tensor[tensor.op]) continue;
    has_tensor[tensor.op] = true;
    absl::StrAppend(&profile.ops[tensor.op].name, " ", tensor.name);
  }
}

}  // namespace

absl::StatusOr<ModelProfile> Profile(const at::Tensor& loss, const NamedParameters& parameters,
                                     const ProfileOptions& options) {
  if (!loss.defined()) return absl::InvalidArgumentError("loss is not defined");
  if (!loss.requires_grad()) {
    return absl::InvalidArgumentError("loss does not require grad; run forward with the parameters requiring grad");
  }
  if (loss.is_leaf()) return absl::InvalidArgumentError("loss is a leaf tensor; it must be the result of an operator");

  Reading reading;
  if (absl::Status status = AddTensors(parameters, reading); !status.ok()) return status;
  if (absl::Status status = AddOps(NodesFromLoss(loss.grad_fn().get()), reading); !status.ok()) return status;
  if (absl::Status status = SetBlocks(options.blocks, reading); !status.ok()) return status;
  ModelProfile& profile = reading.profile;
  if (absl::Status status = Freeze(options.frozen, profile); !status.ok()) return status;
  if (std::none_of(profile.tensors.begin(), profile.tensors.end(),
                   [](const Tensor& tensor) { return tensor.op != kNone; })) {
    return absl::InvalidArgumentError("the loss depends on none of the parameters that may be trained");
  }

  PruneUnreachingOps(profile);
  HangTensors(profile);
  ContractOps(profile);
  LabelOps(profile);
  return std::move(profile);
}

}  // namespace greenplan::profiler
