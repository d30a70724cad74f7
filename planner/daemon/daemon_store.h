#ifndef GREENPLAN_PLANNER_DAEMON_DAEMON_STORE_H_
#define GREENPLAN_PLANNER_DAEMON_DAEMON_STORE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "planner/daemon/daemon.h"
#include "planner/store/open_store.h"
#include "planner/store/store.h"

namespace greenplan {

// Which store --store and --data-dir name. Opens nothing. InvalidArgument: --store is malformed, or both are given.
absl::StatusOr<StoreUri> StoreOf(const DaemonOptions& options);

// Opens the store, and makes the folder of --data-dir if need be. Errors name the flag or the file: see StoreUri::Open.
absl::StatusOr<std::unique_ptr<Store>> OpenStoreOf(const DaemonOptions& options, const StoreUri& uri);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_DAEMON_STORE_H_
