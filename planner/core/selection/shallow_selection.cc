#include "planner/core/selection/shallow_selection.h"

#include <cstddef>
#include <numeric>
#include <utility>

namespace greenplan {
namespace {

// [num_ops] An op's own cost and that of the edges into it.
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
  for (size_t k = 0; k < values.size(); ++k) {
    if (is_worthy(k)) ++begin[profile.tensors[k].op + 1];
  }
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<int> tensors(begin.back());
  for (size_t k = 0; k < values.size(); ++k) {
    if (is_worthy(k)) tensors[begin[profile.tensors[k].op]++] = static_cast<int>(k);
  }
  return tensors;
}

}  // namespace

ShallowSelection::ShallowSelection(const ModelProfile& profile, std::vector<bool> live,
                                   const std::vector<int64_t>& values)
    : profile_(profile),
      values_(values),
      live_(std::move(live)),
      costs_(CostsInOrder(profile)),
      tensors_(WorthyByOp(profile, values)) {}

LiveSetResult ShallowSelection::Select(int64_t budget, int64_t max_saved_bytes) const {
  LiveSetResult result = NothingFound(values_);
  int reach = 0;  // The ops before it are live, or add to what must be paid for the next that is not.
  int64_t unpaid_cost = 0, unpaid_bytes = 0;
  for (const int k : tensors_) {
    const Tensor& tensor = profile_.tensors[k];
    for (; reach <= tensor.op; ++reach) {
      if (live_[reach]) continue;
      unpaid_cost += costs_[reach];
      unpaid_bytes += profile_.ops[reach].saved_bytes;
    }
    const bool is_paid = live_[tensor.op];
    const int64_t cost = tensor.weight_grad_cost + (is_paid ? 0 : unpaid_cost);
    const int64_t bytes = tensor.saved_bytes + (is_paid ? 0 : unpaid_bytes);
    if (cost > budget || bytes > max_saved_bytes) continue;
    budget -= cost;
    max_saved_bytes -= bytes;
    if (!is_paid) unpaid_cost = unpaid_bytes = 0;
    result.value += values_[k];
    result.trainable[k] = true;
  }
  return result;
}

}  // namespace greenplan
