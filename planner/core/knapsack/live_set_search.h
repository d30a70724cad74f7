#ifndef GREENPLAN_PLANNER_CORE_KNAPSACK_LIVE_SET_SEARCH_H_
#define GREENPLAN_PLANNER_CORE_KNAPSACK_LIVE_SET_SEARCH_H_

#include <cstdint>
#include <vector>

#include "planner/core/knapsack/knapsack_search.h"
#include "planner/core/knapsack/live_set_result.h"
#include "planner/core/knapsack/ranking.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Finds the best selection over all live sets of a tree under one limit, the backward cost.
//
// A sweep over the tree gives the linear bound of every live set. The live sets whose bound exceeds the best selection
// known are then searched, the one of highest bound first. Hard ones wait until the easy ones are through. A run under
// a lower budget than the last one starts from the last one's bounds, so a curve is cheapest from its highest budget
// down.
//
// Not thread-safe.
//
//   const Ranking ranking(tree, values, meter);
//   LiveSetSearch search(ranking, num_tensors);
//   LiveSetResult best = search.Run(budget, meter);              // The best selection of all live sets.
//   LiveSetResult of_half = search.Run(budget / 2, meter);       // Starts from what the first run has found.
class LiveSetSearch {
 public:
  // `ranking` must outlive the search.
  LiveSetSearch(const Ranking& ranking, int num_tensors);

  // Returns the best selection within `backward_budget` (in cost_unit), with a bound. The bound equals the value if the
  // selection is proved optimal. If the meter runs out, the result is the best selection so far and the bound still
  // holds. REQUIRES: backward_budget >= the cost of the root's live set.
  LiveSetResult Run(int64_t backward_budget, WorkMeter& meter);

 private:
  // A live set that may hold a better selection than the incumbent.
  struct Candidate {
    BreakPoint point;
    int64_t bound = 0;
    bool is_given_up = false;  // Its search may keep no more.
  };

  // Finds the break points of all live sets by a sweep over the tree.
  void SweepPoints(int64_t backward_budget, WorkMeter& meter);
  // Moves the break points of an earlier run under a higher budget down to this one, as far as they matter.
  void NarrowPoints(int64_t backward_budget, WorkMeter& meter);
  // Makes a break point the incumbent if it is worth more: the entries before it are a selection.
  void TakeUp(const BreakPoint& point);
  // Lists the live sets whose linear bound beats the incumbent, the highest bound first.
  void CollectCandidates();
  // Removes the candidates that the incumbent has overtaken.
  void DropBeaten();
  // Searches the candidates, each with little work at first and with more in later turns.
  void SearchCandidates(WorkMeter& meter);
  // Returns the highest bound of what has not been searched to its end.
  int64_t OpenBound() const;

  const Ranking& ranking_;
  const int num_tensors_;
  KnapsackSearch search_;

  // The break points of the live sets that are within the budget and add items. Each is exact, or what it was under a
  // higher budget with the room of this one.
  std::vector<BreakPoint> points_;
  bool is_swept_ = false;  // points_ has them all.
  int64_t budget_ = 0;     // Of the last run.
  int best_node_ = 0;      // The live set of its best break point.

  // Of the current run.
  Incumbent incumbent_;
  std::vector<Candidate> candidates_;
  int64_t relaxed_bound_ = 0;
};

// Returns the highest linear bound over all live sets, which no selection exceeds; the total value of all tensors if
// the meter runs out. O(nodes + entries) on a chain. REQUIRES: as LiveSetSearch::Run.
int64_t BoundLiveSets(const Ranking& ranking, int64_t backward_budget, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_KNAPSACK_LIVE_SET_SEARCH_H_
