#ifndef GREENPLAN_PLANNER_STORE_METERED_STORE_H_
#define GREENPLAN_PLANNER_STORE_METERED_STORE_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "planner/store/store.h"

namespace greenplan {

// Is told after each call of a store the method (such as "AddReport"), how it ended, and how long it took. It is called
// on the thread of the call, and from many threads at once.
using StoreMeter = std::function<void(absl::string_view method, absl::StatusCode code, absl::Duration duration)>;

// Returns a store that does what `store` does and tells `meter` of every call except Subscribe. `store` must outlive
// it.
std::unique_ptr<Store> NewMeteredStore(Store* store, StoreMeter meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_METERED_STORE_H_
