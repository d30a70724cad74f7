#include "planner/core/knapsack/cost_grain.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace greenplan {
namespace {

using Level = CostGrains::Level;

constexpr size_t kMaxOdd = 8;
constexpr size_t kMaxCosts = 24;

// The entries of one cost.
struct CostClass {
  int64_t cost = 0;
  std::vector<int> ids;
};

// Returns the classes by rising cost, without that of cost 0; none if there are too many.
std::vector<CostClass> ClassesOf(const std::vector<std::pair<int64_t, int>>& entries) {
  std::vector<CostClass> classes;
  for (const auto& [cost, id] : entries) {
    if (cost == 0) continue;
    size_t i = 0;
    while (i < classes.size() && classes[i].cost != cost) ++i;
    if (i == kMaxCosts) return {};
    if (i == classes.size()) classes.push_back({.cost = cost, .ids = {}});
    classes[i].ids.push_back(id);
  }
  std::sort(classes.begin(), classes.end(), [](const CostClass& a, const CostClass& b) { return a.cost < b.cost; });
  return classes;
}

// Some of the classes, by index, and the greatest common divisor of their costs.
struct Divided {
  int64_t grain = 0;
  std::vector<size_t> classes;
  size_t num_odd = 0;  // Entries left out.
};

// [divided.classes] The greatest common divisor of all other costs.
std::vector<int64_t> GrainWithoutEach(const std::vector<CostClass>& classes, const Divided& divided) {
  const size_t n = divided.classes.size();
  std::vector<int64_t> without(n, 0);
  int64_t below = 0, above = 0;
  for (size_t i = 0; i < n; ++i) {
    without[i] = below;
    below = std::gcd(below, classes[divided.classes[i]].cost);
  }
  for (size_t i = n; i-- > 0;) {
    without[i] = std::gcd(without[i], above);
    above = std::gcd(above, classes[divided.classes[i]].cost);
  }
  return without;
}

// The classes from `begin` on. Leaves out, one after another, the one whose absence raises the grain most.
Divided DivideFrom(const std::vector<CostClass>& classes, size_t begin, size_t max_odd) {
  Divided divided;
  for (size_t i = begin; i < classes.size(); ++i) {
    divided.classes.push_back(i);
    divided.grain = std::gcd(divided.grain, classes[i].cost);
  }
  while (divided.classes.size() > 1) {
    const std::vector<int64_t> without = GrainWithoutEach(classes, divided);
    const auto count = [&](size_t i) { return classes[divided.classes[i]].ids.size(); };
    size_t best = without.size();
    for (size_t i = 0; i < without.size(); ++i) {
      if (count(i) + divided.num_odd > max_odd) continue;
      if (best == without.size() || without[i] > without[best]) best = i;
    }
    if (best == without.size() || without[best] == divided.grain) break;
    divided.grain = without[best];
    divided.num_odd += count(best);
    divided.classes.erase(divided.classes.begin() + static_cast<std::ptrdiff_t>(best));
  }
  return divided;
}

// Tries to call the cheapest few classes small, for each number of them. Returns the division with the widest gaps
// between multiples of the grain that the small entries cannot fill, and sets `num_small` to the number of small
// classes.
Divided DivideBest(const std::vector<CostClass>& classes, size_t max_odd, size_t& num_small) {
  Divided best{.grain = 1, .classes = {}};
  int64_t best_gap = 0;
  __int128 small_total = 0;
  for (size_t i = 0; i < classes.size() && small_total < classes.back().cost; ++i) {
    Divided from_here = DivideFrom(classes, i, max_odd);
    if (small_total < from_here.grain && from_here.grain - static_cast<int64_t>(small_total) > best_gap) {
      best_gap = from_here.grain - static_cast<int64_t>(small_total);
      best = std::move(from_here);
      num_small = i;
    }
    small_total += static_cast<__int128>(classes[i].cost) * static_cast<int64_t>(classes[i].ids.size());
  }
  return best;
}

void Append(const std::vector<int>& ids, std::vector<int>& to) { to.insert(to.end(), ids.begin(), ids.end()); }

}  // namespace

CostGrains FindCostGrains(const std::vector<std::pair<int64_t, int>>& entries) {
  const std::vector<CostClass> all = ClassesOf(entries);
  std::vector<bool> is_odd(all.size(), false);
  CostGrains grains;
  for (std::vector<CostClass> classes = all; !classes.empty();) {
    size_t num_small = 0;
    const Divided divided = DivideBest(classes, kMaxOdd - grains.odd.size(), num_small);
    if (divided.grain == 1) break;
    grains.levels.push_back({.grain = divided.grain, .small_cost = classes[num_small].cost, .small = {}});
    for (size_t i = num_small; i < classes.size(); ++i) {
      if (std::find(divided.classes.begin(), divided.classes.end(), i) != divided.classes.end()) continue;
      is_odd[i] = true;
      Append(all[i].ids, grains.odd);
    }
    classes.resize(num_small);
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (is_odd[i]) continue;
    for (Level& level : grains.levels) {
      if (all[i].cost < level.small_cost) Append(all[i].ids, level.small);
    }
  }
  for (size_t i = all.size(); i-- > 0;) {
    if (!is_odd[i]) Append(all[i].ids, grains.by_falling_cost);
  }
  return grains;
}

// Level by level: takes the largest multiple of the grain that does not exceed `rest` and what the small entries can
// free. The rest of it is for the small entries, which may have a grain of their own. A smaller multiple would leave
// more to them than they can fill.
int64_t MostFillable(const std::vector<Level>& levels, const std::vector<SmallCosts>& small, int64_t rest) {
  int64_t filled = 0;
  for (size_t i = 0; i < levels.size(); ++i) {
    const int64_t with_freed = rest + small[i].taken;
    const int64_t beyond = with_freed % levels[i].grain;
    const int64_t multiple = with_freed - beyond - (beyond < 0 ? levels[i].grain : 0);
    filled += multiple;
    rest = std::min(rest - multiple, small[i].not_taken);
  }
  return filled + rest;
}

}  // namespace greenplan
