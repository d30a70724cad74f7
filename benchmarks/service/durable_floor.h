#ifndef GREENPLAN_BENCHMARKS_SERVICE_DURABLE_FLOOR_H_
#define GREENPLAN_BENCHMARKS_SERVICE_DURABLE_FLOOR_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "benchmarks/service/workload.h"

struct sqlite3;
struct sqlite3_stmt;

namespace greenplan {

// Durable commits with SQLite alone, set as the store sets it (a write-ahead log that is flushed at each commit): what
// keeping a round's report and plan takes at least.
class DurableCommit {
 public:
  // `path` is a new file. Each commit writes a row of `row_bytes`.
  DurableCommit(const std::string& path, int64_t row_bytes);
  ~DurableCommit();
  DurableCommit(const DurableCommit&) = delete;
  DurableCommit& operator=(const DurableCommit&) = delete;

  // Returns how long it took, in microseconds.
  double Commit();

 private:
  sqlite3* connection_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  std::string row_;
};

// What the store does without a service before it.
struct StoreThroughput {
  int64_t num_rounds = 0;
  double cpu_seconds = 0;  // Of this process.
};

// Keeps rounds in a new SQLite store at `path` for this long: `num_callers` threads, each with a job of its own, keep
// one report and `plan` after the other.
StoreThroughput KeepRounds(const std::string& path, const Workload& workload, const v1::Plan& plan, int num_callers,
                           absl::Duration time);

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SERVICE_DURABLE_FLOOR_H_
