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

// The same of `root` or any of its commands, named or not.
const CLI::Option* FlagOfAny(const CLI::App& root, const std::string& name) {
  const CLI::Option* option = FlagOf(root, name);
  for (const CLI::App* command : root.get_subcommands(nullptr)) {
    if (option == nullptr) option = FlagOf(*command, name);
  }
  return option;
}

// What is wrong with the number of values, empty if nothing is. A list may be empty; CLI11 says the rest.
std::string CountError(const CLI::Option& option, size_t count) {
  const bool is_switch = option.get_expected_min() == 0;
  if (is_switch && count != 1) return absl::StrCat(" has ", count, " values; allowed: true or false");
  if (count == 0 && option.get_expected_max() <= 1) return " has no value; allowed: one";
  return "";
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

std::string LayeredConfig::PlaceOf(const CLI::Option& option) const {
  const std::string key = option.get_lnames().empty() ? "" : option.get_lnames().front();
  const auto line = lines_.find(key);
  return line == lines_.end() ? "" : absl::StrCat(path(), ": line ", line->second, ": ", key);
}

std::vector<CLI::ConfigItem> LayeredConfig::from_config(std::istream& input) const {
  const std::string text{std::istreambuf_iterator<char>(input), std::istreambuf_iterator<char>()};
  auto entries = ParseToml(text);
  if (!entries.ok()) throw CLI::ConfigError(absl::StrCat(path(), ": ", entries.status().message()));
  std::vector<CLI::ConfigItem> kept;
  for (TomlEntry& entry : *entries) {
    const CLI::Option* option = FlagOfAny(root_, entry.key);
    if (option == nullptr) {
      throw CLI::ConfigError(absl::StrCat(path(), ": line ", entry.line, ": unknown key ", entry.key,
                                          "; allowed: the long flag names, see ", root_.get_name(), " --help"));
    }
    lines_[entry.key] = entry.line;
    const std::string error = CountError(*option, entry.values.size());
    if (!error.empty()) throw CLI::ConfigError(PlaceOf(*option) + error);

    CLI::ConfigItem item;
    option = FlagOf(root_, entry.key);
    for (const CLI::App* command : root_.get_subcommands()) {
      if (option != nullptr) break;
      option = FlagOf(*command, entry.key);
      if (option != nullptr) item.parents = {command->get_name()};
    }
    if (option == nullptr || entry.values.empty() || !EnvironmentValueOf(*option).empty()) continue;
    item.name = std::move(entry.key);
    item.inputs = std::move(entry.values);
    kept.push_back(std::move(item));
  }
  return kept;
}

}  // namespace greenplan
