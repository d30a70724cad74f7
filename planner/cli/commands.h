#ifndef GREENPLAN_PLANNER_CLI_COMMANDS_H_
#define GREENPLAN_PLANNER_CLI_COMMANDS_H_

#include "planner/flags/program.h"

namespace greenplan {

// The commands of `greenplan`, one file each. Every function adds one command with its flags to `program`, which keeps
// what the flags are bound to. Results go to stdout in the command's --format; errors are statuses (see ExitCode).

void AddPlanCommand(Program& program);     // The best plan within one budget.
void AddWhatIfCommand(Program& program);   // What every budget of a list would buy.
void AddExplainCommand(Program& program);  // Why each tensor is in a plan, or not.
void AddCostCommand(Program& program);     // What a given mask costs.
void AddProfileCommand(Program& program);  // A profile from a config.json, or from plain arrays.

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_COMMANDS_H_
