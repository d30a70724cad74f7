#include "planner/cli/requested_plan.h"

#include "planner/cli/inputs.h"
#include "planner/convert/convert.h"
#include "planner/job/planning.h"

namespace greenplan {

absl::StatusOr<v1::PlanOptions> RequestedOptions(const PlanFlags& flags) {
  auto options = flags.Options();
  if (!options.ok()) return options;
  if (options->method() == v1::METHOD_UNSPECIFIED) options->set_method(v1::METHOD_SELECTION);
  if (auto status = ValidatePlanOptions(*options); !status.ok()) return PlanFlags::NameFlags(status);
  return options;
}

absl::StatusOr<Plan> RequestedPlan(const PreparedProfile& profile, const PlanOptions& options,
                                   const Measurements* measurements, const std::string& keep_plan) {
  PlanRequest request{.measurements = measurements, .options = &options};
  absl::StatusOr<Plan> previous;
  if (!keep_plan.empty()) {
    previous = LoadPlan(keep_plan, profile);
    if (!previous.ok()) return previous.status();
    request.previous = &*previous;
  }
  auto plan = MakePlan(profile.planner(), request);
  if (!plan.ok()) return PlanFlags::NameFlags(plan.status());
  return plan;
}

}  // namespace greenplan
