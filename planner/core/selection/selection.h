#ifndef GREENPLAN_PLANNER_CORE_SELECTION_SELECTION_H_
#define GREENPLAN_PLANNER_CORE_SELECTION_SELECTION_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/knapsack/live_set_search.h"
#include "planner/core/knapsack/ranking.h"
#include "planner/core/knapsack/value_scale.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"
#include "planner/core/selection/best_ratio.h"
#include "planner/core/selection/shallow_selection.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Which tensors to train: maximise the sum of importance over S subject to cost(S) <= backward_budget and, if given,
// saved_bytes(S) <= max_saved_bytes, S holding every tensor of kAlways and none of kNever.
//
// Given the live ops, this is a knapsack over the tensors that hang on them. The solver enumerates the live sets
// (live_sets.h), bounds them all in one sweep over one order of the tensors (ranking.h, live_set_search.h) and solves
// exactly those whose bound beats what is known (knapsack_search.h). docs/algorithms.md derives it.
//
// Sums of importance are compared exactly, as whole numbers of units far below a double's rounding (value_scale.h).
// Selections of equal value: the search keeps the first it meets, in an order that the problem alone fixes. No tensor
// of importance <= 0 is selected unless pinned.

// Whether a tensor may be selected, must be, or must not be.
enum class Pin : uint8_t { kFree, kAlways, kNever };

// What to select from, and the limits. Costs are in cost_unit.
struct SelectionProblem {
  // What each tensor is worth, [num_tensors], finite.
  const std::vector<double>* importance = nullptr;

  // [num_tensors]. A tensor without an op must be kNever.
  std::vector<Pin> pins;

  // What backward may cost. At least the cost of the pinned tensors alone. Below 0 nothing fits.
  int64_t backward_budget = 0;

  // The bytes that may be kept for backward. At least those of the pinned tensors alone. Absent: no limit.
  std::optional<int64_t> max_saved_bytes;

  // Above 0, the downscaled dynamic program (downscaled.h) is used with so many cost steps.
  int resolution = 0;

  // What the search may take, in units of work (WorkMeter): about a second on graphs like those of models. With
  // max_saved_bytes it may take a quarter more.
  int64_t work_limit = 50'000'000;

  // What the downscaled dynamic program may take in place of that: a minute or so.
  int64_t downscaled_work_limit = int64_t{1} << 35;
};

// The selection found, and how much better another might be.
struct SelectionResult {
  std::vector<bool> trainable;  // [num_tensors]
  double upper_bound = 0;       // No feasible selection has a higher sum of importance.
  bool proved = false;          // The selection is optimal.
};

// The value of a selection: the sum of importance over `trainable`, added up in the order of the tensors, as plans
// report it. Both are [num_tensors].
double SelectionValue(const std::vector<bool>& trainable, const std::vector<double>& importance);

// How many plans the points of a curve share that a stop leaves open. Each takes passes over the whole profile:
// milliseconds, if that is large.
size_t PlansAfterStop(const ModelProfile& profile);

// Solves selection problems of one profile.
//
//   const SelectionSolver solver(profile);
//   SelectionProblem problem{.importance = &importance, .pins = pins, .backward_budget = budget};
//   SelectionResult result = solver.Solve(problem);  // result.proved: no selection within the budget is worth more.
//
// Thread-safe: const methods may be called from many threads at once.
class SelectionSolver {
 public:
  // Cheap: the structure that all plans of a profile share is built by the first that is not stopped before. What plans
  // of one importance share is kept too, for the last importance.
  // REQUIRES: `profile` is valid and outlives the solver.
  explicit SelectionSolver(const ModelProfile& profile);

  // Returns the best selection found. Charges `request` with its work and memory. Once the request runs out of either,
  // or its stop function fires, the result is what was found until then, with a bound that holds. REQUIRES: not both a
  // resolution and max_saved_bytes.
  SelectionResult Solve(const SelectionProblem& problem, WorkMeter& request) const;
  // The same without limits but the problem's own.
  SelectionResult Solve(const SelectionProblem& problem) const;

  // Returns the selection of the highest value per cost among those of a value above 0 (best_ratio.h). The ratio is
  // value over `forward_cost` (>= 0) + cost(S), where S keeps the pins. The problem's budget does not count. No other
  // selection has a higher value per cost than result.upper_bound has over that cost of the result. If no selection is
  // worth more than 0, the result is the pinned tensors alone, and `proved` says whether that is certain. Charges
  // `request` as Solve does. REQUIRES: neither a resolution nor max_saved_bytes.
  SelectionResult SolveBestRatio(const SelectionProblem& problem, int64_t forward_cost, WorkMeter& request) const;

  // Takes a result and the points of a curve, by index, that it is the result of.
  using CurveVisitor = std::function<void(SelectionResult result, const std::vector<int>& points)>;

  // Solves the problem once for each of `backward_budgets` (in cost_unit) in place of its own budget, from the highest
  // down. Each point has the problem's whole work limit; what does not depend on the budget is computed once. Calls
  // `visit` as soon as a result is there. After a stop, the points that are left share a few results that are found at
  // once.
  void SolveCurve(const SelectionProblem& problem, const std::vector<int64_t>& backward_budgets, WorkMeter& request,
                  const CurveVisitor& visit) const;

  // Returns the memory that is kept for later plans, in bytes.
  size_t MemoryBytes() const;

 private:
  // What plans of one importance share.
  struct Ranked {
    std::vector<double> importance;  // [num_tensors], 0 unless free.
    std::shared_ptr<const LiveSetTree> live_sets;
    ValueScale scale;
    std::optional<Ranking> ranking;  // Of live sets that are complete.
    int64_t search_bytes = 0;        // What searching them takes.
  };
  // What plans of one importance and pins share.
  struct Prepared {
    explicit Prepared(WorkMeter& request) : held(request) {}

    HeldBytes held;
    std::vector<bool> pinned;  // [num_tensors]
    std::vector<bool> live;    // [num_ops] What the pinned tensors keep live.
    int64_t pinned_cost = 0;   // Of the pinned tensors, without the ops that they keep live.
    int64_t pinned_saved_bytes = 0;
    bool any_pinned = false;
    bool is_cut_short = false;  // By a stop or for want of memory, before all below was there.
    std::shared_ptr<const Ranked> ranked;
    std::optional<LiveSetSearch> search;      // Of live sets that are complete.
    std::optional<ShallowSelection> shallow;  // Once it is asked for.
  };

  // Finds what does not depend on the budget: pins, live sets, ranking. Charges the request with it.
  void Prepare(const SelectionProblem& problem, Prepared& prepared, WorkMeter& request) const;
  // As the last plan left it, if its importance was the same.
  std::shared_ptr<const Ranked> Rank(std::vector<double> importance, const Prepared& prepared, WorkMeter& meter) const;
  // The live sets on top of those of the pinned tensors.
  std::shared_ptr<const LiveSetTree> LiveSets(const std::vector<double>& importance, const Prepared& prepared,
                                              WorkMeter& meter) const;
  // Solves for one budget, and turns the whole values of the result back into importance.
  SelectionResult SolvePrepared(const SelectionProblem& problem, Prepared& prepared, int64_t backward_budget,
                                WorkMeter& request) const;
  // Searches the best ratio: over the live sets, then by minimum cuts where they are not complete.
  RatioResult SearchRatio(const Prepared& prepared, const std::vector<int64_t>& values, const RatioBase& base,
                          WorkMeter& meter) const;
  // What can be had at once. Without max_saved_bytes: under the budget alone.
  LiveSetResult SelectShallow(Prepared& prepared, int64_t free_budget, std::optional<int64_t> max_saved_bytes) const;
  // Chooses the search: downscaled, under one limit, or under two. `free_budget` is what the pinned tensors leave.
  LiveSetResult Search(const SelectionProblem& problem, Prepared& prepared, int64_t free_budget,
                       WorkMeter& request) const;
  LiveSetResult SearchDownscaled(const SelectionProblem& problem, Prepared& prepared, int64_t free_budget,
                                 WorkMeter& meter) const;
  LiveSetResult SearchWithoutByteLimit(Prepared& prepared, int64_t free_budget, WorkMeter& meter) const;
  LiveSetResult SearchWithByteLimit(const SelectionProblem& problem, const Prepared& prepared, int64_t free_budget,
                                    WorkMeter& meter) const;

  const ModelProfile& profile_;
  mutable std::mutex mutex_;

  // Without pins. Guarded by mutex_; null until built.
  mutable std::shared_ptr<const LiveSetTree> live_sets_;
  mutable std::shared_ptr<const Ranked> last_ranked_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_SELECTION_SELECTION_H_
