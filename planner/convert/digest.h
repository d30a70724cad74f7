#ifndef GREENPLAN_PLANNER_CONVERT_DIGEST_H_
#define GREENPLAN_PLANNER_CONVERT_DIGEST_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "greenplan/v1/plan.pb.h"
#include "greenplan/v1/profile.pb.h"

namespace greenplan {

// SHA-256 digests, as 64 lower-case hexadecimal characters. Pure functions, thread-safe.

// Returns the digest of any bytes.
std::string Sha256Hex(absl::string_view bytes);

// Returns the digest of the profile's deterministic binary serialization. O(size of the profile).
std::string ProfileDigest(const v1::ModelProfile& profile);

// Returns FailedPrecondition, naming `field`, unless `digest` is `profile_digest`.
absl::Status CheckProfileDigest(absl::string_view field, absl::string_view digest, absl::string_view profile_digest);

// Returns a digest that is equal if and only if two ranks hold the same plan. It is the digest of these bytes, with
// integers and doubles in little-endian order:
//
//   the characters of profile_digest, preceded by their number (uint64);
//   method, the enum's number (uint32);
//   the bytes of trainable, preceded by their number (uint64);
//   the IEEE 754 binary64 bits of drop_rates, preceded by their number (uint64).
std::string PlanDigest(const v1::Plan& plan);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_DIGEST_H_
