#include "planner/job/outcomes.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "planner/convert/number_text.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

absl::Status ValidateAmount(absl::string_view field, double value) {
  if (std::isfinite(value) && value >= 0) return absl::OkStatus();
  return InvalidArgument(field, " is ", NumberText(value), "; must be finite and >= 0");
}

absl::Status ValidateFinite(absl::string_view field, double value) {
  if (std::isfinite(value)) return absl::OkStatus();
  return InvalidArgument(field, " is ", NumberText(value), "; must be finite");
}

absl::Status ValidateCount(absl::string_view field, int64_t value, int64_t least) {
  if (value >= least) return absl::OkStatus();
  return InvalidArgument(field, " is ", value, "; must be >= ", least);
}

}  // namespace

absl::Status ValidateOutcome(const v1::Outcome& outcome, int32_t world_size) {
  if (outcome.rank() < 0 || outcome.rank() >= world_size) {
    return InvalidArgument("outcome.rank", " is ", outcome.rank(), "; must be >= 0 and < ", world_size,
                           ", the job's world_size");
  }
  for (const absl::Status& status :
       {ValidateCount("outcome.round", outcome.round(), 0),
        ValidateCount("outcome.step_count", outcome.step_count(), 1),
        ValidateAmount("outcome.step_seconds", outcome.step_seconds()),
        ValidateCount("outcome.executed_backward_flops", outcome.executed_backward_flops(), 0),
        ValidateAmount("outcome.energy_joules", outcome.energy_joules()),
        ValidateFinite("outcome.train_loss", outcome.train_loss()),
        ValidateFinite("outcome.promised_loss_reduction", outcome.promised_loss_reduction()),
        ValidateFinite("outcome.realised_loss_reduction", outcome.realised_loss_reduction()),
        ValidateCount("outcome.mismatched_steps", outcome.mismatched_steps(), 0),
        ValidateCount("outcome.peak_memory_bytes", outcome.peak_memory_bytes(), 0)}) {
    if (!status.ok()) return status;
  }
  if (outcome.mismatched_steps() <= outcome.step_count()) return absl::OkStatus();
  return InvalidArgument("outcome.mismatched_steps", " is ", outcome.mismatched_steps(),
                         "; must be <= ", outcome.step_count(), ", the outcome's step_count");
}

bool SameOutcome(const v1::Outcome& a, const v1::Outcome& b) { return a.SerializeAsString() == b.SerializeAsString(); }

absl::Status OutcomeIsTaken(const std::string& job_name, const v1::Outcome& outcome) {
  return absl::AlreadyExistsError(absl::StrCat("rank ", outcome.rank(), " of ", job_name,
                                               " has reported another outcome for round ", outcome.round()));
}

absl::Status OutcomeWithoutPlan(const std::string& job_name, const v1::Outcome& outcome) {
  return WithField(absl::FailedPreconditionError(absl::StrCat("outcome.round is ", outcome.round(), "; that round of ",
                                                              job_name, " has no plan")),
                   "outcome.round");
}

}  // namespace greenplan
