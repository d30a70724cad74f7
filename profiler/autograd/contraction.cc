#include "profiler/autograd/contraction.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace greenplan::profiler {
namespace {

// Keeps the ops marked in `keep` [num_ops] and renumbers every reference to them. Removes the edges to all other ops.
void KeepOps(const std::vector<bool>& keep, ModelProfile& profile) {
  std::vector<int> new_index(profile.ops.size(), kNone);
  std::vector<Op> ops;
  for (size_t op = 0; op < profile.ops.size(); ++op) {
    if (!keep[op]) continue;
    new_index[op] = static_cast<int>(ops.size());
    ops.push_back(std::move(profile.ops[op]));
  }
  for (Op& op : ops) {
    std::erase_if(op.inputs, [&](const Edge& edge) { return !keep[edge.op]; });
    for (Edge& edge : op.inputs) edge.op = new_index[edge.op];
  }
  for (Tensor& tensor : profile.tensors) {
    if (tensor.op != kNone) tensor.op = new_index[tensor.op];
  }
  profile.ops = std::move(ops);
}

// Adds an edge, or adds its cost to a parallel edge. If both cost something, they may be two uses of a tied tensor, so
// they stay two edges.
void AddEdge(Op& op, int target, int64_t cost) {
  for (Edge& edge : op.inputs) {
    if (edge.op == target && (edge.cost == 0 || cost == 0)) {
      edge.cost += cost;
      return;
    }
  }
  op.inputs.push_back({.op = target, .cost = cost});
}

void MergeParallelEdges(ModelProfile& profile) {
  for (Op& op : profile.ops) {
    const std::vector<Edge> edges = std::exchange(op.inputs, {});
    for (const Edge& edge : edges) AddEdge(op, edge.op, edge.cost);
  }
}

// Returns, for each op [num_ops], the ops that have edges to it. Each is listed once, in ascending order.
std::vector<std::vector<int>> Consumers(const ModelProfile& profile) {
  std::vector<std::vector<int>> consumers(profile.ops.size());
  for (int op = 0; op < static_cast<int>(profile.ops.size()); ++op) {
    for (const Edge& edge : profile.ops[op].inputs) {
      if (consumers[edge.op].empty() || consumers[edge.op].back() != op) consumers[edge.op].push_back(op);
    }
  }
  return consumers;
}

// How many edges lead to an op, and the last of them.
struct Use {
  int count = 0;
  int op = kNone;
  int64_t cost = 0;
};

std::vector<Use> Uses(const ModelProfile& profile) {
  std::vector<Use> uses(profile.ops.size());
  for (size_t op = 0; op < profile.ops.size(); ++op) {
    for (const Edge& edge : profile.ops[op].inputs) {
      uses[edge.op] = {.count = uses[edge.op].count + 1, .op = static_cast<int>(op), .cost = edge.cost};
    }
  }
  return uses;
}

class Contraction {
 public:
  explicit Contraction(ModelProfile& profile)
      : profile_(profile), keep_(profile.ops.size(), true), holds_tensor_(profile.ops.size(), false) {
    MergeParallelEdges(profile_);
    consumers_ = Consumers(profile_);
    for (const Tensor& tensor : profile_.tensors) {
      if (tensor.op != kNone) holds_tensor_[tensor.op] = true;
    }
  }

  void Run() {
    for (int op = static_cast<int>(profile_.ops.size()) - 1; op > 0; --op) {
      if (CanRemove(op)) Remove(op);
    }
    KeepOps(keep_, profile_);
  }

 private:
  bool CanRemove(int index) const {
    const Op& op = profile_.ops[index];
    // The op's edges turn out to be free. Parallel free edges were merged, so each leads to a different op.
    if (holds_tensor_[index] || op.cost != 0 || op.inputs.empty()) return false;
    if (op.saved_bytes != 0 && (op.inputs.size() > 1 || profile_.ops[op.inputs[0].op].block != op.block)) return false;
    if (std::any_of(op.inputs.begin(), op.inputs.end(), [](const Edge& edge) { return edge.cost != 0; })) return false;
    if (op.inputs.size() > 1 && (consumers_[index].size() > 1 || CostOfEdgesTo(index) != 0)) return false;
    return !LeadsAroundBlock(index);
  }

  int64_t CostOfEdgesTo(int index) const {
    int64_t cost = 0;
    for (int consumer : consumers_[index]) {
      for (const Edge& edge : profile_.ops[consumer].inputs) cost += edge.op == index ? edge.cost : 0;
    }
    return cost;
  }

  bool LeadsAroundBlock(int index) const {
    const int block = profile_.ops[index].block;
    if (block == kNone) return false;
    const auto outside = [&](int op) { return profile_.ops[op].block != block; };
    const std::vector<Edge>& inputs = profile_.ops[index].inputs;
    return std::any_of(consumers_[index].begin(), consumers_[index].end(), outside) &&
           std::any_of(inputs.begin(), inputs.end(), [&](const Edge& edge) { return outside(edge.op); });
  }

  void Remove(int index) {
    keep_[index] = false;
    const std::vector<Edge> below = std::exchange(profile_.ops[index].inputs, {});
    if (below.size() == 1) profile_.ops[below[0].op].saved_bytes += profile_.ops[index].saved_bytes;
    for (const Edge& edge : below) std::erase(consumers_[edge.op], index);
    for (int consumer : consumers_[index]) {
      Op& op = profile_.ops[consumer];
      const std::vector<Edge> edges = std::exchange(op.inputs, {});
      for (const Edge& edge : edges) {
        if (edge.op != index) {
          AddEdge(op, edge.op, edge.cost);
          continue;
        }
        for (const Edge& target : below) AddEdge(op, target.op, edge.cost);  // If there are several, the cost is 0.
      }
      for (const Edge& target : below) {
        std::vector<int>& consumers = consumers_[target.op];
        if (std::find(consumers.begin(), consumers.end(), consumer) == consumers.end()) consumers.push_back(consumer);
      }
    }
  }

  ModelProfile& profile_;
  std::vector<bool> keep_;
  std::vector<bool> holds_tensor_;
  std::vector<std::vector<int>> consumers_;
};

// [num_ops]: the tensor that hangs on each op, or null.
std::vector<Tensor*> TensorOn(ModelProfile& profile) {
  std::vector<Tensor*> tensor_on(profile.ops.size(), nullptr);
  for (Tensor& tensor : profile.tensors) {
    if (tensor.op != kNone) tensor_on[tensor.op] = &tensor;
  }
  return tensor_on;
}

// Replaces parallel edges by one edge of their total cost. Edges to a tensor's leaf stay apart, because they are the
// uses of a tied tensor.
void MergeAllParallelEdges(const std::vector<Tensor*>& tensor_on, ModelProfile& profile) {
  for (Op& op : profile.ops) {
    const std::vector<Edge> edges = std::exchange(op.inputs, {});
    for (const Edge& edge : edges) {
      const auto parallel =
          std::find_if(op.inputs.begin(), op.inputs.end(), [&](const Edge& other) { return other.op == edge.op; });
      if (parallel == op.inputs.end() || tensor_on[edge.op] != nullptr) {
        op.inputs.push_back(edge);
      } else {
        parallel->cost += edge.cost;
      }
    }
  }
}

// If a single edge leads to an op, that edge is paid if and only if the op is live, so the op's cost can move to it. If
// the op also has one input and no tensor, the edge to that input is paid under the same condition and moves along.
void MoveCostsUp(const std::vector<Tensor*>& tensor_on, ModelProfile& profile) {
  const std::vector<Use> uses = Uses(profile);
  for (int index = static_cast<int>(profile.ops.size()) - 1; index > 0; --index) {
    Op& op = profile.ops[index];
    if (uses[index].count != 1 || profile.ops[uses[index].op].block != op.block) continue;
    std::vector<Edge>& above = profile.ops[uses[index].op].inputs;
    const auto edge = std::find_if(above.begin(), above.end(), [&](const Edge& e) { return e.op == index; });
    edge->cost += std::exchange(op.cost, 0);
    if (op.inputs.size() == 1 && tensor_on[index] == nullptr) edge->cost += std::exchange(op.inputs[0].cost, 0);
  }
}

// An op that has one input and no tensor is live if and only if its input is, so its cost can move to the input.
void MoveCostsDown(const std::vector<Tensor*>& tensor_on, ModelProfile& profile) {
  for (size_t index = 1; index < profile.ops.size(); ++index) {
    Op& op = profile.ops[index];
    if (op.inputs.size() != 1 || tensor_on[index] != nullptr) continue;
    Op& below = profile.ops[op.inputs[0].op];
    if (below.block != op.block) continue;
    below.cost += std::exchange(op.cost, 0) + std::exchange(op.inputs[0].cost, 0);
  }
}

}  // namespace

void GatherCosts(ModelProfile& profile) {
  const std::vector<Tensor*> tensor_on = TensorOn(profile);
  MergeAllParallelEdges(tensor_on, profile);
  MoveCostsUp(tensor_on, profile);
  MoveCostsDown(tensor_on, profile);
  for (Tensor& tensor : profile.tensors) {  // Only the leaf of a tied tensor has a cost left.
    if (tensor.op != kNone) tensor.weight_grad_cost += std::exchange(profile.ops[tensor.op].cost, 0);
  }
}

void HangTensors(ModelProfile& profile) {
  MergeParallelEdges(profile);
  const std::vector<Use> uses = Uses(profile);
  std::vector<bool> keep(profile.ops.size(), true);
  for (Tensor& tensor : profile.tensors) {
    if (tensor.op == kNone) continue;
    // Goes up from the leaf through its one edge, then through free ops that only pass this tensor's gradient on.
    for (bool is_leaf = true;; is_leaf = false) {
      const Op& op = profile.ops[tensor.op];
      const Use& use = uses[tensor.op];
      const bool only_passes = op.cost == 0 && op.inputs.size() == (is_leaf ? 0 : 1);
      if (use.count != 1 || !only_passes || tensor.weight_grad_cost != 0) break;
      if (!is_leaf && profile.ops[use.op].block != op.block) break;
      keep[tensor.op] = false;
      tensor.weight_grad_cost = use.cost;
      tensor.saved_bytes += op.saved_bytes;
      tensor.op = use.op;
    }
  }
  KeepOps(keep, profile);
}

void ContractOps(ModelProfile& profile) { Contraction(profile).Run(); }

void PruneUnreachingOps(ModelProfile& profile) {
  std::vector<bool> keep(profile.ops.size(), false);
  for (const Tensor& tensor : profile.tensors) {
    if (tensor.op != kNone) keep[tensor.op] = true;
  }
  for (int op = static_cast<int>(profile.ops.size()) - 1; op >= 0; --op) {
    for (const Edge& edge : profile.ops[op].inputs) {
      if (keep[edge.op]) keep[op] = true;
    }
  }
  if (!keep.empty()) keep[0] = true;
  KeepOps(keep, profile);
}

}  // namespace greenplan::profiler
