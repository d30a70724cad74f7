#ifndef GREENPLAN_PLANNER_FLAGS_PROGRAM_H_
#define GREENPLAN_PLANNER_FLAGS_PROGRAM_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "planner/core/version.h"

namespace greenplan {

class LayeredConfig;

// What all programs of this project have in common: where the values of flags come from, `version`, `--help`,
// `--quiet`, exit codes, and one line on stderr for a failure.
//
//   int main(int argc, char** argv) {
//     Program program("greenpland", "Plans for training jobs over gRPC.", "greenpland --data-dir /var/lib/greenplan");
//     std::string data_dir;
//     program.app().add_option("--data-dir", data_dir, "Folder of the daemon's database.")->required();
//     return program.Run(argc, argv, [&] { return Serve(data_dir); });
//   }
//
// A flag's value comes from the first of: the command line; the environment (GREENPLAN_DATA_DIR for --data-dir; other
// GREENPLAN_* variables and empty values are ignored); the TOML file that --config names, whose keys are the long flag
// names and where an unknown key is an error; the variable's initial value.
//
// A program that makes one also silences libprotobuf's own log, so that stderr holds the program's line alone.
//
// Not thread-safe. The variables bound to flags must outlive Run.
class Program {
 public:
  // `example` is a command line that --help shows.
  Program(std::string name, std::string description, const std::string& example);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Add flags here: app().add_option("--name", variable, "What it is, its unit, its default.").
  CLI::App& app() { return app_; }

  // Adds a command: a class with a constructor from CLI::App&, which adds its flags, and with absl::Status Run().
  // Once a program has commands, naming one is required.
  template <typename Command>
  void AddCommand(const std::string& name, const std::string& description, const std::string& example) {
    AddCommandTo<Command>(app_, name, description, example);
  }

  // The same without a class: add the command's flags to what is returned; `run` is called if it was named. A program
  // that also does something without a command calls app().require_subcommand(0, 1) afterwards.
  CLI::App& AddCommand(const std::string& name, const std::string& description, const std::string& example,
                       std::function<absl::Status()> run);

  // Commands that are named behind the name of their group: "greenplan jobs list".
  //
  //   Program::Group jobs = program.AddGroup("jobs", "The jobs of a daemon.", "greenplan jobs list");
  //   jobs.AddCommand<ListJobsCommand>("list", "Lists the jobs.", "greenplan jobs list --server planner:7437");
  class Group {
   public:
    template <typename Command>
    void AddCommand(const std::string& name, const std::string& description, const std::string& example) {
      program_.AddCommandTo<Command>(app_, name, description, example);
    }

   private:
    friend class Program;
    Group(Program& program, CLI::App& app) : program_(program), app_(app) {}

    Program& program_;
    CLI::App& app_;
  };
  // Adds a group of commands. Use the result only to add commands to it, before Run.
  Group AddGroup(const std::string& name, const std::string& description, const std::string& example);

  // Parses the command line, then calls the named command's Run or `run`. Returns the exit code: 0 on success, 2 for
  // bad usage or input (see ExitCode below), 1 for anything else. Lets no exception out.
  int Run(int argc, const char* const* argv, const std::function<absl::Status()>& run = nullptr);

  // Passes the line that a failure prints on stderr through `format` first.
  void FormatErrors(std::function<std::string(const std::string& line)> format) { format_error_ = std::move(format); }

  // Returns whether --quiet is set: print neither progress nor remarks. Valid within Run.
  bool quiet() const { return quiet_; }

 private:
  // A command and what it does.
  struct NamedCommand {
    CLI::App* app;
    std::function<absl::Status()> run;
  };

  template <typename Command>
  void AddCommandTo(CLI::App& parent, const std::string& name, const std::string& description,
                    const std::string& example) {
    CLI::App& app = AddCommandApp(parent, name, description, example);
    commands_.push_back({&app, [command = std::make_shared<Command>(app)] { return command->Run(); }});
  }
  static CLI::App& AddCommandApp(CLI::App& parent, const std::string& name, const std::string& description,
                                 const std::string& example);
  // Lets CLI11 read the environment for flags, and refuse integers that do not fit. The flags of a command come once it
  // is named, because a value meant for one command says nothing about another.
  void PrepareFlags();
  absl::Status Parse(int argc, const char* const* argv, bool& help_printed);
  absl::Status Dispatch(const std::function<absl::Status()>& run) const;
  int Finish(const absl::Status& status) const;

  const std::string name_;
  CLI::App app_;
  const std::shared_ptr<LayeredConfig> config_;  // Of app_, which shares it.
  std::vector<NamedCommand> commands_;
  std::function<std::string(const std::string&)> format_error_ = [](const std::string& line) { return line; };
  std::string version_format_ = "table";
  bool quiet_ = false;
};

// Returns the exit code of a program that ends with `status`: 0 for OK; 2 for what the user can put right, which is
// InvalidArgument, NotFound, AlreadyExists, PermissionDenied, Unauthenticated, FailedPrecondition, OutOfRange,
// ResourceExhausted and Unimplemented; 1 otherwise.
int ExitCode(const absl::Status& status);

// Returns the message on one line, for a terminal: line breaks become spaces, other control characters, as a name in a
// file may hold them, become \xNN, and what goes beyond 2,000 bytes becomes "...".
std::string OneLine(absl::string_view message);

// Returns a check for CLI::Option::check that accepts the values in `allowed`. Its error reads "--attention is fast;
// allowed: sdpa, eager".
CLI::Validator OneOf(std::vector<std::string> allowed);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FLAGS_PROGRAM_H_
