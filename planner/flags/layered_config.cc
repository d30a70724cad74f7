#include "planner/flags/layered_config.h"

#include <cstdlib>

#include "CLI/Config.hpp"
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

void LayeredConfig::CheckKey(const CLI::ConfigItem& item) const {
  if (!item.parents.empty()) {
    throw CLI::ConfigError(absl::StrCat(path(), ": ", absl::StrJoin(item.parents, "."),
                                        " is a table; allowed: long flag names as keys, without tables"));
  }
  if (FlagOf(root_, item.name) != nullptr) return;
  for (const CLI::App* command : root_.get_subcommands(nullptr)) {
    if (FlagOf(*command, item.name) != nullptr) return;
  }
  throw CLI::ConfigError(absl::StrCat(path(), ": unknown key ", item.name, "; allowed: the long flag names, see ",
                                      root_.get_name(), " --help"));
}

std::vector<CLI::ConfigItem> LayeredConfig::from_config(std::istream& input) const {
  std::vector<CLI::ConfigItem> kept;
  for (CLI::ConfigItem& item : CLI::ConfigBase::from_config(input)) {
    CheckKey(item);
    const CLI::Option* option = FlagOf(root_, item.name);
    for (const CLI::App* command : root_.get_subcommands()) {
      if (option != nullptr) break;
      option = FlagOf(*command, item.name);
      if (option != nullptr) item.parents = {command->get_name()};
    }
    if (option != nullptr && EnvironmentValueOf(*option).empty()) kept.push_back(std::move(item));
  }
  return kept;
}

}  // namespace greenplan
