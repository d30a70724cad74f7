#ifndef GREENPLAN_PLANNER_FLAGS_LAYERED_CONFIG_H_
#define GREENPLAN_PLANNER_FLAGS_LAYERED_CONFIG_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "CLI/App.hpp"

namespace greenplan {

// The environment variable of a flag: GREENPLAN_DATA_DIR for --data-dir. Empty for a flag that has none, as --help.
std::string EnvironmentNameOf(const CLI::Option& option);
// Its value; empty if it is not set.
std::string EnvironmentValueOf(const CLI::Option& option);

// Lets CLI11 read the environment for every flag of `app`, not of its commands.
void BindEnvironment(CLI::App& app);

// Reads the file of --config and puts CLI11's order right: CLI11 asks the environment only for flags that the file has
// left unset, so the keys that the environment sets are taken out of the file here.
// The keys of a file may belong to `root` or to any of its commands; those of commands that were not named are skipped.
class LayeredConfig : public CLI::ConfigBase {
 public:
  // `root` must outlive it.
  explicit LayeredConfig(const CLI::App& root) : root_(root) {}

  // Throws CLI::ConfigError for what is no TOML, and for a key that is no flag.
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;

 private:
  std::string path() const;
  void CheckKey(const std::string& key) const;

  const CLI::App& root_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FLAGS_LAYERED_CONFIG_H_
