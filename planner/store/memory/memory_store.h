#ifndef GREENPLAN_PLANNER_STORE_MEMORY_MEMORY_STORE_H_
#define GREENPLAN_PLANNER_STORE_MEMORY_MEMORY_STORE_H_

#include <memory>

#include "planner/store/store.h"

namespace greenplan {

// Returns a store that keeps everything in memory, for tests and for trying things out. Nothing outlives the store.
std::unique_ptr<Store> NewMemoryStore();

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_MEMORY_MEMORY_STORE_H_
