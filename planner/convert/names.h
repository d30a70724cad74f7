#ifndef GREENPLAN_PLANNER_CONVERT_NAMES_H_
#define GREENPLAN_PLANNER_CONVERT_NAMES_H_

#include <string>

#include "greenplan/v1/plan.pb.h"
#include "planner/core/plan.h"

namespace greenplan {

// Enums as flags, JSON, reports and error messages spell them: "selection", "exact", "OPTIMAL".
// Pure functions, thread-safe. A number that the protocol does not know gives an empty name.
std::string MethodName(v1::Method method);
std::string MethodName(Method method);
std::string AlgorithmName(v1::Algorithm algorithm);
std::string StatusName(v1::PlanStatus status);
std::string StatusName(PlanStatus status);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_NAMES_H_
