#include "planner/core/shallow_selection.h"

#include <algorithm>
#include <numeric>

namespace greenplan {
namespace {

// [num_ops] What making an op live costs once all before it are: its own cost and that of the edges into it.
std::vector<int64_t> CostsInOrder(const ModelProfile& profile) {
  std::vector<int64_t> costs(profile.ops.size());
  for (size_t op = 0; op < costs.size(); ++op) {
    costs[op] += profile.ops[op].cost;
    for (const Edge& edge : profile.ops[op].inputs) costs[edge.op] += edge.cost;
  }
  return costs;
}

// The tensors worth selecting, by op.
std::vector<int> WorthyByOp(const ModelProfile& profile, const std::vector<int64_t>& values) {
  std::vector<int> begin(profile.ops.size() + 1, 0);
  const auto is_worthy = [&](size_t k) { return profile.tensors[k].op != kNone && values[k] > 0; };
  for (size_t k = 0; k < values.size(); ++k) begin[is_worthy(k) ? profile.tensors[k].op + 1 : 0] += 1;
  begin[0] = 0;
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<int> tensors(begin.back());
  for (size_t k = 0; k < values.size(); ++k) {
    if (is_worthy(k)) tensors[begin[profile.tensors[k].op]++] = static_cast<int>(k);
  }
  return tensors;
}

}  // namespace

LiveSetResult SelectShallow(const ModelProfile& profile, const std::vector<bool>& live,
                            const std::vector<int64_t>& values, int64_t budget) {
  LiveSetResult result;
  result.trainable.assign(values.size(), false);
  for (int64_t value : values) result.upper_bound += std::max<int64_t>(0, value);
  const std::vector<int64_t> costs = CostsInOrder(profile);
  int reach = 0;  // All ops before it are live.
  int64_t to_reach = 0;
  for (int tensor : WorthyByOp(profile, values)) {
    const int op = profile.tensors[tensor].op;
    for (; reach <= op; ++reach) to_reach += live[reach] ? 0 : costs[reach];
    const int64_t cost = to_reach + profile.tensors[tensor].weight_grad_cost;
    if (to_reach > budget) break;
    if (cost > budget) continue;
    budget -= cost;
    to_reach = 0;
    result.trainable[tensor] = true;
    result.value += values[tensor];
  }
  return result;
}

}  // namespace greenplan
