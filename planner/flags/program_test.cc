#include "planner/flags/program.h"

#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Result {
  int exit_code = 0;
  std::string out;
  std::string err;
};

Result RunProgram(Program& program, std::vector<std::string> arguments,
                  const std::function<absl::Status()>& run = nullptr) {
  arguments.insert(arguments.begin(), "program");
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Result result;
  result.exit_code = program.Run(static_cast<int>(argv.size()), argv.data(), run);
  result.out = testing::internal::GetCapturedStdout();
  result.err = testing::internal::GetCapturedStderr();
  return result;
}

// A daemon with two flags, and what they were when it ran.
struct Daemon {
  explicit Daemon() {
    program.app().add_option("--data-dir", data_dir, "A folder.");
    program.app().add_option("--max-jobs", max_jobs, "A count.");
  }
  Result Run(std::vector<std::string> arguments, const std::function<absl::Status()>& run = nullptr) {
    return RunProgram(program, std::move(arguments), run);
  }

  Program program{"greenpland", "A daemon.", "greenpland --data-dir d"};
  std::string data_dir = "default";
  int max_jobs = 1;
};

class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~ScopedVariable() { unsetenv(name_); }

 private:
  const char* name_;
};

std::string WriteConfig(const std::string& content) {
  const std::string path =
      testing::TempDir() + "/" + testing::UnitTest::GetInstance()->current_test_info()->name() + ".toml";
  std::ofstream(path) << content;
  return path;
}

TEST(LayersTest, InitialValueStandsWithoutAnyLayer) {
  Daemon daemon;
  EXPECT_EQ(daemon.Run({}).exit_code, 0);
  EXPECT_EQ(daemon.data_dir, "default");
}

TEST(LayersTest, FileSetsFlags) {
  Daemon daemon;
  EXPECT_EQ(daemon.Run({"--config", WriteConfig("data-dir = \"file\"\nmax-jobs = 7\n")}).exit_code, 0);
  EXPECT_EQ(daemon.data_dir, "file");
  EXPECT_EQ(daemon.max_jobs, 7);
}

TEST(LayersTest, EnvironmentWinsOverFile) {
  ScopedVariable variable("GREENPLAN_DATA_DIR", "environment");
  Daemon daemon;
  EXPECT_EQ(daemon.Run({"--config", WriteConfig("data-dir = \"file\"\nmax-jobs = 7\n")}).exit_code, 0);
  EXPECT_EQ(daemon.data_dir, "environment");
  EXPECT_EQ(daemon.max_jobs, 7);
}

TEST(LayersTest, CommandLineWinsOverEnvironmentAndFile) {
  ScopedVariable variable("GREENPLAN_DATA_DIR", "environment");
  Daemon daemon;
  const std::string config = WriteConfig("data-dir = \"file\"\nmax-jobs = 7\n");
  EXPECT_EQ(daemon.Run({"--data-dir", "flag", "--config", config, "--max-jobs=9"}).exit_code, 0);
  EXPECT_EQ(daemon.data_dir, "flag");
  EXPECT_EQ(daemon.max_jobs, 9);
}

TEST(LayersTest, EnvironmentNamesTheFileToo) {
  ScopedVariable variable("GREENPLAN_CONFIG", WriteConfig("max-jobs = 7\n"));
  Daemon daemon;
  EXPECT_EQ(daemon.Run({}).exit_code, 0);
  EXPECT_EQ(daemon.max_jobs, 7);
}

TEST(LayersTest, UnknownAndEmptyVariablesAreIgnored) {
  ScopedVariable unknown("GREENPLAN_NO_SUCH_FLAG", "1");
  ScopedVariable empty("GREENPLAN_DATA_DIR", "");
  Daemon daemon;
  EXPECT_EQ(daemon.Run({}).exit_code, 0);
  EXPECT_EQ(daemon.data_dir, "default");
}

TEST(LayersTest, RefusesUnknownKeyNamingFileAndKey) {
  Daemon daemon;
  const std::string config = WriteConfig("data_dir = \"x\"\n");
  const Result result = daemon.Run({"--config", config});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "greenpland: " + config +
                            ": line 1: unknown key data_dir; allowed: the long flag names, see greenpland --help\n");
}

TEST(LayersTest, RefusesTablesThatNameNoCommand) {
  Daemon daemon;
  const Result result = daemon.Run({"--config", WriteConfig("[server]\ndata-dir = \"x\"\n")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr(".toml: line 2: unknown table server; allowed: keys without a table"));
}

TEST(LayersTest, AnErrorBehindTheParserNamesWhereTheValueStands) {
  const auto refuse = [] { return absl::InvalidArgumentError("--max-jobs is 7; allowed: an integer from 8 to 9"); };
  const std::string what = " is 7; allowed: an integer from 8 to 9\n";
  EXPECT_EQ(Daemon().Run({"--max-jobs", "7"}, refuse).err, "greenpland: --max-jobs" + what);
  const std::string config = WriteConfig("max-jobs = 7\n");
  EXPECT_EQ(Daemon().Run({"--config", config}, refuse).err, "greenpland: " + config + ": line 1: max-jobs" + what);
  ScopedVariable variable("GREENPLAN_MAX_JOBS", "7");
  EXPECT_EQ(Daemon().Run({}, refuse).err, "greenpland: GREENPLAN_MAX_JOBS" + what);
}

TEST(LayersTest, ABadValueNamesWhereItStands) {
  {
    Daemon daemon;
    EXPECT_EQ(daemon.Run({"--max-jobs", "many"}).err, "greenpland: --max-jobs is many; allowed: an integer\n");
  }
  {
    Daemon daemon;
    const std::string config = WriteConfig("\nmax-jobs = \"many\"\n");
    EXPECT_EQ(daemon.Run({"--config", config}).err,
              "greenpland: " + config + ": line 2: max-jobs is many; allowed: an integer\n");
  }
  ScopedVariable variable("GREENPLAN_MAX_JOBS", "many");
  Daemon daemon;
  const Result result = daemon.Run({});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "greenpland: GREENPLAN_MAX_JOBS is many; allowed: an integer\n");
}

TEST(LayersTest, RefusesAWrongNumberOfValuesInAFile) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"max-jobs = [1, 2]", "max-jobs has several values; allowed: one"},
      {"max-jobs = []", "max-jobs has no value; allowed: one"},
      {"quiet = [true, false]", "quiet has 2 values; allowed: true or false"},
      {"quiet = \"perhaps\"", "quiet is perhaps; allowed: true or false"},
  };
  for (const auto& [line, message] : cases) {
    Daemon daemon;
    const std::string config = WriteConfig(line);
    const Result result = daemon.Run({"--config", config});
    EXPECT_EQ(result.exit_code, 2) << line;
    EXPECT_EQ(result.err, "greenpland: " + config + ": line 1: " + message + "\n");
  }
}

TEST(LayersTest, AListInAFileMayBeEmpty) {
  Daemon daemon;
  std::vector<std::string> names = {"initial"};
  daemon.program.app().add_option("--names", names, "A list.");
  EXPECT_EQ(daemon.Run({"--config", WriteConfig("names = []")}).err, "");
}

TEST(LayersTest, RefusesAConfigThatCannotBeRead) {
  {
    Daemon daemon;
    const Result result = daemon.Run({"--config", "/no/such.toml"});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_EQ(result.err, "greenpland: --config is /no/such.toml; allowed: a readable file\n");
  }
  ScopedVariable variable("GREENPLAN_CONFIG", "/no/such.toml");
  Daemon daemon;
  const Result result = daemon.Run({});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "greenpland: GREENPLAN_CONFIG is /no/such.toml; allowed: a readable file\n");
}

TEST(ProgramTest, HelpHasAnExampleAndSucceeds) {
  Daemon daemon;
  const Result result = daemon.Run({"--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("Example:\n  greenpland --data-dir d"));
  EXPECT_EQ(result.err, "");
}

TEST(ProgramTest, VersionNeedsNoRequiredFlag) {
  Daemon daemon;
  daemon.program.app().get_option("--data-dir")->required();
  EXPECT_EQ(daemon.Run({"version"}).out, "greenpland " + std::string(kVersion) + "\n");
  EXPECT_THAT(daemon.Run({"version", "--format", "json"}).out, StartsWith("{\"program\":\"greenpland\",\"version\":"));
  EXPECT_EQ(daemon.Run({"version", "--format", "xml"}).err, "greenpland: --format is xml; allowed: table, json, csv\n");
}

TEST(ProgramTest, UnknownFlagIsBadUsage) {
  Daemon daemon;
  const Result result = daemon.Run({"--no-such-flag"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "greenpland: unknown argument --no-such-flag; see --help\n");
  EXPECT_EQ(result.out, "");
}

TEST(ProgramTest, IntegersNeitherWrapNorSaturate) {
  for (const std::string value : {"99999999999999999999", "4294967297", "1.5", "0x10", ""}) {
    Daemon daemon;
    const Result result = daemon.Run({"--max-jobs=" + value});
    EXPECT_EQ(result.exit_code, 2) << value;
    EXPECT_THAT(result.err, StartsWith("greenpland: --max-jobs ")) << value;
  }
  Daemon daemon;
  uint64_t seed = 0;
  daemon.program.app().add_option("--seed", seed, "A number.");
  EXPECT_EQ(daemon.Run({"--seed", "-1"}).err, "greenpland: --seed is -1; allowed: an integer >= 0\n");
  EXPECT_EQ(daemon.Run({"--seed", "18446744073709551615"}).exit_code, 0);
  EXPECT_EQ(seed, std::numeric_limits<uint64_t>::max());
}

TEST(ProgramTest, NamesTheFlagThatRefusesAmongSeveral) {
  Daemon daemon;
  double speed = 0;
  daemon.program.app().add_option("--speed", speed, "A number.");
  daemon.program.app().add_option("--mode", daemon.data_dir, "A mode.")->check(OneOf({"a: b", "c"}));
  EXPECT_EQ(daemon.Run({"--max-jobs", "3", "--mode", "c", "--speed", "fast"}).err,
            "greenpland: --speed is fast; allowed: a number\n");
  EXPECT_EQ(daemon.Run({"--speed", "1", "--mode", "x: y"}).err, "greenpland: --mode is x: y; allowed: a: b, c\n");
  EXPECT_EQ(daemon.Run({"--quiet=perhaps"}).err, "greenpland: --quiet is perhaps; allowed: true or false\n");
}

TEST(ProgramTest, AFlagTakesOneValue) {
  Daemon daemon;
  EXPECT_EQ(daemon.Run({"--max-jobs", "1", "--max-jobs", "2"}).err,
            "greenpland: --max-jobs has several values; allowed: one\n");
  EXPECT_EQ(daemon.Run({"--max-jobs"}).err, "greenpland: --max-jobs has no value; see --help\n");
  EXPECT_EQ(daemon.Run({"--max-jobs="}).err, "greenpland: --max-jobs is ; allowed: an integer\n");
}

TEST(ProgramTest, AnEmptyValueBehindAnEqualsSignIsTheFlagsValue) {
  Daemon daemon;
  EXPECT_EQ(daemon.Run({"--data-dir=", "--max-jobs", "7"}).exit_code, 0);
  EXPECT_EQ(daemon.data_dir, "");
  EXPECT_EQ(daemon.max_jobs, 7);
  Daemon last;
  EXPECT_EQ(last.Run({"--data-dir="}).exit_code, 0);
  EXPECT_EQ(last.data_dir, "");
  Daemon refusing;
  const Result result = refusing.Run({"--max-jobs=", "--data-dir", "d"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "greenpland: --max-jobs is ; allowed: an integer\n");
}

TEST(ProgramTest, MissingRequiredFlagIsBadUsage) {
  Daemon daemon;
  daemon.program.app().get_option("--data-dir")->required();
  const Result result = daemon.Run({});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "greenpland: --data-dir is required\n");
}

TEST(ProgramTest, AFailureIsOneLineWithItsExitCode) {
  Daemon daemon;
  const Result bad_input = RunProgram(daemon.program, {}, [] { return absl::NotFoundError("a:\n  b\r\n\nc"); });
  EXPECT_EQ(bad_input.exit_code, 2);
  EXPECT_EQ(bad_input.err, "greenpland: a: b c\n");
  const Result fault = RunProgram(daemon.program, {}, [] { return absl::UnavailableError("no answer"); });
  EXPECT_EQ(fault.exit_code, 1);
  EXPECT_EQ(fault.err, "greenpland: no answer\n");
}

TEST(ProgramTest, AFailureSendsNoControlCharactersAndNoEndlessNameToTheTerminal) {
  EXPECT_EQ(OneLine("op \"a\x1b[2J\tb\x7f\""), "op \"a\\x1b[2J\\x09b\\x7f\"");
  EXPECT_EQ(OneLine("\u00e9: \u2026"), "\u00e9: \u2026");
  // Each name takes 3 bytes in UTF-8.
  std::string names;
  for (int i = 0; i < 1000; ++i) names += "\u2026";
  EXPECT_EQ(OneLine(names), names.substr(0, 1998) + "...");
  EXPECT_EQ(OneLine(names + "\n" + names), names.substr(0, 1998) + "...");
}

TEST(ProgramTest, LetsNoExceptionOut) {
  Daemon daemon;
  const Result result =
      RunProgram(daemon.program, {}, []() -> absl::Status { throw std::runtime_error("out of luck"); });
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "greenpland: out of luck\n");
}

// A command that prints its one flag.
struct Greet {
  explicit Greet(CLI::App& app) { app.add_option("--count", count, "A number."); }
  absl::Status Run() const {
    printf("%d", count);
    return absl::OkStatus();
  }
  int count = 0;
};
struct Other {
  explicit Other(CLI::App& app) { app.add_option("--speed", speed, "A number."); }
  absl::Status Run() const { return absl::OkStatus(); }
  int speed = 0;
};

struct Commands {
  Commands() {
    program.AddCommand<Greet>("greet", "Greets.", "tool greet --count 2");
    program.AddCommand<Other>("other", "Does not.", "tool other");
  }
  Program program{"tool", "A tool.", "tool greet"};
};

TEST(CommandsTest, AKeyInATableBelongsToThatCommandAndCountsMore) {
  const std::string config = WriteConfig("count = 1\n[greet]\ncount = 2\n[other]\nspeed = 3\n");
  Commands commands;
  EXPECT_EQ(RunProgram(commands.program, {"--config", config, "greet"}).out, "2");
  const std::string wrong = WriteConfig("[greet]\nspeed = 3\n");
  Commands others;
  const Result result = RunProgram(others.program, {"--config", wrong, "greet"});
  EXPECT_EQ(result.err,
            "tool: " + wrong + ": line 2: unknown key speed; allowed: the long flag names, see tool greet --help\n");
}

TEST(CommandsTest, RunsTheNamedCommandWithItsFlags) {
  Commands tool;
  EXPECT_EQ(RunProgram(tool.program, {"greet", "--count", "2"}).out, "2");
}

TEST(CommandsTest, FileMayHoldTheFlagsOfAllCommands) {
  Commands tool;
  const std::string config = WriteConfig("count = 3\nspeed = 4\n");
  EXPECT_EQ(RunProgram(tool.program, {"greet", "--config", config}).out, "3");
}

TEST(CommandsTest, AnotherCommandsVariableDoesNotMatter) {
  ScopedVariable variable("GREENPLAN_SPEED", "not a number");
  ScopedVariable count("GREENPLAN_COUNT", "5");
  Commands tool;
  EXPECT_EQ(RunProgram(tool.program, {"greet"}).out, "5");
}

TEST(CommandsTest, OneMustBeNamed) {
  Commands tool;
  const Result result = RunProgram(tool.program, {});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "tool: a command is required; allowed: version, greet, other\n");
}

TEST(CommandsTest, NamesAMissingFlagOfTheCommand) {
  Commands tool;
  tool.program.app().get_subcommand("greet")->get_option("--count")->required();
  tool.program.app().get_subcommand("other")->get_option("--speed")->required();
  EXPECT_EQ(RunProgram(tool.program, {"greet"}).err, "tool: --count is required\n");
}

TEST(CommandsTest, NamesWhatIsUnknown) {
  Commands tool;
  EXPECT_EQ(RunProgram(tool.program, {"great"}).err, "tool: unknown command great; allowed: version, greet, other\n");
  EXPECT_EQ(RunProgram(tool.program, {"greet", "--speed", "1"}).err, "tool: unknown argument --speed; see --help\n");
  EXPECT_EQ(RunProgram(tool.program, {"greet", "--count", "x"}).err, "tool: --count is x; allowed: an integer\n");
}

TEST(CommandsTest, HelpOfACommandHasItsExample) {
  Commands tool;
  const Result result = RunProgram(tool.program, {"greet", "--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("Example:\n  tool greet --count 2"));
}

// A group of two commands beside a command of one of their names.
struct Groups {
  Groups() {
    Program::Group people = program.AddGroup("people", "People.", "tool people greet");
    people.AddCommand<Greet>("greet", "Greets one.", "tool people greet --count 2");
    people.AddCommand<Other>("other", "Does not.", "tool people other");
    program.AddCommand<Other>("greet", "Does not.", "tool greet");
  }
  Result Run(std::vector<std::string> arguments) { return RunProgram(program, std::move(arguments)); }

  Program program{"tool", "A tool.", "tool people greet"};
};

TEST(GroupsTest, ACommandIsNamedBehindItsGroup) {
  Groups tool;
  EXPECT_EQ(tool.Run({"people", "greet", "--count", "2", "--quiet"}).out, "2");
  EXPECT_TRUE(tool.program.quiet());
}

TEST(GroupsTest, ItsFlagsComeFromTheFileAndTheEnvironmentToo) {
  const std::string config = WriteConfig("count = 3\nspeed = 4\n");
  EXPECT_EQ(Groups().Run({"people", "greet", "--config", config}).out, "3");
  const std::string table = WriteConfig("count = 3\n[people]\ncount = 5\n[greet]\nspeed = 1\n");
  EXPECT_EQ(Groups().Run({"people", "greet", "--config", table}).out, "5");
  ScopedVariable variable("GREENPLAN_COUNT", "7");
  EXPECT_EQ(Groups().Run({"people", "greet", "--config", table}).out, "7");
  EXPECT_EQ(Groups().Run({"people", "greet", "--count", "9"}).out, "9");
}

TEST(GroupsTest, NamesWhatIsMissingOrUnknown) {
  const auto error = [](const std::vector<std::string>& arguments) {
    const Result result = Groups().Run(arguments);
    EXPECT_EQ(result.exit_code, 2);
    return result.err;
  };
  EXPECT_EQ(error({"people"}), "tool: a command of people is required; allowed: greet, other\n");
  EXPECT_EQ(error({"people", "grete"}), "tool: unknown command grete; allowed: greet, other\n");
  EXPECT_EQ(error({"people", "greet", "--count", "x"}), "tool: --count is x; allowed: an integer\n");
  EXPECT_EQ(error({"people", "greet", "--speed", "1"}), "tool: unknown argument --speed; see --help\n");
  const std::string config = WriteConfig("\ncount = \"many\"\n");
  EXPECT_EQ(error({"people", "greet", "--config", config}),
            "tool: " + config + ": line 2: count is many; allowed: an integer\n");
}

TEST(GroupsTest, HelpHasTheExampleOfTheGroupOrTheCommand) {
  EXPECT_THAT(Groups().Run({"people", "--help"}).out, HasSubstr("Example:\n  tool people greet\n"));
  EXPECT_THAT(Groups().Run({"people", "greet", "--help"}).out, HasSubstr("Example:\n  tool people greet --count 2"));
}

TEST(ExitCodeTest, SeparatesWhatTheUserCanPutRight) {
  EXPECT_EQ(ExitCode(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCode(absl::InvalidArgumentError("")), 2);
  EXPECT_EQ(ExitCode(absl::PermissionDeniedError("")), 2);
  EXPECT_EQ(ExitCode(absl::InternalError("")), 1);
  EXPECT_EQ(ExitCode(absl::DeadlineExceededError("")), 1);
}

}  // namespace
}  // namespace greenplan
