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

// What each function of greenplan.h answers, as JSON; that header states the requests and answers. Everything here is
// thread-safe. An error carries a field where one thing is at fault.
using Answer = absl::StatusOr<std::string>;

// A function about one profile.
struct ProfileCall {
  std::vector<absl::string_view> keys;  // Of its request, beside "profile".
  Answer (*answer)(const PreparedProfile& profile, const Request& request);
};

const ProfileCall& PlanCall();
const ProfileCall& CurveCall();
const ProfileCall& CostCall();
const ProfileCall& ExplainCall();
const ProfileCall& DrawBlocksCall();

// Answers a request that holds the profile itself.
Answer AnswerRequest(const ProfileCall& call, absl::string_view request);
// Answers a request about a profile that was read before.
Answer AnswerRequest(const ProfileCall& call, const PreparedProfile& profile, absl::string_view request);

// Reads {"profile"}.
absl::StatusOr<std::shared_ptr<const PreparedProfile>> ReadProfile(absl::string_view request);

// Answers the ModelProfile of a config.json.
Answer ProfileConfig(absl::string_view request);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CAPI_CALLS_H_
