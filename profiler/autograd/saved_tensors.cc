#include "profiler/autograd/saved_tensors.h"

#include <exception>
#include <optional>
#include <typeinfo>

#include "profiler/autograd/checkpoint_node.h"
#include "torch/csrc/autograd/generated/Functions.h"
#include "torch/csrc/dynamo/compiled_autograd.h"

namespace greenplan::profiler {
namespace {

using torch::autograd::Node;
using torch::autograd::SavedVariable;

void Add(const at::Tensor& tensor, int input, std::vector<SavedTensor>& saved) {
  if (!tensor.defined() || !tensor.has_storage()) return;
  const c10::StorageImpl* storage = tensor.storage().unsafeGetStorageImpl();
  saved.push_back({.storage = storage, .bytes = static_cast<int64_t>(storage->nbytes()), .input = input});
}

void Add(const SavedVariable& variable, int input, std::vector<SavedTensor>& saved) {
  const std::optional<at::Tensor> tensor = variable.get_raw_data();
  if (tensor.has_value()) Add(*tensor, input, saved);
}

// Adds what a product's node keeps, if `node` is of the type FactorNode, and returns whether it is. Such a node keeps a
// factor only if the gradient of the other factor is needed. The right factor is input left_input + 1.
template <typename FactorNode>
bool AddFactors(const Node& node, SavedVariable FactorNode::*left, SavedVariable FactorNode::*right, int left_input,
                std::vector<SavedTensor>& saved) {
  if (typeid(node) != typeid(FactorNode)) return false;
  const auto& factors = static_cast<const FactorNode&>(node);
  Add(factors.*left, left_input + 1, saved);
  Add(factors.*right, left_input, saved);
  return true;
}

// Handles the nodes that save tensors for the gradient of one input only, according to LibTorch's derivative formulas.
// Returns false if `node` is not one of them. If a kind of node is missing here, its saved bytes are overestimated when
// only the gradients of its other inputs are needed.
bool AddByInput(const Node& node, std::vector<SavedTensor>& saved) {
  using namespace torch::autograd::generated;  // NOLINT(google-build-using-namespace)
  if (AddFactors(node, &MmBackward0::self_, &MmBackward0::mat2_, 0, saved) ||
      AddFactors(node, &MulBackward0::self_, &MulBackward0::other_, 0, saved) ||
      AddFactors(node, &AddmmBackward0::mat1_, &AddmmBackward0::mat2_, 1, saved) ||
      AddFactors(node, &BmmBackward0::self_, &BmmBackward0::mat2_, 0, saved) ||
      AddFactors(node, &BaddbmmBackward0::batch1_, &BaddbmmBackward0::batch2_, 1, saved) ||
      AddFactors(node, &AddbmmBackward0::batch1_, &AddbmmBackward0::batch2_, 1, saved) ||
      AddFactors(node, &MvBackward0::self_, &MvBackward0::vec_, 0, saved) ||
      AddFactors(node, &AddmvBackward0::mat_, &AddmvBackward0::vec_, 1, saved) ||
      AddFactors(node, &AddrBackward0::vec1_, &AddrBackward0::vec2_, 1, saved) ||
      AddFactors(node, &DotBackward0::self_, &DotBackward0::tensor_, 0, saved) ||
      AddFactors(node, &VdotBackward0::self_, &VdotBackward0::other_, 0, saved) ||
      AddFactors(node, &AddcmulBackward0::tensor1_, &AddcmulBackward0::tensor2_, 1, saved)) {
    return true;
  }
  if (const auto* grouped = dynamic_cast<const GroupedMmBackward0*>(&node)) {
    Add(grouped->self_, 1, saved);
    Add(grouped->mat2_, 0, saved);
    Add(grouped->offs_, kAnyInput, saved);
    return true;
  }
  if (const auto* div = dynamic_cast<const DivBackward0*>(&node)) {
    Add(div->self_, 1, saved);
    Add(div->other_, kAnyInput, saved);
    return true;
  }
  if (const auto* add = dynamic_cast<const IndexAddBackward0*>(&node)) {
    Add(add->index_, 1, saved);
    Add(add->source_, 1, saved);
    return true;
  }
  if (const auto* add = dynamic_cast<const ScatterAddBackward0*>(&node)) {
    Add(add->index_, 1, saved);
    return true;
  }
  return false;
}

}  // namespace

std::vector<SavedTensor> SavedTensorsOf(Node& node) {
  std::vector<SavedTensor> saved;
  if (const auto* checkpoint = dynamic_cast<const CheckpointNode*>(&node)) {
    for (const SavedVariable& input : checkpoint->saved_inputs()) Add(input, kAnyInput, saved);
    return saved;
  }
  if (AddByInput(node, saved)) return saved;
  try {
    torch::dynamo::autograd::AutogradCompilerCall call(torch::dynamo::autograd::SizeInput::STATIC);
    torch::dynamo::autograd::NodeCall node_call(0, node.getptr());
    torch::dynamo::autograd::CompiledNodeArgs arguments(call, node_call);
    node.compiled_args(arguments);
    for (const at::Tensor& tensor : call.tensor_args.inputs) Add(tensor, kAnyInput, saved);
  } catch (const std::exception&) {  // The tensors were freed, modified in place since, or packed by hooks.
    saved.clear();
  }
  return saved;
}

}  // namespace greenplan::profiler
