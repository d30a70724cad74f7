#ifndef GREENPLAN_PLANNER_SERVICE_STORE_ERRORS_H_
#define GREENPLAN_PLANNER_SERVICE_STORE_ERRORS_H_

#include <functional>

#include "absl/status/status.h"

namespace greenplan {

// Receives every error of the store as it is, with the file or host that it names. Called on the thread of the call
// that failed, and from many threads at once.
using StoreErrorLog = std::function<void(const absl::Status&)>;

// Returns what a client may know of an error of the store: that it happened and whether to try again, but not where.
// `log`, which may be empty, is told everything. Unavailable if the store cannot be reached, cannot be
// used for now or is full, Internal otherwise. REQUIRES: `status` is not OK, and not an answer such as NotFound or
// AlreadyExists that the caller gives a meaning to.
absl::Status HideStoreError(const absl::Status& status, const StoreErrorLog& log);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_STORE_ERRORS_H_
