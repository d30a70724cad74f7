#include "planner/core/cost_grain.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace greenplan {
namespace {

constexpr size_t kMaxOdd = 8;
constexpr size_t kMaxCosts = 24;

// The entries of one cost.
struct CostClass {
  int64_t cost = 0;
  std::vector<int> ids;
};

// By rising cost, without those of cost 0. Empty if there are too many.
std::vector<CostClass> ClassesOf(std::vector<std::pair<int64_t, int>> entries) {
  std::sort(entries.begin(), entries.end());
  std::vector<CostClass> classes;
  for (const auto& [cost, id] : entries) {
    if (cost == 0) continue;
    if (classes.empty() || classes.back().cost != cost) classes.push_back({.cost = cost, .ids = {}});
    classes.back().ids.push_back(id);
    if (classes.size() > kMaxCosts) return {};
  }
  return classes;
}

// [classes] The greatest common divisor of all other costs.
std::vector<int64_t> GrainWithoutEach(const std::vector<CostClass>& classes) {
  std::vector<int64_t> without(classes.size(), 0);
  int64_t below = 0, above = 0;
  for (size_t i = 0; i < classes.size(); ++i) {
    without[i] = below;
    below = std::gcd(below, classes[i].cost);
  }
  for (size_t i = classes.size(); i-- > 0;) {
    without[i] = std::gcd(without[i], above);
    above = std::gcd(above, classes[i].cost);
  }
  return without;
}

// The grain of `classes`, none of them small. Takes as odd, one class after another, the one whose absence raises the
// grain most.
CostGrain GrainOf(std::vector<CostClass> classes) {
  CostGrain result{.grain = 0, .small_cost = classes.front().cost, .odd = {}};
  for (const CostClass& one : classes) result.grain = std::gcd(result.grain, one.cost);
  while (classes.size() > 1) {
    const std::vector<int64_t> without = GrainWithoutEach(classes);
    size_t best = classes.size();
    for (size_t i = 0; i < classes.size(); ++i) {
      if (classes[i].ids.size() + result.odd.size() > kMaxOdd) continue;
      if (best == classes.size() || without[i] > without[best]) best = i;
    }
    if (best == classes.size() || without[best] == result.grain) break;
    result.grain = without[best];
    result.odd.insert(result.odd.end(), classes[best].ids.begin(), classes[best].ids.end());
    classes.erase(classes.begin() + static_cast<std::ptrdiff_t>(best));
  }
  return result;
}

}  // namespace

CostGrain FindCostGrain(std::vector<std::pair<int64_t, int>> entries) {
  const std::vector<CostClass> classes = ClassesOf(std::move(entries));
  CostGrain best;
  int64_t best_gap = 0;  // What cannot be filled between two multiples of the grain.
  __int128 small_total = 0;
  for (size_t i = 0; i < classes.size(); ++i) {
    CostGrain from_here = GrainOf({classes.begin() + static_cast<std::ptrdiff_t>(i), classes.end()});
    if (small_total < from_here.grain && from_here.grain - static_cast<int64_t>(small_total) > best_gap) {
      best_gap = from_here.grain - static_cast<int64_t>(small_total);
      best = std::move(from_here);
    }
    small_total += static_cast<__int128>(classes[i].cost) * static_cast<int64_t>(classes[i].ids.size());
  }
  return best;
}

}  // namespace greenplan
