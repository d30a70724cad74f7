// Prints how the solvers do against baselines run beside them, as ratios: absolute times depend on the machine.
//
//   ./dev bench solver
//
// Every repetition draws new importance, or takes all instances in turn, for the baseline too: a sort of the same data
// again and again is predicted branch by branch.

#include <cstdio>

#include "benchmarks/solver/rows.h"

int main() {
  std::printf("| case | measure | median | p90 or worst | |\n| --- | --- | --- | --- | --- |\n");
  greenplan::PrintRealModelRows();
  greenplan::PrintSyntheticRows();
  greenplan::PrintCurveRows();
  greenplan::PrintLimitRows();
  greenplan::PrintDropRateRows();
}
