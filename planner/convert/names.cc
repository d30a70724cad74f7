#include "planner/convert/names.h"

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace greenplan {
namespace {

std::string NameWithout(absl::string_view prefix, const std::string& name) {
  return std::string(absl::StripPrefix(name, prefix));
}

}  // namespace

std::string MethodName(v1::Method method) {
  return absl::AsciiStrToLower(NameWithout("METHOD_", v1::Method_Name(method)));
}

std::string AlgorithmName(v1::Algorithm algorithm) {
  return absl::AsciiStrToLower(NameWithout("ALGORITHM_", v1::Algorithm_Name(algorithm)));
}

std::string StatusName(v1::PlanStatus status) { return NameWithout("PLAN_STATUS_", v1::PlanStatus_Name(status)); }

std::string MethodName(Method method) {
  switch (method) {
    case Method::kFull:
      return MethodName(v1::METHOD_FULL);
    case Method::kSelection:
      return MethodName(v1::METHOD_SELECTION);
    case Method::kDrop:
      return MethodName(v1::METHOD_DROP);
    case Method::kJoint:
      return MethodName(v1::METHOD_JOINT);
  }
  return "";
}

std::string StatusName(PlanStatus status) {
  switch (status) {
    case PlanStatus::kOptimal:
      return StatusName(v1::PLAN_STATUS_OPTIMAL);
    case PlanStatus::kFeasible:
      return StatusName(v1::PLAN_STATUS_FEASIBLE);
    case PlanStatus::kEmpty:
      return StatusName(v1::PLAN_STATUS_EMPTY);
  }
  return "";
}

}  // namespace greenplan
