#include "planner/flags/parse_errors.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

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

// `app` and the commands that were named, those of groups included.
std::vector<CLI::App*> ParsedApps(CLI::App& app) {
  std::vector<CLI::App*> apps = {&app};
  for (CLI::App* command : app.get_subcommands()) {
    for (CLI::App* parsed : ParsedApps(*command)) apps.push_back(parsed);
  }
  return apps;
}

// Whether the option's value came from the command line: the arguments spell it.
bool IsSpelled(const std::vector<std::string>& arguments, const std::string& flag) {
  return std::any_of(arguments.begin(), arguments.end(), [&flag](const std::string& argument) {
    return argument == flag || absl::StartsWith(argument, flag + "=");
  });
}

// The flag as its user wrote it.
std::string SourceOf(const CLI::Option& option, const LayeredConfig& config,
                     const std::vector<std::string>& arguments) {
  const std::string flag = option.get_name();
  if (IsSpelled(arguments, flag)) return flag;
  if (!EnvironmentValueOf(option).empty()) return EnvironmentNameOf(option);
  const std::string place = config.PlaceOf(option);
  return place.empty() ? flag : place;
}

// An option that does not take its values, and what it says of them.
struct Refusal {
  const CLI::Option* option;
  std::string what;
};

// CLI11 names the option of an error in its prose alone. So each option that was given is asked to take its values
// again: the one that refuses with the same code is meant. Absent for an error about no option's values.
std::optional<Refusal> FindRefusal(CLI::App& app, const CLI::ParseError& error) {
  for (CLI::App* parsed : ParsedApps(app)) {
    for (CLI::Option* option : parsed->get_options()) {
      if (option->empty()) continue;
      try {
        option->run_callback();
      } catch (const CLI::ParseError& again) {
        if (again.get_exit_code() == error.get_exit_code()) return Refusal{option, again.what()};
      }
    }
  }
  return std::nullopt;
}

std::string RefusalMessage(const Refusal& refusal, CLI::ExitCodes code, const std::string& source) {
  const CLI::Option& option = *refusal.option;
  if (code == CLI::ExitCodes::ArgumentMismatch) return source + " has several values; allowed: one";
  if (code == CLI::ExitCodes::ConversionError) {
    return absl::StrCat(source, " is ", absl::StrJoin(option.results(), " "), "; allowed: ", AllowedBy(option));
  }
  // Our validators say "is VALUE; allowed: ..."; CLI11 puts the name before it.
  return absl::StrCat(source, " ", absl::StripPrefix(refusal.what, option.get_name() + ": "));
}

std::string CommandsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return absl::StrJoin(names, ", ");
}

// What is missing, or what is there and is no flag: a misspelt flag is more to the point than what is missing because
// of it.
std::string IncompleteMessage(CLI::App& app) {
  const CLI::Option* missing = nullptr;
  const std::vector<CLI::App*> parsed_apps = ParsedApps(app);
  for (CLI::App* parsed : parsed_apps) {
    for (const CLI::Option* option : parsed->get_options()) {
      if (missing == nullptr && option->get_required() && option->empty()) missing = option;
    }
  }
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  const CLI::App& last = *parsed_apps.back();
  const bool needs_command = last.get_subcommands().size() < last.get_require_subcommand_min();
  if (!unknown.empty()) {
    const bool is_command = needs_command && !absl::StartsWith(unknown.front(), "-");
    return is_command ? absl::StrCat("unknown command ", unknown.front(), "; allowed: ", CommandsOf(last))
                      : absl::StrCat("unknown argument ", unknown.front(), "; see --help");
  }
  if (missing != nullptr) return missing->get_name() + " is required";
  return absl::StrCat(&last == &app ? "a command" : absl::StrCat("a command of ", last.get_name()),
                      " is required; allowed: ", CommandsOf(last));
}

}  // namespace

std::string ParseErrorMessage(CLI::App& app, const LayeredConfig& config, const CLI::ParseError& error,
                              const std::vector<std::string>& arguments) {
  const auto code = static_cast<CLI::ExitCodes>(error.get_exit_code());
  switch (code) {
    case CLI::ExitCodes::ValidationError:
    case CLI::ExitCodes::ConversionError:
    case CLI::ExitCodes::ArgumentMismatch: {
      const std::optional<Refusal> refusal = FindRefusal(app, error);
      if (refusal.has_value()) {
        return RefusalMessage(*refusal, code, SourceOf(*refusal->option, config, arguments));
      }
      // The command line ended where a value was due.
      if (code == CLI::ExitCodes::ArgumentMismatch && !arguments.empty()) {
        const std::string& last = arguments.back();
        return last.substr(0, last.find('=')) + " has no value; see --help";
      }
      return error.what();
    }
    case CLI::ExitCodes::FileError:
      return absl::StrCat("--config is ", config.path(), "; allowed: a readable file");
    case CLI::ExitCodes::RequiredError:
    case CLI::ExitCodes::ExtrasError:
      return IncompleteMessage(app);
    default:
      return error.what();  // ConfigError: LayeredConfig's own words.
  }
}

std::string WithSource(CLI::App& app, const LayeredConfig& config, const std::string& message,
                       const std::vector<std::string>& arguments) {
  const size_t end = message.find_first_of(" :");
  if (!absl::StartsWith(message, "--") || end == std::string::npos) return message;
  const std::string flag = message.substr(0, end);
  for (CLI::App* parsed : ParsedApps(app)) {
    const CLI::Option* option = parsed->get_option_no_throw(flag);
    if (option == nullptr || option->empty()) continue;
    return SourceOf(*option, config, arguments) + message.substr(end);
  }
  return message;
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
