#ifndef GREENPLAN_BENCHMARKS_SERVICE_ROWS_H_
#define GREENPLAN_BENCHMARKS_SERVICE_ROWS_H_

namespace greenplan {

// Each function prints rows of the benchmark's table: | case | measure | reached | aim | more |.

// Measures the latency of PlanRound with one client, for small and large profiles.
void PrintLatencyRows();

// Measures how many calls 64 clients get out of a second of a server's processor time.
void PrintThroughputRows();

// Measures what 10,000 registered jobs take in memory, and whether they slow a call down.
void PrintJobRows();

// Measures the time from the last of 1,000 ranks' reports to the last answer.
void PrintBarrierRows();

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SERVICE_ROWS_H_
