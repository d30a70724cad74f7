#ifndef GREENPLAN_PLANNER_CORE_BYTE_LIMIT_DEPARTURES_H_
#define GREENPLAN_PLANNER_CORE_BYTE_LIMIT_DEPARTURES_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "planner/core/byte_limit/priced_live_sets.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// A selection within one live set.
struct PricedSelection {
  int64_t value = 0;
  std::vector<std::pair<int, int>> chosen;
};

// Searches one live set under two limits by branch and bound.
//
// At the live set's prices every item has a best choice. Departing from that choice loses the difference in reduced
// value, and leaving a part of a limit unused loses that part's price. A branch is cut off as soon as the bound less
// these losses cannot beat the best selection known. Single tensors of the same cost and bytes form one decision,
// namely how many of them to take, because a tensor of higher value is never left for one of lower value.
//
// Not thread-safe. Memory: O(items and choices of the live set).
class Departures {
 public:
  // `bound` is the live set's bound at `prices`, rounded up. Run() improves `best` in place. `sets` and `best` must
  // outlive this object.
  Departures(const PricedLiveSets& sets, int live_set, const LimitPrices& prices, int64_t bound, PricedSelection& best);

  // Searches depth first and takes over every selection that is better than `best`. Returns true if the whole live set
  // was searched, so that no selection of it is worth more than `best`; false if `max_work` units or the meter ran out
  // before. Sorts the items first: O(n log n). REQUIRES: it is the first call.
  bool Run(int64_t max_work, WorkMeter& meter);

 private:
  using Room = PricedLiveSets::Room;

  // One way to decide. `pick`: how many of a group are taken, those of highest value; the choice from a bundle.
  struct Option {
    double loss = 0;  // Of reduced value against the best option.
    Room used = {};
    int64_t value = 0;
    int pick = 0;
  };
  // About one bundle, or about all items of the same cost and bytes.
  struct Decision {
    std::vector<int> items;  // A group's by falling value.
    bool is_bundle = false;
    std::vector<Option> options = {};  // By rising loss.
  };
  // The options for the decisions before one, and which of its own is next.
  struct Place {
    double bound = 0;
    Room room = {};
    int64_t value = 0;
    size_t next = 0;
  };

  // An item that is a single tensor, with its one choice beside none.
  struct Single {
    PricedLiveSets::Choice choice;
    int item = 0;
  };

  // Fills decisions_ and most_. Returns false if the meter's stop function fires meanwhile.
  bool MakeDecisions(WorkMeter& meter);
  // Adds the decision about a bundle.
  void AddBundle(int item);
  // Adds a decision for all single tensors of the same cost and bytes. REQUIRES: these follow one another.
  void AddGroups(const std::vector<Single>& singles);
  // Puts the decisions first that lose most by their second option: their departures are cut at once.
  void SortDecisions();
  // Computes what each option loses against the best one, and sorts the options by it.
  void SetLosses(Decision& decision) const;
  // Fills most_.
  void SumUpMost();
  // Returns the price of what must stay unused of both limits, whatever the decisions from `depth` on take.
  double WasteBeyond(size_t depth, const Room& room) const;
  // Returns whether a selection with this bound can beat the best one.
  bool CanBeat(double bound) const;
  // Makes the selection that path_ describes the best one. O(items).
  void TakePath();

  const PricedLiveSets& sets_;
  const int live_set_;
  const LimitPrices prices_;
  const Room room_;
  const double bound_;
  int64_t num_items_ = 0;
  PricedSelection& best_;
  std::vector<Decision> decisions_;
  std::vector<Room> most_;  // [decisions + 1] What the decisions from each on can take at most.
  std::vector<Place> path_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_BYTE_LIMIT_DEPARTURES_H_
