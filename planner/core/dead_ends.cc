#include "planner/core/dead_ends.h"

#include <algorithm>
#include <vector>

#include "planner/core/cost.h"

namespace greenplan {

std::shared_ptr<const ModelProfile> WithoutDeadEnds(std::shared_ptr<const ModelProfile> profile) {
  // What full fine-tuning keeps live is what some tensor can be reached from.
  std::vector<bool> kept = LiveOps(*profile, FullMask(*profile));
  kept[0] = true;
  if (std::find(kept.begin(), kept.end(), false) == kept.end()) return profile;

  auto result = std::make_shared<ModelProfile>();
  result->cost_unit = profile->cost_unit;
  result->forward_cost = profile->forward_cost;
  result->blocks.resize(profile->blocks.size());
  std::vector<int> index(kept.size(), kNone);
  int num_kept = 0;
  for (size_t j = 0; j < kept.size(); ++j) {
    if (kept[j]) index[j] = num_kept++;
  }
  result->ops.reserve(num_kept);
  for (size_t j = 0; j < kept.size(); ++j) {
    if (!kept[j]) continue;
    const Op& op = profile->ops[j];
    result->ops.push_back({.cost = op.cost, .block = op.block, .saved_bytes = op.saved_bytes});
    for (const Edge& edge : op.inputs) {
      if (kept[edge.op]) result->ops.back().inputs.push_back({index[edge.op], edge.cost});
    }
  }
  result->tensors.reserve(profile->tensors.size());
  for (const Tensor& tensor : profile->tensors) {
    result->tensors.push_back({.op = tensor.op == kNone ? kNone : index[tensor.op],
                               .weight_grad_cost = tensor.weight_grad_cost,
                               .saved_bytes = tensor.saved_bytes});
  }
  return result;
}

}  // namespace greenplan
