#ifndef GREENPLAN_PLANNER_FLAGS_LAYERED_CONFIG_H_
#define GREENPLAN_PLANNER_FLAGS_LAYERED_CONFIG_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/container/flat_hash_map.h"
#include "planner/flags/toml.h"

namespace greenplan {

// Returns the environment variable of a flag, such as GREENPLAN_DATA_DIR for --data-dir. Empty for a flag that has
// none, such as --help.
std::string EnvironmentNameOf(const CLI::Option& option);
// Returns the value of that variable; empty if it is not set.
std::string EnvironmentValueOf(const CLI::Option& option);

// Lets CLI11 read the environment for every flag of `app`. The flags of its commands are not included.
void BindEnvironment(CLI::App& app);

// Reads the file of --config and puts CLI11's order right: CLI11 asks the environment only for flags that the file has
// left unset, so the keys that the environment sets are taken out of the file here.
// The keys of a file may belong to `root` or to any of its commands; those of commands that were not named are skipped.
// A key in a table [plan] belongs to the command of that name alone and counts more than one without a table; a table
// with the name of a group holds keys of its commands.
class LayeredConfig : public CLI::ConfigBase {
 public:
  // `root` must outlive it.
  explicit LayeredConfig(const CLI::App& root) : root_(root) {}

  // Throws CLI::ConfigError, which names the file and the line, if the file is not TOML, a key is not a flag, or a flag
  // has the wrong number of values.
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;

  // Returns the path of the file, or an empty string if no file is named.
  std::string path() const;
  // Returns "FILE: line 3: budget" if the file sets the flag, otherwise an empty string.
  std::string PlaceOf(const CLI::Option& option) const;

 private:
  // Returns the flag that a key of the file stands for. Throws CLI::ConfigError if there is none.
  const CLI::Option* FindFlag(const TomlEntry& entry) const;

  const CLI::App& root_;
  mutable absl::flat_hash_map<std::string, int> lines_;  // Of the keys; CLI11 declares from_config const.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FLAGS_LAYERED_CONFIG_H_
