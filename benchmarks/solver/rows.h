#ifndef GREENPLAN_BENCHMARKS_SOLVER_ROWS_H_
#define GREENPLAN_BENCHMARKS_SOLVER_ROWS_H_

namespace greenplan {

// Each prints rows of the benchmark's table: | case | measure | median | p90 or worst | more |.

void PrintRealModelRows();  // Real chains against a sort and the published program; real graphs against their optima.
void PrintSyntheticRows();  // Larger and random profiles against a sort; hard importance under a time limit.
void PrintCurveRows();      // A thousand budgets against one plan.
void PrintLimitRows();      // A second limit, and how soon a stop is honoured.
void PrintDropRateRows();   // Against the published allocation.

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SOLVER_ROWS_H_
