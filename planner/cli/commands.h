#ifndef GREENPLAN_PLANNER_CLI_COMMANDS_H_
#define GREENPLAN_PLANNER_CLI_COMMANDS_H_

#include "planner/flags/program.h"

namespace greenplan {

// The commands of `greenplan`, one file each. Every function adds a command, or a group of them, with its flags to
// `program`, which keeps what the flags are bound to. Results go to stdout in the command's --format; errors are
// statuses (see ExitCode).

void AddPlanCommand(Program& program);     // The best plan within one budget.
void AddWhatIfCommand(Program& program);   // What every budget of a list would buy.
void AddExplainCommand(Program& program);  // Why each tensor is in a plan, or not.
void AddCostCommand(Program& program);     // What a given mask costs.
void AddProfileCommand(Program& program);  // A profile from a config.json, or from plain arrays.

// Those of a daemon: `jobs list`, `jobs get`, `jobs delete`; `plans list`, `plans get`, `plans explain`.
void AddJobsCommands(Program& program);
void AddPlansCommands(Program& program);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_COMMANDS_H_
