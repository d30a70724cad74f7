#ifndef GREENPLAN_PLANNER_FLAGS_PARSE_ERRORS_H_
#define GREENPLAN_PLANNER_FLAGS_PARSE_ERRORS_H_

#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "planner/flags/layered_config.h"

namespace greenplan {

// Returns what is wrong with `arguments`, the command line, in this project's words: the flag as the user wrote it
// (--budget, GREENPLAN_BUDGET or "FILE: line 3: budget"), its value, and what is allowed. `error` is what CLI11 threw.
// To find the flag, this asks each flag to take its value again, so variables that are bound to flags may be set again.
std::string ParseErrorMessage(CLI::App& app, const LayeredConfig& config, const CLI::ParseError& error,
                              const std::vector<std::string>& arguments);

// Returns a message that begins with a flag ("--budget is 2; ...") with the flag as the user wrote it, as above: behind
// the parser a value is refused under its flag's name, wherever it came from. Returns any other message as it is.
std::string WithSource(CLI::App& app, const LayeredConfig& config, const std::string& message,
                       const std::vector<std::string>& arguments);

// Makes every flag of `app` that takes an integer refuse what int64_t or uint64_t cannot hold: CLI11 saturates or
// wraps.
void CheckIntegers(CLI::App& app);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FLAGS_PARSE_ERRORS_H_
