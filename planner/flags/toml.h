#ifndef GREENPLAN_PLANNER_FLAGS_TOML_H_
#define GREENPLAN_PLANNER_FLAGS_TOML_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// One `key = value` of a TOML file.
struct TomlEntry {
  std::string key;
  std::vector<std::string> values;  // As a command line would have them; an array has any number, all else one.
  int line = 0;                     // From 1.
};

// The part of TOML that a file of flags needs: keys without dots, strings on one line, numbers, booleans, arrays of
// these (over several lines too), comments. Pure function, thread-safe.
// InvalidArgument for anything else, and for a key that stands twice: "line 3: ...".
absl::StatusOr<std::vector<TomlEntry>> ParseToml(absl::string_view text);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FLAGS_TOML_H_
