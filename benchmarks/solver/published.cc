#include "benchmarks/solver/published.h"

#include <algorithm>

namespace greenplan {

std::vector<bool> GreenTrainerSelection(const std::vector<int64_t>& activation_costs,
                                        const std::vector<int64_t>& weight_costs, const std::vector<double>& importance,
                                        double backward_fraction, int resolution) {
  const int n = static_cast<int>(importance.size());
  double full = 0;
  for (int k = 0; k < n; ++k) full += static_cast<double>(activation_costs[k]) + static_cast<double>(weight_costs[k]);
  const auto steps = [&](int64_t cost) {
    return static_cast<int>(static_cast<double>(cost) * resolution / std::max(full, 1.0));
  };
  const int capacity = static_cast<int>(backward_fraction * resolution);
  // best[k][t] is the best value of the first k tensors within t steps. If selected[k][t], that value selects tensor k,
  // and from[k][t] is the number of tensors up to the one selected before it.
  std::vector<std::vector<double>> best(n + 1, std::vector<double>(capacity + 1, 0));
  std::vector<std::vector<bool>> selected(n + 1, std::vector<bool>(capacity + 1, false));
  std::vector<std::vector<int>> from(n + 1, std::vector<int>(capacity + 1, 0));
  for (int k = 1; k <= n; ++k) {
    best[k] = best[k - 1];
    int reach = steps(weight_costs[k - 1]);
    for (int before = k - 1; before >= 0; --before) {
      reach += steps(activation_costs[before]);
      if (reach > capacity) break;
      for (int t = reach; t <= capacity; ++t) {
        if (before > 0 && !selected[before][t - reach]) continue;
        const double value = best[before][t - reach] + importance[k - 1];
        if (value <= best[k][t]) continue;
        best[k][t] = value;
        selected[k][t] = true;
        from[k][t] = before;
      }
    }
  }
  std::vector<bool> mask(n, false);
  int k = n, t = capacity;
  while (k > 0) {
    if (!selected[k][t]) {
      --k;
      continue;
    }
    mask[k - 1] = true;
    const int before = from[k][t];
    t -= steps(weight_costs[k - 1]);
    for (int j = before; j < k; ++j) t -= steps(activation_costs[j]);
    k = before;
  }
  return mask;
}

std::vector<double> DropBpRates(const std::vector<int64_t>& block_costs, const std::vector<double>& sensitivity,
                                double mean_drop_rate) {
  std::vector<double> rates(block_costs.size(), 0.0);
  double total = 0;
  for (int64_t cost : block_costs) total += static_cast<double>(cost);
  double skipped = 0;
  while (skipped < mean_drop_rate * total) {
    int choice = -1;
    for (int b = 0; b < static_cast<int>(rates.size()); ++b) {
      if (rates[b] > 0.85) continue;
      if (choice < 0 || sensitivity[b] * (rates[b] + 0.1) < sensitivity[choice] * (rates[choice] + 0.1)) choice = b;
    }
    if (choice < 0) break;
    rates[choice] += 0.1;
    skipped += 0.1 * static_cast<double>(block_costs[choice]);
  }
  return rates;
}

}  // namespace greenplan
