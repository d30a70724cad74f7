#include "planner/capi/calls.h"

#include "greenplan/v1/profile.pb.h"

namespace greenplan {
namespace {

absl::StatusOr<std::shared_ptr<const PreparedProfile>> ProfileOf(const Request& request) {
  v1::ModelProfile message;
  if (absl::Status status = request.ReadMessage("profile", message); !status.ok()) return status;
  return PreparedProfile::Create(message);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PreparedProfile>> ReadProfile(absl::string_view request) {
  const absl::StatusOr<Request> parsed = Request::Parse(request, {"profile"});
  if (!parsed.ok()) return parsed.status();
  return ProfileOf(*parsed);
}

Answer AnswerRequest(const ProfileCall& call, absl::string_view request) {
  std::vector<absl::string_view> keys = call.keys;
  keys.insert(keys.begin(), "profile");
  const absl::StatusOr<Request> parsed = Request::Parse(request, keys);
  if (!parsed.ok()) return parsed.status();
  const auto profile = ProfileOf(*parsed);
  if (!profile.ok()) return profile.status();
  return call.answer(**profile, *parsed);
}

Answer AnswerRequest(const ProfileCall& call, const PreparedProfile& profile, absl::string_view request) {
  const absl::StatusOr<Request> parsed = Request::Parse(request, call.keys);
  if (!parsed.ok()) return parsed.status();
  return call.answer(profile, *parsed);
}

}  // namespace greenplan
