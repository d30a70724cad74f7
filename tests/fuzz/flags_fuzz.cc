// Command lines, one argument a line, through a program with every plan option as a flag. Whatever is given, the
// program ends with code 0 or 2, and says in one line on stderr what it refuses.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "planner/convert/convert.h"
#include "planner/flags/plan_flags.h"
#include "planner/flags/program.h"
#include "tests/fuzz/require.h"

namespace greenplan {
namespace {

// Puts what is written to `stream` aside until it goes out of scope.
class Captured {
 public:
  explicit Captured(std::ostream& stream) : stream_(stream), before_(stream.rdbuf(text_.rdbuf())) {}
  ~Captured() { stream_.rdbuf(before_); }

  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::ostream& stream_;
  std::streambuf* const before_;
};

void RunProgram(absl::string_view input) {
  std::vector<std::string> arguments = absl::StrSplit(input, '\n');
  for (std::string& argument : arguments) {
    argument = argument.substr(0, argument.find('\0'));  // As a program's arguments end.
    if (absl::StartsWith(argument, "--config")) return;  // Files that are not the fuzzer's.
  }
  std::vector<const char*> argv = {"tool"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());

  int exit_code = 0;
  std::string err;
  {
    const Captured out(std::cout);
    const Captured captured_err(std::cerr);
    Program program("tool", "Plans.", "tool --budget 0.5");
    PlanFlags flags(program.app());
    exit_code = program.Run(static_cast<int>(argv.size()), argv.data(), [&]() -> absl::Status {
      const absl::StatusOr<v1::PlanOptions> options = flags.Options();
      if (!options.ok()) return options.status();
      Require(ValidatePlanOptions(*options).ok(), "options that flags give are valid", ValidatePlanOptions(*options));
      return absl::OkStatus();
    });
    err = captured_err.text();
  }
  Require(exit_code == 0 || exit_code == 2, "a command line is taken or refused");
  const auto num_lines = std::count(err.begin(), err.end(), '\n');
  Require(num_lines == (exit_code == 0 ? 0 : 1), "a refusal is one line", absl::UnknownError(err));
}

}  // namespace
}  // namespace greenplan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  greenplan::RunProgram({reinterpret_cast<const char*>(data), size});
  return 0;
}
