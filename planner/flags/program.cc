#include "planner/flags/program.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <utility>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/stubs/logging.h"
#include "planner/flags/layered_config.h"
#include "planner/flags/parse_errors.h"

namespace greenplan {
namespace {

std::string Footer(const std::string& example) { return absl::StrCat("Example:\n  ", example); }

void PrintVersion(const std::string& program, const std::string& format) {
  if (format == "json") {
    std::cout << "{\"program\":\"" << program << "\",\"version\":\"" << kVersion << "\"}\n";
  } else if (format == "csv") {
    std::cout << "program,version\n" << program << "," << kVersion << "\n";
  } else {
    std::cout << program << " " << kVersion << "\n";
  }
}

// The arguments with --flag= as --flag and an empty value. CLI11 would take the next argument for its value.
std::vector<std::string> WithEmptyValues(const std::vector<std::string>& arguments) {
  std::vector<std::string> result;
  for (auto argument = arguments.begin(); argument != arguments.end(); ++argument) {
    if (*argument == "--") {
      result.insert(result.end(), argument, arguments.end());
      break;
    }
    const bool is_empty = absl::StartsWith(*argument, "--") && argument->find('=') == argument->size() - 1;
    result.push_back(is_empty ? argument->substr(0, argument->size() - 1) : *argument);
    if (is_empty) result.emplace_back();
  }
  return result;
}

CLI::App* AddVersion(CLI::App& app, const std::string& program, std::string& format) {
  CLI::App* version = app.add_subcommand("version", "Prints the version.");
  version->footer(Footer(program + " version --format json"));
  version->add_option("--format", format, "table, json or csv.")->check(OneOf({"table", "json", "csv"}));
  return version;
}

}  // namespace

Program::Program(std::string name, std::string description, const std::string& example)
    : name_(std::move(name)), app_(std::move(description), name_), config_(std::make_shared<LayeredConfig>(app_)) {
  // libprotobuf writes lines of its own to stderr, for instance about a string that is not UTF-8. What is wrong with a
  // message is said once, by who reads it.
  google::protobuf::SetLogHandler(nullptr);
  app_.footer(Footer(example));
  app_.get_help_ptr()->configurable(false);
  app_.set_config("--config", "", "TOML file of flag values; its keys are the long flag names.")
      ->configurable(false)
      ->type_name("FILE");
  app_.config_formatter(config_);
  app_.add_flag("--quiet", quiet_, "No progress and no remarks on stderr.");
  CLI::App* version = AddVersion(app_, name_, version_format_);
  commands_.push_back({version, [this] {
                         PrintVersion(name_, version_format_);
                         return absl::OkStatus();
                       }});
}

CLI::App& Program::AddCommandApp(CLI::App& parent, const std::string& name, const std::string& description,
                                 const std::string& example) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->footer(Footer(example));
  command->fallthrough();  // --config and --quiet may stand behind the command's name.
  parent.require_subcommand(1);
  return *command;
}

CLI::App& Program::AddCommand(const std::string& name, const std::string& description, const std::string& example,
                              std::function<absl::Status()> run) {
  CLI::App& app = AddCommandApp(app_, name, description, example);
  commands_.push_back({&app, std::move(run)});
  return app;
}

Program::Group Program::AddGroup(const std::string& name, const std::string& description, const std::string& example) {
  return Group(*this, AddCommandApp(app_, name, description, example));
}

int Program::Run(int argc, const char* const* argv, const std::function<absl::Status()>& run) {
  try {
    bool help_printed = false;
    if (const absl::Status status = Parse(argc, argv, help_printed); !status.ok() || help_printed) {
      return Finish(status);
    }
    const absl::Status status = Dispatch(run);
    const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    return Finish(absl::Status(status.code(), WithSource(app_, *config_, std::string(status.message()), arguments)));
  } catch (const std::exception& error) {
    return Finish(absl::InternalError(error.what()));
  }
}

void Program::PrepareFlags() {
  BindEnvironment(app_);
  CheckIntegers(app_);
  for (const NamedCommand& command : commands_) {
    CLI::App* command_app = command.app;
    command_app->preparse_callback([command_app](size_t) {
      BindEnvironment(*command_app);
      CheckIntegers(*command_app);
    });
    command_app->get_help_ptr()->configurable(false);
  }
}

absl::Status Program::Parse(int argc, const char* const* argv, bool& help_printed) {
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  // `version` works without the flags that the program requires.
  CLI::App version_only("", name_);
  version_only.require_subcommand(1);
  AddVersion(version_only, name_, version_format_);
  const bool is_version = !arguments.empty() && arguments.front() == "version";
  CLI::App& app = is_version ? version_only : app_;

  const char* config = std::getenv("GREENPLAN_CONFIG");
  const bool has_config_variable = !is_version && config != nullptr && *config != '\0';
  if (has_config_variable) app_.get_config_ptr()->default_str(config);
  PrepareFlags();
  try {
    std::vector<std::string> reversed = WithEmptyValues(arguments);  // As CLI11 takes them.
    std::reverse(reversed.begin(), reversed.end());
    app.parse(std::move(reversed));
  } catch (const CLI::Success& help) {
    app.exit(help);
    help_printed = true;
    return absl::OkStatus();
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(ParseErrorMessage(app, *config_, error, arguments));
  }
  if (is_version) {
    PrintVersion(name_, version_format_);
    help_printed = true;
  } else if (has_config_variable && app_.get_config_ptr()->empty()) {
    return absl::InvalidArgumentError(absl::StrCat("GREENPLAN_CONFIG is ", config, "; allowed: a readable file"));
  }
  return absl::OkStatus();
}

absl::Status Program::Dispatch(const std::function<absl::Status()>& run) const {
  for (const NamedCommand& command : commands_) {
    if (command.app->parsed()) return command.run();
  }
  return run == nullptr ? absl::OkStatus() : run();
}

int Program::Finish(const absl::Status& status) const {
  std::cout.flush();
  const bool is_written = std::cout.good() && std::fflush(stdout) == 0;
  if (!status.ok()) {
    std::cerr << format_error_(name_ + ": " + OneLine(status.message())) << std::endl;
    return ExitCode(status);
  }
  if (is_written) return 0;
  std::cerr << format_error_(name_ + ": stdout cannot be written") << std::endl;
  return 1;
}

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kResourceExhausted:  // Input beyond a limit on its size.
      return 2;
    default:
      return 1;
  }
}

std::string OneLine(absl::string_view message) {
  constexpr size_t kLongest = 2000;
  const std::vector<absl::string_view> lines = absl::StrSplit(message, absl::ByAnyChar("\r\n"), absl::SkipWhitespace());
  std::vector<absl::string_view> stripped;
  for (absl::string_view part : lines) stripped.push_back(absl::StripAsciiWhitespace(part));
  const std::string line = absl::StrJoin(stripped, " ");
  // Between two characters of UTF-8.
  size_t size = std::min(line.size(), kLongest);
  while (size > 0 && size < line.size() && (static_cast<unsigned char>(line[size]) & 0xc0) == 0x80) --size;
  std::string printable;
  for (const char c : absl::string_view(line).substr(0, size)) {
    if (absl::ascii_iscntrl(c)) {
      absl::StrAppend(&printable, "\\x", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    } else {
      printable.push_back(c);
    }
  }
  if (size < line.size()) printable += "...";
  return printable;
}

CLI::Validator OneOf(std::vector<std::string> allowed) {
  const std::string list = absl::StrJoin(allowed, ", ");
  return CLI::Validator(
      [allowed = std::move(allowed), list](std::string& value) {
        if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return std::string();
        return absl::StrCat("is ", value, "; allowed: ", list);
      },
      "");
}

}  // namespace greenplan
