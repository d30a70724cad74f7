#include "planner/cli/commands.h"
#include "planner/flags/program.h"

int main(int argc, char** argv) {
  greenplan::Program program("greenplan", "Plans which parts of a model to train within a compute budget.",
                             "greenplan plan --profile model.json --importance importance.json --budget 0.5");
  greenplan::AddPlanCommand(program);
  greenplan::AddWhatIfCommand(program);
  greenplan::AddExplainCommand(program);
  greenplan::AddCostCommand(program);
  greenplan::AddProfileCommand(program);
  greenplan::AddJobsCommands(program);
  greenplan::AddPlansCommands(program);
  return program.Run(argc, argv);
}
