#ifndef GREENPLAN_PLANNER_FLAGS_PARSE_ERRORS_H_
#define GREENPLAN_PLANNER_FLAGS_PARSE_ERRORS_H_

#include <string>
#include <vector>

#include "CLI/App.hpp"

namespace greenplan {

// What CLI11 found wrong, in this project's words: the flag as its user wrote it (--budget, GREENPLAN_BUDGET, or
// "FILE: budget"), the value, and what is allowed. `arguments` are those of the command line.
std::string ParseErrorMessage(const CLI::App& app, const CLI::ParseError& error,
                              const std::vector<std::string>& arguments);

// Makes every flag of `app` that takes an integer refuse what int64_t or uint64_t cannot hold: CLI11 saturates or
// wraps.
void CheckIntegers(CLI::App& app);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FLAGS_PARSE_ERRORS_H_
