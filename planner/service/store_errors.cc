#include "planner/service/store_errors.h"

namespace greenplan {

absl::Status HideStoreError(const absl::Status& status, const StoreErrorLog& log) {
  if (log) log(status);
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return absl::UnavailableError("the planner's store cannot be reached; try again");
    case absl::StatusCode::kResourceExhausted:
      return absl::UnavailableError("the planner's store is full; try again once there is room");
    // A disk that has become read-only, a password that has changed: the operator mends it while clients try again.
    case absl::StatusCode::kFailedPrecondition:
      return absl::UnavailableError("the planner's store cannot be used now; try again");
    case absl::StatusCode::kDataLoss:
      return absl::InternalError("the planner's store is damaged; its log says where");
    default:
      return absl::InternalError("the planner's store failed; its log says how");
  }
}

}  // namespace greenplan
