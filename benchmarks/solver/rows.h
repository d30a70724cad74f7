#ifndef GREENPLAN_BENCHMARKS_SOLVER_ROWS_H_
#define GREENPLAN_BENCHMARKS_SOLVER_ROWS_H_

namespace greenplan {

// Each function prints rows of the benchmark's table: | case | measure | median | p90 or worst | more |.

// Compares plans of real chains with a sort and with the published program, and plans of real graphs with their optima.
void PrintRealModelRows();

// Compares plans of larger and of random profiles with a sort, and measures the gap of hard problems at a time limit.
void PrintSyntheticRows();

// Compares a curve of a thousand budgets with one plan.
void PrintCurveRows();

// Measures plans with a second limit, and how late the solver stops after a deadline.
void PrintLimitRows();

// Compares drop rates with the published allocation.
void PrintDropRateRows();

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SOLVER_ROWS_H_
