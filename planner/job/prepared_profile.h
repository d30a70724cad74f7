#ifndef GREENPLAN_PLANNER_JOB_PREPARED_PROFILE_H_
#define GREENPLAN_PLANNER_JOB_PREPARED_PROFILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "greenplan/v1/profile.pb.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"
#include "planner/core/planner.h"

namespace greenplan {

// A profile that plans can be made for: validated, hashed, with the Planner that its plans share. It reads every other
// message of a request against the profile, once each, and writes the plan that comes out:
//
//   auto prepared = PreparedProfile::Create(profile_message);
//   absl::StatusOr<PlanOptions> options = (*prepared)->ReadOptions(options_message);
//   absl::StatusOr<Measurements> measurements = (*prepared)->ReadReport(report_message, *options);
//   absl::StatusOr<Plan> plan = MakePlan((*prepared)->planner(), {...}, limits);  // planning.h
//   v1::Plan answer = (*prepared)->WritePlan(*plan);
//
// Thread-safety: const methods may be called from many threads at once. Owns everything it needs.
class PreparedProfile {
 public:
  // Reads, checks and hashes a profile. InvalidArgument if it is malformed; ResourceExhausted if it is too large.
  // O(profile).
  static absl::StatusOr<std::shared_ptr<const PreparedProfile>> Create(const v1::ModelProfile& message);
  // The same for the profile of a job, whose digest and revision are known already. REQUIRES: `digest` is the
  // profile's.
  static absl::StatusOr<std::shared_ptr<const PreparedProfile>> Create(const v1::ModelProfile& message,
                                                                       std::string digest, int64_t revision);

  const ModelProfile& profile() const { return planner_.profile(); }
  const Planner& planner() const { return planner_; }
  const std::string& digest() const { return digest_; }

  // Returns the options in core's terms. InvalidArgument if they are malformed or name what the profile lacks.
  absl::StatusOr<PlanOptions> ReadOptions(const v1::PlanOptions& message) const;

  // Returns the report in core's terms. InvalidArgument if it is malformed or does not go with the options.
  // FailedPrecondition if it carries the digest of another profile; a report without a digest passes.
  absl::StatusOr<Measurements> ReadReport(const v1::ImportanceReport& message, const PlanOptions& options) const;

  // Returns a plan for PlanRequest::previous. The same errors, whose fields are those of the plan.
  absl::StatusOr<Plan> ReadPlan(const v1::Plan& message) const;

  // Returns the message of a plan outside a job, with its digest. `name` and `round`, which the digest does not cover,
  // are left empty.
  v1::Plan WritePlan(const Plan& plan) const;

  // Returns about how many bytes this takes, with what the plans so far have built for later ones. O(1).
  size_t MemoryBytes() const;

 private:
  PreparedProfile(std::shared_ptr<const ModelProfile> profile, std::string digest, int64_t revision);

  const Planner planner_;
  const std::string digest_;
  const int64_t revision_;
  const size_t profile_bytes_;  // Of the profile, which does not change.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_PREPARED_PROFILE_H_
