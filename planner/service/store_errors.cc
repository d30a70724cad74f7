#include "planner/service/store_errors.h"

namespace greenplan {

absl::Status HideStoreError(const absl::Status& status, const StoreErrorLog& log) {
  if (log) log(status);
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return absl::UnavailableError("the planner's store cannot be reached; try again");
    case absl::StatusCode::kResourceExhausted:
      return absl::UnavailableError("the planner's store is full; try again once there is room");
    case absl::StatusCode::kDataLoss:
      return absl::InternalError("the planner's store is damaged; its log says where");
    default:
      return absl::InternalError("the planner's store failed; its log says how");
  }
}

}  // namespace greenplan
