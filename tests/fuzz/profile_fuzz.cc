// Profiles as JSON and in binary form, from bytes to the core's type and back. The first byte chooses the form.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "greenplan/v1/profile.pb.h"
#include "planner/convert/convert.h"
#include "planner/convert/digest.h"
#include "planner/convert/files.h"
#include "planner/core/cost.h"
#include "tests/fuzz/require.h"

namespace greenplan {
namespace {

bool Parse(bool is_json, absl::string_view bytes, v1::ModelProfile& message) {
  if (!is_json) return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  const absl::Status status = MessageFromJson(bytes, message);
  if (!status.ok()) RequireInvalidArgument(status);
  return status.ok();
}

void ReadProfile(absl::string_view bytes) {
  if (bytes.empty()) return;
  v1::ModelProfile message;
  if (!Parse(bytes[0] == '{', bytes.substr(bytes[0] == '{' ? 0 : 1), message)) return;
  const absl::StatusOr<ModelProfile> profile = ModelProfileFromProto(message);
  if (!profile.ok()) {
    RequireRefusal(profile.status());
    return;
  }
  const MaskCost full = EvaluateMask(*profile, FullMask(*profile));
  Require(full.backward_cost >= 0 && full.saved_bytes >= 0, "no cost of a valid profile wraps");
  const v1::ModelProfile again = ModelProfileToProto(*profile);
  const absl::StatusOr<ModelProfile> read_again = ModelProfileFromProto(again);
  Require(read_again.ok(), "a profile that was written can be read", read_again.status());
  Require(ProfileDigest(ModelProfileToProto(*read_again)) == ProfileDigest(again), "and is then the same");
}

}  // namespace
}  // namespace greenplan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  greenplan::ReadProfile({reinterpret_cast<const char*>(data), size});
  return 0;
}
