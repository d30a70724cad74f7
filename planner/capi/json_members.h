#ifndef GREENPLAN_PLANNER_CAPI_JSON_MEMBERS_H_
#define GREENPLAN_PLANNER_CAPI_JSON_MEMBERS_H_

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// Splits the text of a JSON object into its members, {"a": 1, "b": [2]} into ("a", "1") and ("b", "[2]"), without
// reading the values: each is then read once, by the parser of its own kind. So a value may still be malformed, and a
// key is returned as it is written, escapes included. The views point into `text`.
//
// InvalidArgument unless the text is an object whose strings and brackets end. O(text), one pass. Thread-safe.
absl::StatusOr<std::vector<std::pair<absl::string_view, absl::string_view>>> JsonMembers(absl::string_view text);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CAPI_JSON_MEMBERS_H_
