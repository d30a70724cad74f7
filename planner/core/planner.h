#ifndef GREENPLAN_PLANNER_CORE_PLANNER_H_
#define GREENPLAN_PLANNER_CORE_PLANNER_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"

namespace greenplan {

// Plans for one profile: which tensors to train, which blocks to drop how often, within a budget. Start reading here;
// README.md in this folder says how to go on.
//
//   auto planner = Planner(profile);
//   PlanRequest request{.measurements = &measurements, .options = &options};
//   absl::StatusOr<Plan> plan = planner.MakePlan(request);
//
// Thread-safety: const methods may be called from many threads at once.
//
// The same request gives the same plan, bit for bit, unless `should_stop` ended the search (status kFeasible). The
// first plan of a method builds structure that later plans share, and a plan with the same importance as the last one
// is cheaper still.
class Planner {
 public:
  // Shares ownership of `profile` and builds nothing yet. REQUIRES: `profile` is valid (ValidateModelProfile in
  // planner/convert).
  explicit Planner(std::shared_ptr<const ModelProfile> profile);
  ~Planner();
  Planner(const Planner&) = delete;
  Planner& operator=(const Planner&) = delete;

  // Returns the profile that was passed to the constructor.
  const ModelProfile& profile() const;

  // Returns a plan that keeps every limit of the request. A plan that breaks one is never returned: that would be a
  // bug, and the answer is Internal.
  //
  // InvalidArgument if the pins alone exceed the budget, or if a drop target cannot be reached within the rate bounds.
  // Unimplemented for algorithm downscaled with method joint, with max_saved_bytes or with the best value per cost, and
  // for the best value per cost with max_saved_bytes. ResourceExhausted if the resolution is too high for so many
  // tensors. "Nothing fits" and "stopped early" are plans, not errors.
  //
  // Holds up to 256 MiB at a time beside the profile and the plan, and never recurses per op. What one plan keeps for
  // the next is in MemoryBytes(). Without `should_stop` the search ends because its work is limited: after a few
  // seconds at the latest on graphs like those of models, after about half a minute on the most entangled graphs of
  // 100,000 ops, and after about a minute with algorithm downscaled.
  //
  // REQUIRES: the request's options and measurements are valid for the profile (planner/convert).
  absl::StatusOr<Plan> MakePlan(const PlanRequest& request) const;

  // Returns the error that MakePlan answers for these options whatever was measured, such as InvalidArgument if the
  // pins alone exceed the budget; OK if there is none. Takes no longer than reading the profile a few times.
  absl::Status CheckOptions(const PlanOptions& options) const;

  // Returns one plan for each of `budgets`, in their order; request.options->budget is ignored. All points together may
  // take the work of 64 plans, and each the same share of it, but a point no more than a plan. Points of method
  // selection (exact, without max_saved_bytes and without a plan in force) share most of their work, so that 1/64 of a
  // plan's is the most that each may take. On the hardest importance a point then ends with a certified gap where
  // MakePlan might prove the optimum. After a stop, the points that are left share a few plans.
  //
  // The errors are those of MakePlan, and ResourceExhausted if the plans together would take more than 64 MiB, or if
  // there are so many points that looking at the profile once for each would mean 2^32 ops, edges and tensors.
  absl::StatusOr<std::vector<Plan>> MakeCurve(const PlanRequest& request, const std::vector<Budget>& budgets) const;

  // Returns the memory that is kept between plans, in bytes, not counting the profile: what the next plan need not
  // compute again.
  size_t MemoryBytes() const;

 private:
  class Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_PLANNER_H_
