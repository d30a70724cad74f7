#include "profiler/autograd/testing/chain_model.h"

#include <cstddef>

namespace greenplan::profiler::testing {

int64_t ChainBackwardCost(const ModelProfile& profile, const std::vector<bool>& trainable) {
  const size_t num_tensors = profile.tensors.size();
  std::vector<int64_t> dw(num_tensors, 0), dy(num_tensors, 0);
  std::vector<int> tensor_on(profile.ops.size(), kNone);
  for (size_t k = num_tensors; k-- > 0;) {
    dw[k] = profile.tensors[k].weight_grad_cost;
    if (profile.tensors[k].op != kNone) tensor_on[profile.tensors[k].op] = static_cast<int>(k);
  }
  std::vector<int> uses(profile.ops.size(), 0);
  for (const Op& op : profile.ops) {
    for (const Edge& edge : op.inputs) ++uses[edge.op];
  }
  std::vector<int> charged(tensor_on);  // [num_ops]: the tensor in whose dy the op counts.
  for (size_t i = 0; i < profile.ops.size(); ++i) {
    const Op& op = profile.ops[i];
    int64_t passed_on = op.cost;
    for (const Edge& edge : op.inputs) {
      if (charged[edge.op] == kNone) charged[edge.op] = charged[i];
      const int target = tensor_on[edge.op];
      const bool is_tied = target != kNone && uses[edge.op] > 1 && profile.ops[edge.op].inputs.empty();
      if (is_tied) {
        dw[target] += edge.cost;
      } else {
        passed_on += edge.cost;
      }
    }
    if (charged[i] != kNone) dy[charged[i]] += passed_on;
  }
  size_t deepest = num_tensors;
  for (size_t k = num_tensors; k-- > 0;) {
    if (trainable[k]) deepest = k;
  }
  int64_t cost = 0;
  for (size_t k = deepest; k < num_tensors; ++k) cost += dy[k] + (trainable[k] ? dw[k] : 0);
  return cost;
}

}  // namespace greenplan::profiler::testing
