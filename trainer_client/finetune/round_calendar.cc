#include "trainer_client/finetune/round_calendar.h"

namespace greenplan::trainer {

bool RoundCalendar::IsWarmUp(int64_t step) const {
  return step / (plan_every == 0 ? steps_per_epoch : plan_every) < warmup_rounds;
}

bool RoundCalendar::IsRoundDue(int64_t step, bool is_due_by_drift) const {
  const int64_t step_in_epoch = step % steps_per_epoch;
  if (step_in_epoch + probe_steps > steps_per_epoch) return false;
  if (IsRoundWanted(step, is_due_by_drift)) return true;
  for (int64_t ago = 1; step_in_epoch == 0 && ago < probe_steps && ago <= step; ++ago) {
    if (IsRoundWanted(step - ago, is_due_by_drift)) return true;
  }
  return false;
}

bool RoundCalendar::IsRoundWanted(int64_t step, bool is_due_by_drift) const {
  if (uniform_steps > 0 && step == uniform_steps) return true;
  if (plans_by_drift) return is_due_by_drift;
  return step % (plan_every == 0 ? steps_per_epoch : plan_every) == 0;
}

}  // namespace greenplan::trainer
