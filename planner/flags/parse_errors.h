#ifndef GREENPLAN_PLANNER_FLAGS_PARSE_ERRORS_H_
#define GREENPLAN_PLANNER_FLAGS_PARSE_ERRORS_H_

#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "planner/flags/layered_config.h"

namespace greenplan {

// What CLI11 found wrong when it parsed `arguments`, the command line, in this project's words: the flag as its user
// wrote it (--budget, GREENPLAN_BUDGET, or "FILE: line 3: budget"), the value, and what is allowed. Sets the variables
// of some flags again, to what they are already.
std::string ParseErrorMessage(CLI::App& app, const LayeredConfig& config, const CLI::ParseError& error,
                              const std::vector<std::string>& arguments);

// Makes every flag of `app` that takes an integer refuse what int64_t or uint64_t cannot hold: CLI11 saturates or
// wraps.
void CheckIntegers(CLI::App& app);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FLAGS_PARSE_ERRORS_H_
