#ifndef GREENPLAN_PLANNER_CORE_TESTING_SMALL_STACK_H_
#define GREENPLAN_PLANNER_CORE_TESTING_SMALL_STACK_H_

#include <functional>

namespace greenplan {

// For tests: runs `what` on a thread with a stack of 256 KiB and waits for it. What recurses per op dies there.
void RunOnSmallStack(const std::function<void()>& what);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_TESTING_SMALL_STACK_H_
