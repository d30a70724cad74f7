#ifndef GREENPLAN_PLANNER_CORE_KNAPSACK_KNAPSACK_SEARCH_H_
#define GREENPLAN_PLANNER_CORE_KNAPSACK_KNAPSACK_SEARCH_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "planner/core/knapsack/cost_grain.h"
#include "planner/core/knapsack/ranking.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Where filling a live set's budget in ranking order stops: entries of rank < break_rank that the live set can select
// are taken, at `cost` and `value` in all; the one at break_rank does not fit.
struct BreakPoint {
  int node = 0;
  int break_rank = 0;  // Number of entries if everything fits.
  int64_t cost = 0;    // Of the entries taken, without the live set's.
  int64_t value = 0;
  int64_t room = 0;  // Budget less the live set's cost, >= cost.
};

// The best selection known: a break point and how the selection departs from it.
struct Incumbent {
  BreakPoint from;
  int64_t value = 0;
  // Departures from the break point: a rank, taken if not before and the reverse, or for a bundle the option taken.
  std::vector<std::pair<int, int>> changes;
};

// Returns floor(value + rest * ratio of `entry`): the value once `rest`, which may be negative, is filled at the
// entry's value per cost.
int64_t FillBound(int64_t value, int64_t rest, const Ranking::Entry& entry);

// Returns the linear bound at a break point. No selection within its live set is worth more.
int64_t LinearBound(const Ranking& ranking, const BreakPoint& point);

// Returns whether value + rest * ratio of `entry` exceeds `best` by 1 at least, exactly.
inline bool CanBeat(int64_t value, int64_t rest, const Ranking::Entry& entry, int64_t best) {
  return static_cast<__int128>(value - best - 1) * entry.cost + static_cast<__int128>(rest) * entry.value >= 0;
}

// Returns whether the linear bound exceeds `value`. Cheaper than computing the bound.
inline bool CanBeatAtBreak(const Ranking& ranking, const BreakPoint& point, int64_t value) {
  const std::vector<Ranking::Entry>& entries = ranking.entries();
  if (point.break_rank == static_cast<int>(entries.size())) return point.value > value;
  return CanBeat(point.value, point.room - point.cost, entries[point.break_rank], value);
}

// Returns the mask of the incumbent's selection, [num_tensors].
std::vector<bool> MaskOf(const Ranking& ranking, const Incumbent& incumbent, int num_tensors);

// Looks for a selection within one live set that beats the incumbent.
//
// The method is Pisinger's MINKNAP (1997), with bundles as multiple-choice classes: dynamic programming over
// undominated (cost, value) states, on a core of entries that grows from the break point outwards. A state is dropped
// as soon as no completion of it can beat the incumbent. Most live sets are settled after a handful of entries.
//
// Not thread-safe. One object serves many live sets of one ranking and reuses its memory.
class KnapsackSearch {
 public:
  // `ranking` must outlive this object.
  explicit KnapsackSearch(const Ranking& ranking) : ranking_(ranking), bundle_done_(ranking.bundles().size(), 0) {}

  // Searches the live set of `point` and improves `incumbent` in place. Returns the incumbent's value if the search
  // finished within `max_work` and the meter; no selection of the live set is then worth more. Otherwise returns a
  // bound on what the live set's selections are worth. With is_hard it first looks for common divisors of the costs
  // (cost_grain.h), which costs more than an easy live set takes altogether.
  int64_t Improve(const BreakPoint& point, bool is_hard, int64_t max_work, WorkMeter& meter, Incumbent& incumbent);

  // Whether the last search ended because it may keep no more states: with more work it would end there again.
  bool is_full() const { return is_full_; }

 private:
  // A partial selection: what it costs and is worth, and how it departs from the break point.
  struct State {
    int64_t cost;
    int64_t value;
    int history;
  };
  // One departure, and the one before it.
  struct Step {
    int before;  // Index into history_, or kNone.
    int rank;
    int option;
  };
  // Another way to decide at one rank than the break point does.
  struct Alternative {
    int64_t cost;  // Against what the break point takes; may be negative, as the value.
    int64_t value;
    int option;
  };

  // Charges the work of extending the states by alternatives_. Returns false if the work, or what one search may keep,
  // is used up.
  bool MayExtend();

  // The next seven are for a hard live set. UseGrains calls the others; the bools are false if the search may take no
  // longer.
  //
  // Finds what divides the costs, settles what it does not divide, and looks for a selection that fills the room.
  bool UseGrains();
  // Fills grains_ from the single tensors that can matter.
  void FindGrains();
  // Returns whether the grains leave out the entry of this rank.
  bool IsOdd(int rank) const;
  // Decides the bundles and the odd entries.
  bool SettleOdd();
  // Extends the states by the alternatives of one rank.
  bool Settle(int rank);
  // Fills small_.
  void SumUpSmall();
  // Offers the most promising state, with every open entry that can matter decided by falling cost.
  void Complete();

  // Returns the most, up to `rest`, that deciding the entries not considered yet can add to the cost. If `rest` is
  // negative, they have to lower the cost, and the result is negative too.
  int64_t Fillable(int64_t rest) const;
  // Returns whether a selection with this departure can beat the incumbent, by the linear bound.
  bool CanMatter(const Alternative& alternative) const;
  // Calls visit(alternative) for each way to decide at a rank otherwise than the break point does, until it returns
  // true. Returns whether it did.
  template <typename Visit>
  bool AnyAlternative(int rank, const Visit& visit) const;
  // Fills alternatives_ with those of a rank that can matter. Returns false if there are none.
  bool CollectAlternatives(int rank);
  // Counts `rank`, which is left_ or right_, as considered, and moves on from it.
  void PassOver(int rank);
  // Moves `rank` in `direction` (-1 or 1) to the next entry that the live set can select and that can matter.
  void Advance(int& rank, int direction);
  // Replaces states_ by the states with and without each of alternatives_. Returns false if the meter's stop function
  // fires meanwhile: states are then missing.
  bool Extend(int rank);
  // Merges base_, shifted by `alternative`, into states_, which stay rising in cost and value.
  void AddShifted(const Alternative& alternative, int rank);
  // Returns whether some completion of such a state, by entries not considered yet, can beat the incumbent.
  bool IsPromising(int64_t cost, int64_t value) const;
  // Makes the state the incumbent if it fits and is worth more.
  void Offer(const State& state);
  // Returns the bound of a search that is cut short: the best that its open states may lead to, or if some of these are
  // missing, the live set's linear bound.
  int64_t OpenBound() const;

  const Ranking& ranking_;
  std::vector<int> bundle_done_;  // The search (stamp) that last settled a bundle.
  int stamp_ = 0;

  // Of the current search.
  BreakPoint point_;
  Incumbent* incumbent_ = nullptr;
  WorkMeter* meter_ = nullptr;
  int64_t work_left_ = 0;
  bool is_full_ = false;
  bool lacks_states_ = false;      // A stop came while the states were extended.
  int left_ = 0;                   // The next rank to reconsider among those taken; -1 if none is left.
  int right_ = 0;                  // The same among those not taken; the number of entries if none is left.
  CostGrains grains_;              // If it is hard: of the single tensors that can matter, by rank.
  std::vector<SmallCosts> small_;  // [levels] Of the entries not considered yet, once the odd ones are settled.
  std::vector<State> states_;      // Undominated: rising in cost and in value.
  std::vector<State> base_, merged_;
  std::vector<Step> history_;
  std::vector<Alternative> alternatives_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_KNAPSACK_KNAPSACK_SEARCH_H_
