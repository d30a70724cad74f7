#ifndef GREENPLAN_PLANNER_CORE_KNAPSACK_COST_GRAIN_H_
#define GREENPLAN_PLANNER_CORE_KNAPSACK_COST_GRAIN_H_

#include <cstdint>
#include <utility>
#include <vector>

namespace greenplan {

// Numbers that divide most costs, for bounds where no ratio tells entries apart.
//
// Costs of real tensors are products of a few dimensions: but for a handful of odd entries and for small ones that come
// to little even all together, they are multiples of some large number. Once the odd ones are decided, the room that
// can be filled is a multiple of this grain and what small entries add to it; those may have a grain of their own.
struct CostGrains {
  // A number that divides the costs of all entries but small and odd ones.
  struct Level {
    int64_t grain = 1;       // Divides the cost of every entry of the level; > 1.
    int64_t small_cost = 0;  // Entries that cost less are small; together they cost less than the grain.
    std::vector<int> small;  // Their ids: the entries of the next levels, and what no level holds.
  };
  std::vector<Level> levels;         // By falling grain.
  std::vector<int> odd;              // Ids of entries left out of all levels, at most 8.
  std::vector<int> by_falling_cost;  // Ids of all others, but for those of cost 0.
};

// Returns the grains of `entries`, pairs of a cost >= 0 and an id. If there are more than 24 different costs, the
// result has no levels and no order. O(n), and the common divisors of up to 24 costs.
CostGrains FindCostGrains(const std::vector<std::pair<int64_t, int>>& entries);

// What the small entries of a level cost together: those now taken, which can be freed, and those that can be added.
struct SmallCosts {
  int64_t taken = 0;
  int64_t not_taken = 0;
};

// Returns the most of `rest` that can be filled by adding entries and freeing others, odd ones left as they are: no sum
// that they can come to lies above the result and at or below `rest`, which may be negative. small: [levels].
int64_t MostFillable(const std::vector<CostGrains::Level>& levels, const std::vector<SmallCosts>& small, int64_t rest);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_KNAPSACK_COST_GRAIN_H_
