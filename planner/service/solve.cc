#include "planner/service/solve.h"

#include <memory>

#include "planner/core/invalid_argument.h"
#include "planner/core/plan.h"
#include "planner/job/prepared_profile.h"

namespace greenplan {

absl::StatusOr<v1::Plan> Solve(const v1::SolveRequest& request, const CallLimits& limits) {
  const absl::StatusOr<std::shared_ptr<const PreparedProfile>> profile = PreparedProfile::Create(request.profile());
  if (!profile.ok()) return profile.status();
  const absl::StatusOr<PlanOptions> options = (*profile)->ReadOptions(request.options());
  if (!options.ok()) return options.status();
  PlanRequest plan_request{.options = &*options};
  absl::StatusOr<Measurements> measurements;
  if (request.has_importance()) {
    measurements = (*profile)->ReadReport(request.importance(), *options);
    if (!measurements.ok()) return measurements.status();
    plan_request.measurements = &*measurements;
  }
  absl::StatusOr<Plan> previous;
  if (request.has_previous_plan()) {
    previous = (*profile)->ReadPlan(request.previous_plan());
    if (!previous.ok()) return InsideField("previous_plan.", previous.status());
    plan_request.previous = &*previous;
  }
  const absl::StatusOr<Plan> plan = MakePlan((*profile)->planner(), plan_request, limits, AtDeadline::kAnswerBest);
  if (!plan.ok()) return plan.status();
  return (*profile)->WritePlan(*plan);
}

}  // namespace greenplan
