#include "planner/flags/layered_config.h"

#include <cstdlib>
#include <istream>
#include <iterator>
#include <utility>

#include "CLI/Config.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "planner/flags/toml.h"

namespace greenplan {
namespace {

// The flag of that long name which a file may set, or null.
const CLI::Option* FlagOf(const CLI::App& app, const std::string& name) {
  const CLI::Option* option = app.get_option_no_throw("--" + name);
  return option != nullptr && !EnvironmentNameOf(*option).empty() ? option : nullptr;
}

}  // namespace

std::string EnvironmentNameOf(const CLI::Option& option) {
  if (option.get_lnames().empty() || !option.get_configurable()) return "";
  return absl::StrCat("GREENPLAN_",
                      absl::AsciiStrToUpper(absl::StrReplaceAll(option.get_lnames().front(), {{"-", "_"}})));
}

std::string EnvironmentValueOf(const CLI::Option& option) {
  const char* value = std::getenv(EnvironmentNameOf(option).c_str());
  return value == nullptr ? "" : value;
}

void BindEnvironment(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) option->envname(EnvironmentNameOf(*option));
}

std::string LayeredConfig::path() const { return root_.get_config_ptr()->as<std::string>(); }

void LayeredConfig::CheckKey(const std::string& key) const {
  if (FlagOf(root_, key) != nullptr) return;
  for (const CLI::App* command : root_.get_subcommands(nullptr)) {
    if (FlagOf(*command, key) != nullptr) return;
  }
  throw CLI::ConfigError(
      absl::StrCat(path(), ": unknown key ", key, "; allowed: the long flag names, see ", root_.get_name(), " --help"));
}

std::vector<CLI::ConfigItem> LayeredConfig::from_config(std::istream& input) const {
  const std::string text{std::istreambuf_iterator<char>(input), std::istreambuf_iterator<char>()};
  auto entries = ParseToml(text);
  if (!entries.ok()) throw CLI::ConfigError(absl::StrCat(path(), ": ", entries.status().message()));
  std::vector<CLI::ConfigItem> kept;
  for (TomlEntry& entry : *entries) {
    CheckKey(entry.key);
    CLI::ConfigItem item;
    const CLI::Option* option = FlagOf(root_, entry.key);
    for (const CLI::App* command : root_.get_subcommands()) {
      if (option != nullptr) break;
      option = FlagOf(*command, entry.key);
      if (option != nullptr) item.parents = {command->get_name()};
    }
    if (option == nullptr || !EnvironmentValueOf(*option).empty()) continue;
    item.name = std::move(entry.key);
    item.inputs = std::move(entry.values);
    kept.push_back(std::move(item));
  }
  return kept;
}

}  // namespace greenplan
