#include "planner/core/selection.h"

#include <algorithm>
#include <numeric>

namespace greenplan {

SelectionSolver::SelectionSolver(const ModelProfile& profile) : profile_(profile) {
  op_cost_.resize(profile.ops.size());
  parents_.resize(profile.ops.size());
  for (size_t j = 0; j < profile.ops.size(); ++j) {
    op_cost_[j] += profile.ops[j].cost;
    for (const Edge& edge : profile.ops[j].inputs) {
      op_cost_[edge.op] += edge.cost;
      parents_[edge.op].push_back(static_cast<int>(j));
    }
  }
}

SelectionResult SelectionSolver::Solve(const SelectionProblem& problem) const {
  const std::vector<double>& importance = *problem.importance;
  std::vector<int> order;
  std::vector<bool> pinned(importance.size(), false);
  double pinned_value = 0;
  for (int k = 0; k < static_cast<int>(importance.size()); ++k) {
    if (problem.pins[k] == Pin::kAlways) {
      pinned[k] = true;
      pinned_value += importance[k];
    } else if (problem.pins[k] == Pin::kFree && importance[k] > 0) {
      order.push_back(k);
    }
  }
  const auto cost = [&](int k) { return profile_.tensors[k].weight_grad_cost; };
  std::sort(order.begin(), order.end(), [&](int a, int b) {
    const double left = importance[a] * static_cast<double>(cost(b));
    const double right = importance[b] * static_cast<double>(cost(a));
    return left != right ? left > right : a < b;
  });

  // Adds the tensors of `order` that fit to `mask`, keeping to ops within `reach` (all if null).
  const auto fill = [&](std::vector<bool> mask, const std::vector<bool>* reach) {
    std::vector<bool> live(profile_.ops.size(), false);
    int64_t room = problem.backward_budget;
    int64_t bytes = problem.max_saved_bytes.value_or(INT64_MAX);
    const auto add = [&](int k, bool must) {
      std::vector<int> stack{profile_.tensors[k].op};
      std::vector<int> fresh;
      int64_t need = cost(k);
      int64_t need_bytes = profile_.tensors[k].saved_bytes;
      while (!stack.empty()) {
        const int j = stack.back();
        stack.pop_back();
        if (live[j]) continue;
        live[j] = true;
        fresh.push_back(j);
        need += op_cost_[j];
        need_bytes += profile_.ops[j].saved_bytes;
        stack.insert(stack.end(), parents_[j].begin(), parents_[j].end());
      }
      if (must || (need <= room && need_bytes <= bytes)) {
        room -= need;
        bytes -= need_bytes;
        mask[k] = true;
      } else {
        for (int j : fresh) live[j] = false;
      }
    };
    for (size_t k = 0; k < mask.size(); ++k) {
      if (mask[k]) add(static_cast<int>(k), true);
    }
    for (int k : order) {
      if (reach == nullptr || (*reach)[profile_.tensors[k].op]) add(k, false);
    }
    return mask;
  };
  const auto value = [&](const std::vector<bool>& mask) {
    double sum = 0;
    for (size_t k = 0; k < mask.size(); ++k) sum += mask[k] ? importance[k] : 0;
    return sum;
  };

  SelectionResult result;
  result.trainable = fill(pinned, nullptr);
  double best = value(result.trainable);
  for (int deepest = 0; deepest < static_cast<int>(profile_.ops.size()); ++deepest) {
    if (problem.should_stop && problem.should_stop()) break;
    std::vector<bool> reach(profile_.ops.size(), false);
    reach[deepest] = true;
    for (int j = deepest; j >= 0; --j) {
      if (reach[j]) {
        for (int parent : parents_[j]) reach[parent] = true;
      }
    }
    std::vector<bool> mask = fill(pinned, &reach);
    const double sum = value(mask);
    if (sum > best) {
      best = sum;
      result.trainable = std::move(mask);
    }
  }

  // The knapsack's linear relaxation with free ops.
  double bound = pinned_value;
  auto room = static_cast<double>(problem.backward_budget);
  double magnitude = std::abs(pinned_value);
  for (int k : order) {
    const double share = cost(k) == 0 ? 1.0 : std::clamp(room / static_cast<double>(cost(k)), 0.0, 1.0);
    bound += share * importance[k];
    magnitude += importance[k];
    room -= static_cast<double>(cost(k)) * share;
  }
  bound += 1e-9 * magnitude;
  result.upper_bound = std::max(bound, best);
  result.proved = std::all_of(order.begin(), order.end(), [&](int k) { return result.trainable[k]; });
  if (result.proved) result.upper_bound = best;
  return result;
}

}  // namespace greenplan
