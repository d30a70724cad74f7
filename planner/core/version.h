#ifndef GREENPLAN_PLANNER_CORE_VERSION_H_
#define GREENPLAN_PLANNER_CORE_VERSION_H_

namespace greenplan {

// The version of all programs and libraries of the project. CHANGELOG.md lists what each version changed.
inline constexpr char kVersion[] = "0.1.0";

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_VERSION_H_
