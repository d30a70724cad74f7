#ifndef GREENPLAN_PLANNER_FLAGS_TOML_H_
#define GREENPLAN_PLANNER_FLAGS_TOML_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// One `key = value` pair of a TOML file.
struct TomlEntry {
  std::string table;  // The table that the pair stands in; empty for the top level.
  std::string key;
  std::vector<std::string> values;  // As a command line would have them; an array has any number, all else one.
  int line = 0;                     // Of the value, from 1.
};

// Returns the flags in the text of a TOML file, in the order of the file. They stand at the top level or in tables,
// which hold no tables of their own. A byte order mark at the beginning is skipped. The value of a flag is text, a
// number, a boolean, or an array of these. A number becomes a text that reads back as the same number. InvalidArgument:
// the text is not TOML, a key appears twice, or a value is a date, an array of tables or a table in a table. The
// message begins with "line 3: ". Thread-safe.
//
//   ParseToml("budget = 0.5")  // One entry: key "budget", values {"0.5"}, line 1.
absl::StatusOr<std::vector<TomlEntry>> ParseToml(absl::string_view text);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FLAGS_TOML_H_
