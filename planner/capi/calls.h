#ifndef GREENPLAN_PLANNER_CAPI_CALLS_H_
#define GREENPLAN_PLANNER_CAPI_CALLS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "planner/capi/request.h"
#include "planner/job/prepared_profile.h"

namespace greenplan {

// The JSON that each function of greenplan.h answers, computed in terms of C++. That header describes the requests and
// the answers. Everything here is thread-safe. An error carries the field at fault (FieldOf) where a single one is.
using Answer = absl::StatusOr<std::string>;

// One function about one profile: the keys that its request may have, and how it is answered.
struct ProfileCall {
  std::vector<absl::string_view> keys;  // Of its request, beside "profile".
  Answer (*answer)(const PreparedProfile& profile, const Request& request);
};

// The functions of the same names in greenplan.h. The objects are static.
const ProfileCall& PlanCall();
const ProfileCall& CurveCall();
const ProfileCall& CostCall();
const ProfileCall& ExplainCall();
const ProfileCall& DrawBlocksCall();

// Answers a request that holds the profile itself. InvalidArgument if the request is malformed or has unknown keys;
// otherwise the errors of MakePlan (planner/job/planning.h).
Answer AnswerRequest(const ProfileCall& call, absl::string_view request);
// Answers a request about a profile that was read before; such a request has no key "profile". The same errors.
Answer AnswerRequest(const ProfileCall& call, const PreparedProfile& profile, absl::string_view request);

// Reads the profile of a request {"profile": ...}. InvalidArgument or ResourceExhausted if it is no valid profile.
absl::StatusOr<std::shared_ptr<const PreparedProfile>> ReadProfile(absl::string_view request);

// Answers the ModelProfile of a Hugging Face config.json as JSON. InvalidArgument if the config or a setting is not
// allowed, or if the analytic profiler does not know the model.
Answer ProfileConfig(absl::string_view request);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CAPI_CALLS_H_
