#include "profiler/autograd/kernel_choice.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "ATen/Context.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace greenplan::profiler {
namespace {

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

// An operator that looks at whether the gradient of `input` is wanted, and what is wrong if it may not be. Both are
// indices of nodes.
struct Choice {
  int chooser = 0;
  int input = 0;
  absl::string_view problem;
};

std::optional<int> TargetOf(const GraphNode& node, int input) {
  for (const GraphNode::Target& target : node.targets) {
    if (target.input == input) return target.node;
  }
  return std::nullopt;
}

// Fused kernels for the CPU drop nothing out, so that attention with dropout stays as it is.
bool MayBeFused(const Node& softmax, bool has_dropout) {
  if (!softmax.input_metadata(0).device().is_cpu()) return true;
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
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    const GraphNode& softmax = graph.nodes[i];
    if (softmax.node->name() != "SafeSoftmaxBackward0") continue;
    const std::optional<int> addition = TargetOf(softmax, 0);
    if (!addition.has_value() || graph.nodes[*addition].node->name() != "AddBackward0") continue;
    const std::optional<int> mask = TargetOf(graph.nodes[*addition], 1);
    if (mask.has_value() && MayBeFused(*softmax.node, dropped_out.contains(i))) choices.push_back({i, *mask, kMask});
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
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    const GraphNode& product = graph.nodes[i];
    if (product.node->name() != "MvBackward0") continue;
    const std::optional<int> vector = TargetOf(product, 1);
    if (vector.has_value() && IsCopied(*product.node, 0)) choices.push_back({i, *vector, kVector});
  }
}

void FindImages(const AutogradGraph& graph, std::vector<Choice>& choices) {
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    const GraphNode& norm = graph.nodes[i];
    if (!norm.normalizes_channels_last) continue;
    const std::optional<int> images = TargetOf(norm, 0);
    const bool has_scale_or_shift = norm.targets.size() > 1;
    if (images.has_value() && has_scale_or_shift) choices.push_back({i, *images, kImages});
  }
}

// The tensors behind a choice that take part in it whichever blocks a step drops, as long as it runs the chooser.
class TensorsBehind {
 public:
  TensorsBehind(const AutogradGraph& graph, const ModelProfile& profile, const std::vector<std::string>& dropped)
      : graph_(graph), profile_(profile) {
    for (const Tensor& tensor : profile.tensors) {
      if (tensor.op != kNone) name_of_.emplace(tensor.op, tensor.name);
    }
    const absl::flat_hash_set<absl::string_view> names(dropped.begin(), dropped.end());
    for (const std::string& block : profile.blocks) is_dropped_.push_back(names.contains(block));
  }

  // Returns their names, the one that backward reaches first in front.
  std::vector<absl::string_view> NamesOf(const Choice& choice) const {
    const int own_block = profile_.ops[choice.chooser].block;
    std::vector<bool> reached(graph_.nodes.size(), false);
    std::vector<absl::string_view> names;
    reached[choice.input] = true;
    for (int i = choice.input; i < static_cast<int>(graph_.nodes.size()); ++i) {
      const int block = profile_.ops[i].block;
      if (!reached[i] || (block != kNone && block != own_block && is_dropped_[block])) continue;
      for (const GraphNode::Target& target : graph_.nodes[i].targets) reached[target.node] = true;
      if (const auto name = name_of_.find(i); name != name_of_.end()) names.push_back(name->second);
    }
    return names;
  }

 private:
  const AutogradGraph& graph_;
  const ModelProfile& profile_;
  absl::flat_hash_map<int, absl::string_view> name_of_;  // From a leaf.
  std::vector<bool> is_dropped_;                         // [num_blocks]
};

absl::Status Refuse(absl::string_view problem, const std::vector<absl::string_view>& names) {
  if (names.empty()) {
    return absl::UnimplementedError(absl::StrCat(problem, "; no tensor behind it can train in every step"));
  }
  const size_t shown = std::min<size_t>(names.size(), 3);
  return absl::UnimplementedError(
      absl::StrCat(problem, "; or let one of the tensors behind it train in every step: ",
                   absl::StrJoin(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                   shown < names.size() ? ", ..." : ""));
}

}  // namespace

absl::Status RefuseChoicesOfKernel(const AutogradGraph& graph, const ModelProfile& profile,
                                   const std::vector<std::string>& always, const std::vector<std::string>& dropped) {
  std::vector<Choice> choices;
  FindMasks(graph, choices);
  FindVectors(graph, choices);
  FindImages(graph, choices);
  if (choices.empty()) return absl::OkStatus();

  const absl::flat_hash_set<absl::string_view> trained(always.begin(), always.end());
  const TensorsBehind behind(graph, profile, dropped);
  for (const Choice& choice : choices) {
    const std::vector<absl::string_view> names = behind.NamesOf(choice);
    if (std::none_of(names.begin(), names.end(), [&](absl::string_view name) { return trained.contains(name); })) {
      return Refuse(choice.problem, names);
    }
  }
  return absl::OkStatus();
}

}  // namespace greenplan::profiler
