#ifndef GREENPLAN_PLANNER_DAEMON_DAEMON_STORE_H_
#define GREENPLAN_PLANNER_DAEMON_DAEMON_STORE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "planner/daemon/daemon.h"
#include "planner/store/open_store.h"
#include "planner/store/store.h"

namespace greenplan {

// Returns the store that --store or --data-dir names, without opening it. InvalidArgument if --store is malformed or
// both are given.
absl::StatusOr<StoreUri> StoreOf(const DaemonOptions& options);

// Opens the store. Makes the folder of --data-dir if it is missing. Errors are those of StoreUri::Open and name the
// flag or the file.
absl::StatusOr<std::unique_ptr<Store>> OpenStoreOf(const DaemonOptions& options, const StoreUri& uri);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_DAEMON_STORE_H_
