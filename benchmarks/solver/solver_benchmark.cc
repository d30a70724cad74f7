// Compares the solvers with baselines that run beside them. It prints ratios, because absolute times depend on the
// machine:
//
//   ./dev bench solver
//
// Each repetition draws new importance or goes through all instances. That is necessary for the baseline, too: when the
// same data is sorted repeatedly, the processor learns to predict each branch.

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
