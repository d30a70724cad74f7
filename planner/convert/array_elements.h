#ifndef GREENPLAN_PLANNER_CONVERT_ARRAY_ELEMENTS_H_
#define GREENPLAN_PLANNER_CONVERT_ARRAY_ELEMENTS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// Refuses elements of arrays that protobuf's JSON parser takes and that would give all that follow the places of their
// neighbours: a null, which the parser leaves out, and an array, whose elements it takes as if they stood there. `json`
// must be a text that the parser takes.
//
// InvalidArgument: "importance[3] is null; allowed: a value". Thread-safe; linear in the text.
absl::Status CheckArrayElements(absl::string_view json);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_ARRAY_ELEMENTS_H_
