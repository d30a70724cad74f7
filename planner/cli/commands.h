#ifndef GREENPLAN_PLANNER_CLI_COMMANDS_H_
#define GREENPLAN_PLANNER_CLI_COMMANDS_H_

#include "planner/flags/program.h"

namespace greenplan {

// The commands of `greenplan`, one file each. Every function adds a command, or a group of them, with its flags to
// `program`, which keeps what the flags are bound to. Results go to stdout in the command's --format; errors are
// statuses (see ExitCode).

// `plan`: the best plan within one budget.
void AddPlanCommand(Program& program);

// `whatif`: what every budget of a list would buy.
void AddWhatIfCommand(Program& program);

// `explain`: why each tensor is in a plan, or is not.
void AddExplainCommand(Program& program);

// `cost`: what a given mask costs.
void AddCostCommand(Program& program);

// `profile`: a profile from a config.json, or from plain arrays.
void AddProfileCommand(Program& program);

// `jobs list`, `jobs get` and `jobs delete`, about the jobs of a daemon.
void AddJobsCommands(Program& program);
// `plans list`, `plans get` and `plans explain`, about the plans of a daemon's jobs.
void AddPlansCommands(Program& program);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_COMMANDS_H_
