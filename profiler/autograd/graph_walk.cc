#include "profiler/autograd/graph_walk.h"

#include <cstdint>
#include <exception>
#include <queue>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "profiler/autograd/channels_last_norm.h"
#include "profiler/autograd/checkpoint_node.h"
#include "torch/csrc/autograd/function.h"
#include "torch/csrc/autograd/functions/accumulate_grad.h"
#include "torch/csrc/autograd/variable.h"

namespace greenplan::profiler {
namespace {

using torch::autograd::AccumulateGrad;
using torch::autograd::Node;

// Collects the nodes of a graph and then sorts them.
class Walk {
 public:
  // Enters every node that `root` leads to within its own graph, and the graphs of the checkpoints there. Returns the
  // sum of the forward costs of the nodes in root's own graph.
  absl::StatusOr<int64_t> Enter(Node* root, bool recomputed) {
    int64_t forward_cost = 0;
    std::vector<Node*> stack = {root};
    while (!stack.empty()) {
      Node* node = stack.back();
      stack.pop_back();
      const size_t entry = entries_.size();
      if (!position_of_.try_emplace(node, entry).second) continue;
      entries_.push_back({.node = node, .recomputed = recomputed});
      if (dynamic_cast<const AccumulateGrad*>(node) != nullptr) continue;
      if (auto* checkpoint = dynamic_cast<CheckpointNode*>(node)) {
        if (absl::Status status = EnterCheckpoint(*checkpoint, entry, stack); !status.ok()) return status;
      } else {
        absl::StatusOr<NodeCost> cost = CostOfNode(*node);
        if (!cost.ok()) return cost.status();
        entries_[entry].cost = *std::move(cost);
        entries_[entry].normalizes_channels_last = NormalizesChannelsLastImages(*node);
        for (size_t input = 0; input < node->num_outputs(); ++input) {
          const torch::autograd::Edge& edge = node->next_edge(input);
          if (edge.is_valid()) Follow(entry, static_cast<int>(input), edge.function.get(), stack);
        }
      }
      forward_cost = AddSaturating(forward_cost, entries_[entry].cost.forward);
    }
    return forward_cost;
  }

  // Returns the nodes that were entered. Consumers come before what they consume. Of the nodes that are ready, the one
  // that forward made last comes first, as in the engine.
  AutogradGraph InEngineOrder(Node* loss) &&;

 private:
  struct Entry {
    Node* node = nullptr;
    NodeCost cost = {};
    std::vector<std::pair<int, Node*>> targets = {};  // Pairs of input and node, in the order of the inputs.
    bool recomputed = false;
    bool normalizes_channels_last = false;
  };

  static int64_t AddSaturating(int64_t a, int64_t b) {
    int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
  }

  // Records the node that an edge leads to. If it is a leaf that stands for an input of a checkpoint, the edge really
  // leads where the checkpoint's own edge leads. That node is in the graph around the checkpoint and is entered there.
  void Follow(size_t entry, int input, Node* target, std::vector<Node*>& stack) {
    if (!stands_for_.contains(target)) stack.push_back(target);
    for (auto found = stands_for_.find(target); found != stands_for_.end(); found = stands_for_.find(target)) {
      reached_inputs_.insert(target);
      target = found->second;
    }
    entries_[entry].targets.emplace_back(input, target);
  }

  absl::Status EnterCheckpoint(const CheckpointNode& checkpoint, size_t entry, std::vector<Node*>& stack) {
    std::vector<bool> requires_grad;
    for (size_t i = 0; i < checkpoint.num_checkpointed_inputs(); ++i) {
      requires_grad.push_back(checkpoint.next_edge(i).is_valid());
    }
    CheckpointNode::Run run;
    try {
      run = checkpoint.RunAgain(requires_grad);
    } catch (const std::exception& error) {
      return FailedAgain(error);
    }
    if (!run.output.requires_grad()) return absl::OkStatus();
    std::vector<std::pair<Node*, Node*>> inputs;  // The leaf within the checkpoint, and the node that it stands for.
    for (size_t i = 0; i < run.inputs.size(); ++i) {
      if (!requires_grad[i]) continue;
      kept_alive_.push_back(torch::autograd::impl::grad_accumulator(run.inputs[i]));
      inputs.emplace_back(kept_alive_.back().get(), checkpoint.next_edge(i).function.get());
      stands_for_.insert(inputs.back());
    }
    kept_alive_.push_back(torch::autograd::impl::gradient_edge(run.output).function);
    Node* root = kept_alive_.back().get();
    std::vector<Node*> roots;
    Follow(entry, 0, root, roots);
    if (!roots.empty()) {  // If it is empty, the function returned one of its inputs.
      if (absl::Status status = EnterRecomputed(root, entry); !status.ok()) return status;
      // The second run makes all products, also those that only frozen tensors take part in.
      if (checkpoint.has_frozen()) {
        const absl::StatusOr<int64_t> forward_cost = ForwardCostOf(checkpoint);
        if (!forward_cost.ok()) return forward_cost.status();
        entries_[entry].cost = {.forward = *forward_cost, .op = *forward_cost};
      }
    }
    for (const auto& [within, around] : inputs) {
      if (reached_inputs_.contains(within) && !stands_for_.contains(around)) stack.push_back(around);
    }
    return absl::OkStatus();
  }

  // Returns the cost of all products of a checkpointed function.
  static absl::StatusOr<int64_t> ForwardCostOf(const CheckpointNode& checkpoint) {
    CheckpointNode::Run run;
    try {
      run = checkpoint.RunAgainRecordingAll();
    } catch (const std::exception& error) {
      return FailedAgain(error);
    }
    return Walk().Enter(torch::autograd::impl::gradient_edge(run.output).function.get(), /*recomputed=*/true);
  }

  static absl::Status FailedAgain(const std::exception& error) {
    return absl::InternalError(absl::StrCat("checkpointed function failed when run again: ", error.what()));
  }

  // Enters the graph of a checkpointed function. Its forward products are those of the checkpoint: they run once in
  // forward and once more in backward, as the checkpoint's own cost.
  absl::Status EnterRecomputed(Node* root, size_t checkpoint) {
    const size_t first = entries_.size();
    const absl::StatusOr<int64_t> forward_cost = Enter(root, /*recomputed=*/true);
    if (!forward_cost.ok()) return forward_cost.status();
    entries_[checkpoint].cost = {.forward = *forward_cost, .op = *forward_cost};
    for (size_t i = first; i < entries_.size(); ++i) {
      entries_[i].cost.forward = 0;
      entries_[i].node->release_variables();
    }
    return absl::OkStatus();
  }

  std::vector<Entry> entries_;
  absl::flat_hash_map<const Node*, size_t> position_of_;
  absl::flat_hash_map<Node*, Node*> stands_for_;  // From a leaf within a checkpoint to the node outside.
  absl::flat_hash_set<Node*> reached_inputs_;     // The leaves within checkpoints to which some edge leads.
  std::vector<NodePointer> kept_alive_;
};

AutogradGraph Walk::InEngineOrder(Node* loss) && {
  struct Ready {
    uint64_t sequence_number;
    size_t order;  // Breaks ties.
    size_t entry;
    bool operator<(const Ready& other) const {
      return sequence_number != other.sequence_number ? sequence_number < other.sequence_number : order > other.order;
    }
  };
  std::vector<int> waiting_for(entries_.size(), 0);
  for (const Entry& entry : entries_) {
    for (const auto& [input, target] : entry.targets) ++waiting_for[position_of_.at(target)];
  }
  std::priority_queue<Ready> ready;
  ready.push({loss->sequence_nr(), 0, position_of_.at(loss)});
  AutogradGraph graph;
  graph.index_of.reserve(entries_.size());
  std::vector<size_t> order;
  for (size_t pushed = 1; !ready.empty();) {
    const size_t entry = ready.top().entry;
    ready.pop();
    graph.index_of.emplace(entries_[entry].node, static_cast<int>(order.size()));
    order.push_back(entry);
    for (const auto& [input, target] : entries_[entry].targets) {
      const size_t position = position_of_.at(target);
      if (--waiting_for[position] == 0) ready.push({target->sequence_nr(), pushed++, position});
    }
  }
  for (const size_t position : order) {
    Entry& entry = entries_[position];
    GraphNode& node = graph.nodes.emplace_back();
    node.node = entry.node;
    node.cost = std::move(entry.cost);
    node.recomputed = entry.recomputed;
    node.normalizes_channels_last = entry.normalizes_channels_last;
    for (const auto& [input, target] : entry.targets) {
      node.targets.push_back({.input = input, .node = graph.index_of.at(target)});
    }
  }
  graph.recomputed_roots = std::move(kept_alive_);
  return graph;
}

}  // namespace

absl::StatusOr<AutogradGraph> WalkGraph(Node& loss) {
  Walk walk;
  if (const absl::StatusOr<int64_t> entered = walk.Enter(&loss, /*recomputed=*/false); !entered.ok()) {
    return entered.status();
  }
  return std::move(walk).InEngineOrder(&loss);
}

}  // namespace greenplan::profiler
