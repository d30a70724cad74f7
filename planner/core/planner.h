#ifndef GREENPLAN_PLANNER_CORE_PLANNER_H_
#define GREENPLAN_PLANNER_CORE_PLANNER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"

namespace greenplan {

// Plans for one profile: which tensors to train, which blocks to drop how often, within a budget. Start reading here.
//
//   auto planner = Planner(profile);
//   PlanRequest request{.measurements = &measurements, .options = &options};
//   absl::StatusOr<Plan> plan = planner.MakePlan(request);
//
// Thread-safety: const methods may be called from many threads at once.
// The same request gives the same plan, bit for bit, unless `should_stop` ended the search (status kFeasible).
// The first plan of a method builds structure that later ones share.
class Planner {
 public:
  // REQUIRES: `profile` is valid (ValidateModelProfile in planner/convert).
  explicit Planner(std::shared_ptr<const ModelProfile> profile);
  ~Planner();
  Planner(const Planner&) = delete;
  Planner& operator=(const Planner&) = delete;

  const ModelProfile& profile() const;

  // InvalidArgument if the pins alone exceed the budget, or a drop target cannot be reached within the rate bounds.
  // Unimplemented for algorithm downscaled with method joint or with max_saved_bytes.
  // "Nothing fits" and "stopped early" are plans, not errors.
  absl::StatusOr<Plan> MakePlan(const PlanRequest& request) const;

  // One plan per budget, sharing work; each point may take 1/64 of a plan's work, so that on the hardest importance it
  // ends with a certified gap. The same errors; request.options->budget is ignored.
  absl::StatusOr<std::vector<Plan>> MakeCurve(const PlanRequest& request, const std::vector<Budget>& budgets) const;

 private:
  class Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_PLANNER_H_
