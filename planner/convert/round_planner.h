#ifndef GREENPLAN_PLANNER_CONVERT_ROUND_PLANNER_H_
#define GREENPLAN_PLANNER_CONVERT_ROUND_PLANNER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "greenplan/v1/profile.pb.h"
#include "planner/core/plan.h"
#include "planner/core/planner.h"

namespace greenplan {

// What to plan in one round.
struct RoundRequest {
  const v1::PlanOptions* options = nullptr;      // Must outlive the call. Required.
  const v1::ImportanceReport* report = nullptr;  // Must outlive the call. Null: nothing was measured; method full only.
  const v1::Plan* previous_plan = nullptr;       // Must outlive the call. See PlanOptions.churn_threshold. Optional.
  bool require_profile_digest = false;           // Over PlanRound; a report in a file may leave its digest empty.
  // Ends the search with the best plan found so far; options->time_limit does so too. Optional, cheap, and called on
  // the planning thread.
  StopFunction cancelled;
};

// From messages to a plan message, for one profile: validation, the time limit and the digests around a Planner. The
// daemon, the local connection and the command line all plan through it, so the same request gives the same bytes.
//
//   auto planner = RoundPlanner::Create(profile_message);
//   absl::StatusOr<v1::Plan> plan = (*planner)->MakePlan({.options = &options, .report = &report});
//
// Thread-safety: const methods may be called from many threads at once. Owns everything it needs.
class RoundPlanner {
 public:
  // InvalidArgument if the profile is malformed. `profile_revision` is that of the job, 0 outside a job.
  static absl::StatusOr<std::unique_ptr<RoundPlanner>> Create(const v1::ModelProfile& profile,
                                                              int64_t profile_revision = 0);

  const ModelProfile& profile() const { return planner_.profile(); }
  const Planner& planner() const { return planner_; }
  const std::string& profile_digest() const { return profile_digest_; }

  // InvalidArgument if the options are malformed or name what the profile lacks: what CreateJob checks.
  absl::Status ValidateOptions(const v1::PlanOptions& options) const;

  // The plan as outside a job: the caller sets `name` and `round`, which the digest does not cover.
  // InvalidArgument: options, report or previous plan are malformed, or Planner::MakePlan says so.
  // FailedPrecondition: the report's or the previous plan's profile_digest is another profile's.
  // Unimplemented: the method is not built yet.
  absl::StatusOr<v1::Plan> MakePlan(const RoundRequest& request) const;

  // One plan per budget; request.options->budget is ignored. The same errors, each budget checked.
  absl::StatusOr<std::vector<v1::Plan>> MakeCurve(const RoundRequest& request,
                                                  const std::vector<v1::Budget>& budgets) const;

 private:
  RoundPlanner(std::shared_ptr<const ModelProfile> profile, std::string profile_digest, int64_t profile_revision);

  Planner planner_;
  const std::string profile_digest_;
  const int64_t profile_revision_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_ROUND_PLANNER_H_
