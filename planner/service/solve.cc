#include "planner/service/solve.h"

#include <memory>

#include "planner/core/invalid_argument.h"
#include "planner/core/plan.h"
#include "planner/job/in_request.h"
#include "planner/job/prepared_profile.h"

namespace greenplan {

absl::StatusOr<v1::Plan> Solve(const v1::SolveRequest& request, const CallLimits& limits) {
  if (!request.has_profile()) return InvalidArgument("profile", " is missing; required");
  const absl::StatusOr<std::shared_ptr<const PreparedProfile>> profile = PreparedProfile::Create(request.profile());
  if (!profile.ok()) return InRequest("profile", profile.status());
  const absl::StatusOr<PlanOptions> options = (*profile)->ReadOptions(request.options());
  if (!options.ok()) return InRequest("options", options.status());
  if (!request.has_importance() && options->method != Method::kFull) {
    return InvalidArgument("importance", " is missing; every method but full requires a report");
  }
  PlanRequest plan_request{.options = &*options};
  absl::StatusOr<Measurements> measurements;
  if (request.has_importance()) {
    measurements = (*profile)->ReadReport(request.importance(), *options);
    if (!measurements.ok()) return ReportInRequest("importance", "options", measurements.status());
    plan_request.measurements = &*measurements;
  }
  absl::StatusOr<Plan> previous;
  if (request.has_previous_plan()) {
    previous = (*profile)->ReadPlan(request.previous_plan());
    if (!previous.ok()) return InRequest("previous_plan", previous.status());
    plan_request.previous = &*previous;
  }
  const absl::StatusOr<Plan> plan = MakePlan((*profile)->planner(), plan_request, limits, AtDeadline::kAnswerBest);
  if (!plan.ok()) return InRequest("options", plan.status());
  return (*profile)->WritePlan(*plan);
}

}  // namespace greenplan
