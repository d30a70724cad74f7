#include "planner/flags/layered_config.h"

#include <algorithm>
#include <cstdlib>
#include <istream>
#include <iterator>
#include <utility>

#include "CLI/Config.hpp"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace greenplan {
namespace {

// The flag of that long name which a file may set, or null.
const CLI::Option* FlagOf(const CLI::App& app, const std::string& name) {
  const CLI::Option* option = app.get_option_no_throw("--" + name);
  return option != nullptr && !EnvironmentNameOf(*option).empty() ? option : nullptr;
}

// The same of `app` or any command below it, named or not.
const CLI::Option* FlagOfAny(const CLI::App& app, const std::string& name) {
  const CLI::Option* option = FlagOf(app, name);
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (option == nullptr) option = FlagOfAny(*command, name);
  }
  return option;
}

// The commands below `root` that were named: one, or a group and one of its commands.
std::vector<const CLI::App*> NamedCommands(const CLI::App& root) {
  std::vector<const CLI::App*> named;
  for (const CLI::App* command : root.get_subcommands()) {
    named.push_back(command);
    const std::vector<const CLI::App*> below = NamedCommands(*command);
    named.insert(named.end(), below.begin(), below.end());
  }
  return named;
}

// The names that lead from `root` to `command`, both ends included but for the root.
std::vector<std::string> PathOf(const CLI::App& command, const CLI::App& root) {
  std::vector<std::string> path;
  for (const CLI::App* app = &command; app != &root; app = app->get_parent()) path.push_back(app->get_name());
  std::reverse(path.begin(), path.end());
  return path;
}

// The command of that name, or null.
const CLI::App* FindCommand(const CLI::App& root, const std::string& name) {
  for (const CLI::App* command : root.get_subcommands(nullptr)) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

std::string CommandNames(const CLI::App& root) {
  std::vector<std::string> names;
  for (const CLI::App* command : root.get_subcommands(nullptr)) names.push_back(command->get_name());
  return absl::StrJoin(names, ", ");
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

const CLI::Option* LayeredConfig::FindFlag(const TomlEntry& entry) const {
  const auto fail = [&](const std::string& what) {
    return CLI::ConfigError(absl::StrCat(path(), ": line ", entry.line, ": ", what));
  };
  const CLI::App* command = entry.table.empty() ? nullptr : FindCommand(root_, entry.table);
  if (!entry.table.empty() && command == nullptr) {
    throw fail(absl::StrCat("unknown table ", entry.table,
                            "; allowed: keys without a table, or in one with the name of ",
                            "a command: ", CommandNames(root_)));
  }
  const CLI::Option* option = FlagOfAny(command == nullptr ? root_ : *command, entry.key);
  if (option == nullptr) {
    throw fail(absl::StrCat("unknown key ", entry.key, "; allowed: the long flag names, see ", root_.get_name(),
                            command == nullptr ? "" : " " + command->get_name(), " --help"));
  }
  return option;
}

std::vector<CLI::ConfigItem> LayeredConfig::from_config(std::istream& input) const {
  const std::string text{std::istreambuf_iterator<char>(input), std::istreambuf_iterator<char>()};
  auto entries = ParseToml(text);
  if (!entries.ok()) throw CLI::ConfigError(absl::StrCat(path(), ": ", entries.status().message()));
  // Keys in tables first, because they count more.
  std::stable_partition(entries->begin(), entries->end(), [](const TomlEntry& entry) { return !entry.table.empty(); });
  absl::flat_hash_set<const CLI::Option*> seen;
  std::vector<CLI::ConfigItem> kept;
  for (TomlEntry& entry : *entries) {
    const CLI::Option* declared = FindFlag(entry);
    lines_.try_emplace(entry.key, entry.line);
    const std::string error = CountError(*declared, entry.values.size());
    if (!error.empty()) {
      throw CLI::ConfigError(absl::StrCat(path(), ": line ", entry.line, ": ", entry.key, error));
    }
    CLI::ConfigItem item;
    const CLI::Option* option = entry.table.empty() ? FlagOf(root_, entry.key) : nullptr;
    for (const CLI::App* command : NamedCommands(root_)) {
      if (option != nullptr) break;
      std::vector<std::string> path = PathOf(*command, root_);
      if (!entry.table.empty() && entry.table != path.front()) continue;
      option = FlagOf(*command, entry.key);
      if (option != nullptr) item.parents = std::move(path);
    }
    if (option == nullptr || !seen.insert(option).second) continue;
    if (entry.values.empty() || !EnvironmentValueOf(*option).empty()) continue;
    item.name = std::move(entry.key);
    item.inputs = std::move(entry.values);
    kept.push_back(std::move(item));
  }
  return kept;
}

}  // namespace greenplan
