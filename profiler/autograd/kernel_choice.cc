#include "profiler/autograd/kernel_choice.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "ATen/Context.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "profiler/autograd/graph_walk.h"
#include "torch/csrc/autograd/functions/accumulate_grad.h"
#include "torch/csrc/autograd/generated/Functions.h"

namespace greenplan::profiler {
namespace {

using torch::autograd::AccumulateGrad;
using torch::autograd::Node;

constexpr absl::string_view kMask =
    "scaled_dot_product_attention is given a mask that requires grad: LibTorch runs separate products for it, and a "
    "fused kernel of another price once nothing that the mask is made of is trained. Write the attention as separate "
    "products, or call at::globalContext().setSDPUseFlash(false) on a CPU";
constexpr absl::string_view kVector =
    "matmul multiplies a batch of transposed matrices by a vector that requires grad: LibTorch runs another product "
    "once the vector is frozen. Multiply by vector.unsqueeze(-1), or make the batch contiguous()";
constexpr absl::string_view kImages =
    "group_norm is given images in channels-last order: LibTorch's CPU kernel crashes once they do not require grad, "
    "which happens when everything before it is frozen. Make them contiguous()";

// A node whose gradient decides which operator runs, and what is wrong if it may be frozen.
struct Choice {
  int node = 0;
  absl::string_view problem;
};

std::optional<int> TargetOf(const GraphNode& node, int input) {
  for (const GraphNode::Target& target : node.targets) {
    if (target.input == input) return target.node;
  }
  return std::nullopt;
}

// Returns `first` and all nodes that it passes gradients to, in the order of the graph.
std::vector<int> Behind(const AutogradGraph& graph, int first) {
  std::vector<bool> seen(graph.nodes.size(), false);
  std::vector<int> behind;
  seen[first] = true;
  for (int i = first; i < static_cast<int>(graph.nodes.size()); ++i) {
    if (!seen[i]) continue;
    behind.push_back(i);
    for (const GraphNode::Target& target : graph.nodes[i].targets) seen[target.node] = true;
  }
  return behind;
}

// Fused kernels for the CPU drop nothing out, so that attention with dropout stays as it is.
bool MayBeFused(const AutogradGraph& graph, int mask, bool has_dropout) {
  for (const int i : Behind(graph, mask)) {
    const auto* leaf = dynamic_cast<const AccumulateGrad*>(graph.nodes[i].node);
    if (leaf != nullptr && !leaf->variable.is_cpu()) return true;
  }
  return !has_dropout && at::globalContext().userEnabledFlashSDP();
}

// Finds the masks of attention that took separate products: they are added before a softmax that only
// scaled_dot_product_attention uses.
void FindMasks(const AutogradGraph& graph, std::vector<Choice>& choices) {
  absl::flat_hash_set<int> dropped_out;
  for (const GraphNode& node : graph.nodes) {
    if (node.node->name() != "MulBackward0") continue;
    for (const GraphNode::Target& target : node.targets) dropped_out.insert(target.node);
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].node->name() != "SafeSoftmaxBackward0") continue;
    const std::optional<int> addition = TargetOf(graph.nodes[i], 0);
    if (!addition.has_value() || graph.nodes[*addition].node->name() != "AddBackward0") continue;
    const std::optional<int> mask = TargetOf(graph.nodes[*addition], 1);
    if (mask.has_value() && MayBeFused(graph, *mask, dropped_out.contains(static_cast<int>(i)))) {
      choices.push_back({*mask, kMask});
    }
  }
}

// Whether the gradient of `input` goes to what reshape() makes of a tensor that it must copy.
bool IsCopied(const Node& node, size_t input) {
  const Node* view = node.next_edge(input).function.get();
  if (view == nullptr || view->name() != "UnsafeViewBackward0") return false;
  const Node* copy = view->next_edge(0).function.get();
  return copy != nullptr && copy->name() == "CloneBackward0";
}

void FindVectors(const AutogradGraph& graph, std::vector<Choice>& choices) {
  for (const GraphNode& node : graph.nodes) {
    if (node.node->name() != "MvBackward0") continue;
    const std::optional<int> vector = TargetOf(node, 1);
    if (vector.has_value() && IsCopied(*node.node, 0)) choices.push_back({*vector, kVector});
  }
}

bool IsChannelsLast(const at::Tensor& image) {
  if (image.is_contiguous()) return false;
  return (image.dim() == 4 && image.is_contiguous(at::MemoryFormat::ChannelsLast)) ||
         (image.dim() == 5 && image.is_contiguous(at::MemoryFormat::ChannelsLast3d));
}

void FindImages(const AutogradGraph& graph, std::vector<Choice>& choices) {
  for (const GraphNode& node : graph.nodes) {
    const auto* norm = dynamic_cast<const torch::autograd::generated::NativeGroupNormBackward0*>(node.node);
    if (norm == nullptr) continue;
    const std::optional<int> images = TargetOf(node, 0);
    if (!images.has_value() || node.targets.size() == 1) continue;  // Scale and shift are frozen, or there are none.
    const std::optional<at::Tensor> saved = norm->input_.get_raw_data();
    if (saved.has_value() && saved->defined() && saved->is_cpu() && IsChannelsLast(*saved)) {
      choices.push_back({*images, kImages});
    }
  }
}

// Returns the names of the parameters behind a node, the one that backward reaches first in front.
std::vector<absl::string_view> NamesBehind(const AutogradGraph& graph, int node, const NamedParameters& parameters) {
  absl::flat_hash_map<const c10::TensorImpl*, absl::string_view> name_of;
  for (const auto& [name, parameter] : parameters) name_of.emplace(parameter.unsafeGetTensorImpl(), name);
  std::vector<absl::string_view> names;
  for (const int i : Behind(graph, node)) {
    const auto* leaf = dynamic_cast<const AccumulateGrad*>(graph.nodes[i].node);
    const auto name = leaf == nullptr ? name_of.end() : name_of.find(leaf->variable.unsafeGetTensorImpl());
    if (name != name_of.end()) names.push_back(name->second);
  }
  return names;
}

}  // namespace

absl::Status RefuseChoicesOfKernel(const at::Tensor& loss, const NamedParameters& parameters,
                                   const std::vector<std::string>& always) {
  const absl::StatusOr<AutogradGraph> graph = WalkGraph(*loss.grad_fn());
  if (!graph.ok()) return graph.status();
  std::vector<Choice> choices;
  FindMasks(*graph, choices);
  FindVectors(*graph, choices);
  FindImages(*graph, choices);

  const absl::flat_hash_set<absl::string_view> settled(always.begin(), always.end());
  for (const Choice& choice : choices) {
    const std::vector<absl::string_view> names = NamesBehind(*graph, choice.node, parameters);
    if (std::any_of(names.begin(), names.end(), [&](absl::string_view name) { return settled.contains(name); }))
      continue;
    const size_t shown = std::min<size_t>(names.size(), 3);
    return absl::UnimplementedError(
        absl::StrCat(choice.problem, "; or let one of the tensors behind it train in every step: ",
                     absl::StrJoin(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     shown < names.size() ? ", ..." : ""));
  }
  return absl::OkStatus();
}

}  // namespace greenplan::profiler
