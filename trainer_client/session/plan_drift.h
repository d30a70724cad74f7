#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_PLAN_DRIFT_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_PLAN_DRIFT_H_

#include <optional>

#include "greenplan/v1/importance.pb.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"

namespace greenplan::trainer {

// Returns how far the plan `before` has fallen behind the plan `after`: the share of the importance that `after` trains
// which `before` would miss, in [0, 1]. A tensor of a block with drop rate r counts 1 - r of its importance. Of what is
// missed one standard error is taken off, so that noise alone does not read as drift. Returns nullopt if `after` trains
// nothing of positive importance. Both plans and the importance, [num_tensors], belong to `profile`.
std::optional<double> PlanDrift(const ModelProfile& profile, const v1::ImportanceReport& report, const Plan& before,
                                const Plan& after);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_PLAN_DRIFT_H_
