#ifndef GREENPLAN_PLANNER_CORE_PLANNER_H_
#define GREENPLAN_PLANNER_CORE_PLANNER_H_

#include <cstddef>
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

  // Returns a plan that keeps every limit of the request: what breaks one is never returned, but Internal.
  // InvalidArgument if the pins alone exceed the budget, or a drop target cannot be reached within the rate bounds.
  // Unimplemented for algorithm downscaled with method joint, with max_saved_bytes
  // or with the best value per cost, and for the latter with max_saved_bytes. ResourceExhausted if the
  // resolution is too high for so many tensors. "Nothing fits" and "stopped early" are plans, not errors.
  //
  // Takes up to 256 MiB at a time beside the profile and the plan, none of it by recursion; what one plan keeps for the
  // next is in MemoryBytes(). Without `should_stop` the search ends after a few seconds at the latest, or a minute for
  // algorithm downscaled.
  absl::StatusOr<Plan> MakePlan(const PlanRequest& request) const;

  // One plan per budget, sharing work; each point may take 1/64 of a plan's work, so that on the hardest importance it
  // ends with a certified gap. The same errors, and ResourceExhausted if the plans together would be too large;
  // request.options->budget is ignored.
  absl::StatusOr<std::vector<Plan>> MakeCurve(const PlanRequest& request, const std::vector<Budget>& budgets) const;

  // The memory that is kept between plans, in bytes, the profile excepted: what the next plan of the same importance,
  // or of another, need not compute again.
  size_t MemoryBytes() const;

 private:
  class Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_PLANNER_H_
