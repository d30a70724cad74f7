#ifndef GREENPLAN_PLANNER_CORE_VERSION_H_
#define GREENPLAN_PLANNER_CORE_VERSION_H_

namespace greenplan {

// Of all programs and libraries.
inline constexpr char kVersion[] = "0.1.0";

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_VERSION_H_
