#ifndef GREENPLAN_PLANNER_CORE_BYTE_LIMIT_DEPARTURES_H_
#define GREENPLAN_PLANNER_CORE_BYTE_LIMIT_DEPARTURES_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "planner/core/byte_limit/priced_live_sets.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// A selection within a live set: items of PricedLiveSets with the choice made, for those that select something.
struct PricedSelection {
  int64_t value = 0;
  std::vector<std::pair<int, int>> chosen;
};

// Branch and bound within one live set under two limits, over the departures from the best choices at its prices: each
// loses what its reduced value says, and what is left unused of a limit loses its price. Items of the same cost and
// bytes are one decision, how many of them to take, since a better one is never left for a worse.
class Departures {
 public:
  // bound: the live set's at these prices, rounded up. `best` is improved in place. Both references must outlive this.
  Departures(const PricedLiveSets& sets, int live_set, const LimitPrices& prices, int64_t bound, PricedSelection& best);

  // Depth first. False if max_work or the meter ran out before all was searched.
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

  const PricedLiveSets::Choice& OnlyChoice(int item) const;
  void AddBundle(int item);
  void AddGroups(std::vector<int> singles);
  void SetLosses(Decision& decision) const;
  void SumUpMost();
  double WasteBeyond(size_t depth, const Room& room) const;
  bool CanBeat(double bound) const;
  void TakePath();

  const PricedLiveSets& sets_;
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
