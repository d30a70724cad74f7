#include "profiler/autograd/graph_reading.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "profiler/autograd/contraction.h"
#include "profiler/autograd/kernel_choice.h"
#include "profiler/autograd/residual_blocks.h"
#include "profiler/autograd/saved_tensors.h"
#include "torch/csrc/autograd/function.h"
#include "torch/csrc/autograd/functions/accumulate_grad.h"

namespace greenplan::profiler {
namespace {

using torch::autograd::AccumulateGrad;

constexpr char kLeafName[] = "torch::autograd::AccumulateGrad";
constexpr int64_t kMaxTotalCost = int64_t{1} << 62;

// The profile under construction, and maps from the graph's tensors and storages to its entries.
struct Reading {
  ModelProfile profile;
  absl::flat_hash_map<const c10::TensorImpl*, int> tensor_of;
  absl::flat_hash_map<const c10::StorageImpl*, KeptStorage> storages;
};

absl::Status AddTensors(const NamedParameters& parameters, Reading& reading) {
  absl::flat_hash_set<std::string> names;
  for (const auto& [name, parameter] : parameters) {
    if (!names.insert(name).second) {
      return absl::InvalidArgumentError(absl::StrCat("parameter ", name, " is listed twice; names must be unique"));
    }
    if (!parameter.defined()) return absl::InvalidArgumentError(absl::StrCat("parameter ", name, " is not defined"));
    if (!parameter.is_leaf()) {
      return absl::InvalidArgumentError(
          absl::StrCat("parameter ", name, " is the result of an operator; parameters must be leaf tensors"));
    }
    const int index = static_cast<int>(reading.profile.tensors.size());
    if (!reading.tensor_of.try_emplace(parameter.unsafeGetTensorImpl(), index).second) continue;  // It is tied.
    reading.profile.tensors.push_back({.name = name, .shape = parameter.sizes().vec()});
  }
  return absl::OkStatus();
}

// Adds `cost` to `total`. Returns false if the total exceeds what a profile may cost.
bool AddToTotal(int64_t cost, int64_t& total) {
  return !__builtin_add_overflow(total, cost, &total) && total <= kMaxTotalCost;
}

// Hangs a leaf's tensor on the leaf's op. HangTensors() moves it later.
absl::Status HangTensor(const at::Tensor& variable, int op, Reading& reading) {
  const auto tensor = reading.tensor_of.find(variable.unsafeGetTensorImpl());
  if (tensor == reading.tensor_of.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the loss depends on a tensor of shape [", absl::StrJoin(variable.sizes(), ", "),
                     "] that requires grad and is not among the parameters; list it as a parameter, or set its "
                     "requires_grad to false"));
  }
  reading.profile.tensors[tensor->second].op = op;
  return absl::OkStatus();
}

// Adds what the node saved. A tensor that is saved for one gradient is kept by the op behind that input, because it is
// needed if and only if that op is live.
void KeepStorages(const GraphNode& node, int op, Reading& reading) {
  if (node.recomputed) return;
  for (const SavedTensor& saved : SavedTensorsOf(*node.node)) {
    const auto target = std::find_if(node.targets.begin(), node.targets.end(),
                                     [&](const GraphNode::Target& t) { return t.input == saved.input; });
    if (saved.input != kAnyInput && target == node.targets.end()) continue;
    KeptStorage& storage = reading.storages[saved.storage];
    storage.bytes = saved.bytes;
    storage.keepers.push_back(saved.input == kAnyInput ? op : target->node);
  }
}

// Returns the storages that only backward keeps alive, in the order of their keepers.
std::vector<KeptStorage> TransientStorages(const NamedParameters& parameters, const std::vector<at::Tensor>& resident,
                                           Reading& reading) {
  const auto forget = [&](const at::Tensor& tensor) {
    if (tensor.defined() && tensor.has_storage()) reading.storages.erase(tensor.storage().unsafeGetStorageImpl());
  };
  for (const auto& [name, parameter] : parameters) forget(parameter);
  for (const at::Tensor& tensor : resident) forget(tensor);
  std::vector<KeptStorage> storages;
  for (auto& [impl, storage] : reading.storages) storages.push_back(std::move(storage));
  std::sort(storages.begin(), storages.end(),
            [](const KeptStorage& a, const KeptStorage& b) { return a.keepers < b.keepers; });
  return storages;
}

// Adds one op per node, leaves included.
absl::Status AddOps(const AutogradGraph& graph, Reading& reading) {
  ModelProfile& profile = reading.profile;
  profile.ops.resize(graph.nodes.size());
  int64_t total = 0;
  bool fits = true;
  for (size_t i = 0; i < graph.nodes.size() && fits; ++i) {
    const GraphNode& node = graph.nodes[i];
    Op& op = profile.ops[i];
    op.name = node.node->name();
    if (const auto* leaf = dynamic_cast<const AccumulateGrad*>(node.node)) {
      if (absl::Status status = HangTensor(leaf->variable, static_cast<int>(i), reading); !status.ok()) return status;
      continue;
    }
    KeepStorages(node, static_cast<int>(i), reading);
    op.cost = node.cost.op;
    fits = AddToTotal(node.cost.forward, total) && AddToTotal(node.cost.op, total);
    if (fits) profile.forward_cost += node.cost.forward;
    for (const GraphNode::Target& target : node.targets) {
      const std::vector<int64_t>& costs = node.cost.per_input;
      const int64_t cost = static_cast<size_t>(target.input) < costs.size() ? costs[target.input] : 0;
      fits = fits && AddToTotal(cost, total);
      op.inputs.push_back({.op = target.node, .cost = cost});
    }
  }
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "forward and full backward together cost more than 2^62 FLOPs, the most that a profile may hold");
}

// Returns the indices of the tensors that the option `field` names.
absl::StatusOr<std::vector<int>> Find(absl::string_view field, const std::vector<std::string>& names,
                                      const ModelProfile& profile) {
  if (names.empty()) return std::vector<int>();
  absl::flat_hash_map<absl::string_view, int> index_of;
  for (const Tensor& tensor : profile.tensors) index_of.emplace(tensor.name, static_cast<int>(index_of.size()));
  std::vector<int> indices;
  for (const std::string& name : names) {
    const auto tensor = index_of.find(name);
    if (tensor == index_of.end()) {
      return absl::InvalidArgumentError(absl::StrCat("options.", field, " names ", name, ", which is not a parameter"));
    }
    indices.push_back(tensor->second);
  }
  return indices;
}

absl::Status Freeze(const std::vector<std::string>& names, ModelProfile& profile) {
  const absl::StatusOr<std::vector<int>> frozen = Find("frozen", names, profile);
  if (!frozen.ok()) return frozen.status();
  for (const int tensor : *frozen) profile.tensors[tensor].op = kNone;
  return absl::OkStatus();
}

absl::Status CheckChoicesOfKernel(const AutogradGraph& graph, const ProfileOptions& options,
                                  const ModelProfile& profile) {
  if (absl::Status status = Find("always", options.always, profile).status(); !status.ok()) return status;
  return RefuseChoicesOfKernel(graph, profile, options.always, options.dropped);
}

absl::Status SetBlocks(const std::vector<MarkedBlock>& blocks, const AutogradGraph& graph, ModelProfile& profile) {
  if (blocks.empty()) {
    FindResidualBlocks("AddBackward0", profile);
    return absl::OkStatus();
  }
  std::vector<BlockMark> marks;
  absl::flat_hash_set<std::string> names;
  for (const MarkedBlock& block : blocks) {
    if (block.name.empty() || !names.insert(block.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("options.blocks: the name \"", block.name,
                       "\" is empty or is given twice; every block needs a name of its own"));
    }
    const auto op = block.output.defined() ? graph.index_of.find(block.output.grad_fn().get()) : graph.index_of.end();
    if (op == graph.index_of.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("options.blocks: the output of block ", block.name, " does not lead to the loss"));
    }
    marks.push_back({.name = block.name, .output_op = op->second});
  }
  MarkBlocks(marks, profile);
  return absl::OkStatus();
}

// Renames each op after its forward operator and its first tensor: "MmBackward0" becomes "Mm fc.weight".
void LabelOps(ModelProfile& profile) {
  for (Op& op : profile.ops) {
    op.name = op.name == kLeafName ? "Parameter" : op.name.substr(0, op.name.rfind("Backward"));
  }
  std::vector<bool> has_tensor(profile.ops.size(), false);
  for (const Tensor& tensor : profile.tensors) {
    if (tensor.op == kNone || has_tensor[tensor.op]) continue;
    has_tensor[tensor.op] = true;
    absl::StrAppend(&profile.ops[tensor.op].name, " ", tensor.name);
  }
}

}  // namespace

absl::StatusOr<GraphReading> ReadGraph(const at::Tensor& loss, const NamedParameters& parameters,
                                       const ProfileOptions& options) {
  if (!loss.defined()) return absl::InvalidArgumentError("loss is not defined");
  if (!loss.requires_grad()) {
    return absl::InvalidArgumentError(
        "loss does not require grad; the parameters must require grad when the forward pass runs");
  }
  if (loss.is_leaf()) return absl::InvalidArgumentError("loss is a leaf tensor; it must be the result of an operator");

  Reading reading;
  if (absl::Status status = AddTensors(parameters, reading); !status.ok()) return status;
  absl::StatusOr<AutogradGraph> graph = WalkGraph(*loss.grad_fn());
  if (!graph.ok()) return graph.status();
  if (absl::Status status = AddOps(*graph, reading); !status.ok()) return status;
  ModelProfile& profile = reading.profile;
  if (absl::Status status = SetBlocks(options.blocks, *graph, profile); !status.ok()) return status;
  if (absl::Status status = Freeze(options.frozen, profile); !status.ok()) return status;
  if (std::none_of(profile.tensors.begin(), profile.tensors.end(),
                   [](const Tensor& tensor) { return tensor.op != kNone; })) {
    return absl::InvalidArgumentError(
        "the loss depends on none of the parameters that may be trained; at least one must be reachable and not "
        "frozen");
  }
  if (absl::Status status = CheckChoicesOfKernel(*graph, options, profile); !status.ok()) return status;
  std::vector<KeptStorage> storages = TransientStorages(parameters, options.resident, reading);
  return GraphReading{
      .graph = *std::move(graph), .profile = std::move(reading.profile), .storages = std::move(storages)};
}

ModelProfile FinishProfile(GraphReading reading) {
  ModelProfile& profile = reading.profile;
  BookSavedBytes(std::move(reading.storages), profile);
  PruneUnreachingOps(profile);
  HangTensors(profile);
  ContractOps(profile);
  LabelOps(profile);
  return std::move(profile);
}

}  // namespace greenplan::profiler
