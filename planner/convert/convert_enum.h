#ifndef GREENPLAN_PLANNER_CONVERT_CONVERT_ENUM_H_
#define GREENPLAN_PLANNER_CONVERT_CONVERT_ENUM_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {

// Returns the value of core that an enum of the protocol stands for: `map` has one entry for each of its numbers, 0
// being the default. InvalidArgument, naming `field`, for any other number. Thread-safe.
template <typename CoreEnum, typename ProtoEnum, size_t kSize>
absl::StatusOr<CoreEnum> EnumFromProto(absl::string_view field, ProtoEnum value, const CoreEnum (&map)[kSize]) {
  const int number = static_cast<int>(value);
  if (number >= 0 && number < static_cast<int>(kSize)) return map[number];
  return InvalidArgument(field, " is ", number, "; allowed: a number from 0 to ", kSize - 1);
}

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_CONVERT_ENUM_H_
