#include "planner/rpc/small_request.h"

#include "absl/strings/str_cat.h"

namespace greenplan {

absl::Status CheckIsSmall(int64_t wire_bytes) {
  constexpr int64_t kMostBytes = 16 << 10;
  if (wire_bytes <= kMostBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the request has ", wire_bytes, " bytes; allowed: at most ", kMostBytes, " for this RPC"));
}

absl::Status NotThatMessage() {
  return absl::InvalidArgumentError("the request is no message of the type that this RPC takes");
}

}  // namespace greenplan
