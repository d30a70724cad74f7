#ifndef GREENPLAN_PLANNER_CORE_COST_GRAIN_H_
#define GREENPLAN_PLANNER_CORE_COST_GRAIN_H_

#include <cstdint>
#include <utility>
#include <vector>

namespace greenplan {

// A number that divides most costs, for bounds where no ratio tells entries apart.
//
// Costs of real tensors are products of a few dimensions: but for a handful of odd entries and for small ones that come
// to little even all together, they are multiples of some large number. Once the odd ones are decided, the room that
// can be filled is a multiple of this grain and what small entries add to it.
struct CostGrain {
  int64_t grain = 1;       // Divides the cost of every entry that is neither odd nor small; >= 1.
  int64_t small_cost = 0;  // Entries that cost less are small; together they cost less than the grain.
  std::vector<int> odd;    // Ids, at most 8.
};

// entries: (cost >= 0, id). A grain of 1 if there are more than 24 different costs. O(n log n).
CostGrain FindCostGrain(std::vector<std::pair<int64_t, int>> entries);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_COST_GRAIN_H_
