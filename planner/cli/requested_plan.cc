#include "planner/cli/requested_plan.h"

#include <utility>

#include "planner/cli/inputs.h"
#include "planner/convert/convert.h"

namespace greenplan {

absl::StatusOr<v1::PlanOptions> RequestedOptions(const PlanFlags& flags) {
  auto options = flags.Options();
  if (!options.ok()) return options;
  if (options->method() == v1::METHOD_UNSPECIFIED) options->set_method(v1::METHOD_SELECTION);
  if (auto status = ValidatePlanOptions(*options); !status.ok()) return PlanFlags::NameFlags(status);
  return options;
}

absl::StatusOr<v1::Plan> RequestedPlan(const RoundPlanner& planner, const v1::PlanOptions& options,
                                       const v1::ImportanceReport* report, const std::string& keep_plan) {
  RoundRequest request{.options = &options, .report = report};
  v1::Plan previous_plan;
  if (!keep_plan.empty()) {
    auto loaded = LoadPlan(keep_plan, planner);
    if (!loaded.ok()) return loaded.status();
    previous_plan = *std::move(loaded);
    request.previous_plan = &previous_plan;
  }
  auto plan = planner.MakePlan(request);
  if (!plan.ok()) return PlanFlags::NameFlags(plan.status());
  return plan;
}

}  // namespace greenplan
