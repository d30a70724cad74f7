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
  int line = 0;                     // Of the value, from 1.
};

// The flags in a TOML file, in the order of the file. A flag is text, a number, a boolean, or an array of these;
// numbers are written so that reading them gives the same value. Pure function, thread-safe. InvalidArgument, beginning
// with "line 3: ", if the text is not TOML, if a key stands twice, and for a table or a date.
absl::StatusOr<std::vector<TomlEntry>> ParseToml(absl::string_view text);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FLAGS_TOML_H_
