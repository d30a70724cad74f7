#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_DRIFT_SCHEDULE_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_DRIFT_SCHEDULE_H_

#include <cstdint>
#include <optional>

namespace greenplan::trainer {

// Decides when to plan anew, by how fast plans fall behind.
//
// A round has a price: the FLOPs of its probe, in those of a step under the plan. What it is worth depends on the
// drift: the share of the new plan's importance that the plan so far in force would miss, as measured at the new round.
// If a plan falls behind evenly, by drift / n a step over its n steps, then k steps under the next one miss
//   drift / n * k^2 / 2
// steps' worth of importance. The next round is due at the k where that has added up to the price,
//   k = sqrt(2 * price * n / drift),
// which is also the k for which price and miss together are smallest per step. Two bounds hold:
//   - k >= 10 * price, so that probes never cost more than a tenth of what the steps cost;
//   - k <= 2 * n, so that one round without drift doubles the interval and does not end planning.
// Where no drift is known, after the first round or one that brought no new plan, k = 10 * price.
//
// ADR 14 says why this and not a threshold. Not thread-safe.
//
//   DriftSchedule schedule;
//   if (schedule.IsRoundDue(step)) schedule.AddRound(step, probe_flops / step_flops, round.drift);
class DriftSchedule {
 public:
  // What a resume needs. Steps count from 0.
  struct State {
    int64_t last_round_step = 0;
    int64_t next_round_step = 0;
  };

  // Returns whether a round is due before `step`. True before the first round.
  bool IsRoundDue(int64_t step) const { return step >= state_.next_round_step; }

  // Records that a round was made before `step`. `price` is in steps under the plan, >= 0. `drift` is in [0, 1];
  // nullopt if it is not known.
  void AddRound(int64_t step, double price, std::optional<double> drift);

  // Records that the round that was due before `step` measured nothing. The next one comes after the same interval.
  void PassOver(int64_t step) {
    state_ = {.last_round_step = step, .next_round_step = step + state_.next_round_step - state_.last_round_step};
  }

  const State& state() const { return state_; }
  void set_state(const State& state) { state_ = state; }

 private:
  State state_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_DRIFT_SCHEDULE_H_
