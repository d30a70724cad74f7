#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_ROUND_CALENDAR_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_ROUND_CALENDAR_H_

#include <cstdint>

namespace greenplan::trainer {

// At which steps of a run rounds begin. Steps are optimizer steps, counted from 0 over the whole run. A plain value.
struct RoundCalendar {
  // Steps of an epoch, >= 1.
  int64_t steps_per_epoch = 1;

  // Steps between rounds. 0: a round begins with every epoch.
  int64_t plan_every = 0;

  // Whether drift decides when a round begins, instead of plan_every.
  bool plans_by_drift = false;

  // Steps from whose gradients a round measures, at most steps_per_epoch. 1 for a probe of its own.
  int64_t probe_steps = 1;

  // A round begins here whatever else is due. 0: none.
  int64_t uniform_steps = 0;

  // Rounds that train everything before the first plan; they are epochs where plan_every is 0 or drift decides.
  int64_t warmup_rounds = 0;

  // Returns whether the step belongs to a warm-up round.
  bool IsWarmUp(int64_t step) const;

  // Returns whether a round begins before the step, where none is being measured. `is_due_by_drift` is
  // TrainingSession::IsRoundDue(). A round whose probe_steps would not all lie in the step's epoch begins with the next
  // epoch: between them stands a checkpoint, which holds nothing of a round that is being measured.
  bool IsRoundDue(int64_t step, bool is_due_by_drift) const;

 private:
  // Whether the policy asks for a round at this step, wherever it lies in its epoch.
  bool IsRoundWanted(int64_t step, bool is_due_by_drift) const;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_ROUND_CALENDAR_H_
