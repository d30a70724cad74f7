#include "planner/flags/parse_errors.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "planner/flags/layered_config.h"

namespace greenplan {
namespace {

// What a flag takes, by the name that CLI11 gives the type of its variable.
absl::string_view AllowedBy(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (absl::StartsWith(type, "FLOAT")) return "a number";
  if (absl::StartsWith(type, "UINT")) return "an integer >= 0";
  if (absl::StartsWith(type, "INT")) return "an integer";
  if (absl::StartsWith(type, "BOOLEAN") || option.get_expected_min() == 0) return "true or false";
  return "what --help says";
}

// "The value came from the command line": the arguments spell the flag.
bool Spells(const std::vector<std::string>& arguments, const std::string& flag) {
  return std::any_of(arguments.begin(), arguments.end(), [&flag](const std::string& argument) {
    return argument == flag || absl::StartsWith(argument, flag + "=");
  });
}

// The flag as its user wrote it: --budget, GREENPLAN_BUDGET, or budget of a file.
std::string SourceOf(const CLI::App& app, const std::string& flag, const std::vector<std::string>& arguments) {
  const CLI::Option* option = app.get_option_no_throw(flag);
  for (const CLI::App* command : app.get_subcommands()) {
    if (option == nullptr) option = command->get_option_no_throw(flag);
  }
  if (option == nullptr || Spells(arguments, flag)) return flag;
  if (!EnvironmentValueOf(*option).empty()) return EnvironmentNameOf(*option);
  const CLI::Option* config = app.get_config_ptr();
  if (config->empty()) return flag;
  return absl::StrCat(config->as<std::string>(), ": ", option->get_lnames().front());
}

// "FLAG: what" -> "FLAG what", with the flag as its user wrote it.
std::string ValidationMessage(const CLI::App& app, const std::string& what, const std::vector<std::string>& arguments) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(what, absl::MaxSplits(": ", 1));
  return absl::StrCat(SourceOf(app, parts.first, arguments), " ", parts.second);
}

// "Could not convert: FLAG = VALUE" -> "FLAG is VALUE; allowed: ...".
std::string ConversionMessage(const CLI::App& app, const std::string& what, const std::vector<std::string>& arguments) {
  absl::string_view rest = what;
  if (!absl::ConsumePrefix(&rest, "Could not convert: ")) return what;
  const std::pair<std::string, std::string> parts = absl::StrSplit(rest, absl::MaxSplits(" = ", 1));
  const CLI::Option* option = app.get_option_no_throw(parts.first);
  for (const CLI::App* command : app.get_subcommands()) {
    if (option == nullptr) option = command->get_option_no_throw(parts.first);
  }
  return absl::StrCat(SourceOf(app, parts.first, arguments), " is ", parts.second,
                      "; allowed: ", option == nullptr ? "what --help says" : AllowedBy(*option));
}

std::string CommandsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return absl::StrJoin(names, ", ");
}

// "FLAG: At Most 1 required but received 2", or "FLAG: 1 required TEXT missing".
std::string CountMessage(const CLI::App& app, const std::string& what, const std::vector<std::string>& arguments) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(what, absl::MaxSplits(": ", 1));
  const std::string source = SourceOf(app, parts.first, arguments);
  if (absl::StrContains(parts.second, "At Most 1 required")) return source + " has several values; allowed: one";
  if (absl::StrContains(parts.second, "missing")) return source + " has no value; see --help";
  return what;
}

}  // namespace

std::string ParseErrorMessage(const CLI::App& app, const CLI::ParseError& error,
                              const std::vector<std::string>& arguments) {
  const std::string what = error.what();
  if (dynamic_cast<const CLI::ValidationError*>(&error) != nullptr) return ValidationMessage(app, what, arguments);
  if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr) return ConversionMessage(app, what, arguments);
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) return CountMessage(app, what, arguments);
  if (dynamic_cast<const CLI::FileError*>(&error) != nullptr) {
    return absl::StrCat("--config is ", app.get_config_ptr()->as<std::string>(), "; allowed: a readable file");
  }
  // A misspelt flag is more to the point than what is missing because of it.
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  const bool needs_command = what == "A subcommand is required";
  if (!unknown.empty()) {
    const bool is_command = needs_command && !absl::StartsWith(unknown.front(), "-");
    return is_command ? absl::StrCat("unknown command ", unknown.front(), "; allowed: ", CommandsOf(app))
                      : absl::StrCat("unknown argument ", unknown.front(), "; see --help");
  }
  if (needs_command) return absl::StrCat("a command is required; allowed: ", CommandsOf(app));
  return what;
}

void CheckIntegers(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const std::string type = option->get_type_name();
    const bool is_unsigned = absl::StartsWith(type, "UINT");
    if (!is_unsigned && !absl::StartsWith(type, "INT")) continue;
    option->check([is_unsigned](const std::string& text) {
      int64_t value = 0;
      uint64_t unsigned_value = 0;
      const bool ok = is_unsigned ? absl::SimpleAtoi(text, &unsigned_value) : absl::SimpleAtoi(text, &value);
      return ok ? "" : absl::StrCat("is ", text, "; allowed: ", is_unsigned ? "an integer >= 0" : "an integer");
    });
  }
}

}  // namespace greenplan
