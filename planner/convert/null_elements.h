#ifndef GREENPLAN_PLANNER_CONVERT_NULL_ELEMENTS_H_
#define GREENPLAN_PLANNER_CONVERT_NULL_ELEMENTS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// Refuses a null as an element of an array: protobuf's parser leaves such elements out, which would give all that
// follow the places of their neighbours. `json` must be a text that the parser takes.
//
// InvalidArgument: "importance[3] is null; allowed: a value". Thread-safe; linear in the text.
absl::Status RefuseNullElements(absl::string_view json);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_NULL_ELEMENTS_H_
