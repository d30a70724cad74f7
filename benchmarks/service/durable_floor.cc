#include "benchmarks/service/durable_floor.h"

#include <sqlite3.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "benchmarks/service/check.h"
#include "planner/store/sqlite/sqlite_store.h"

namespace greenplan {
namespace {

double ProcessCpuSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

DurableCommit::DurableCommit(const std::string& path, int64_t row_bytes) : row_(row_bytes, 'x') {
  constexpr char kSetUp[] =
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows (id INTEGER PRIMARY KEY, bytes BLOB);";
  const bool ok =
      sqlite3_open(path.c_str(), &connection_) == SQLITE_OK &&
      sqlite3_exec(connection_, kSetUp, nullptr, nullptr, nullptr) == SQLITE_OK &&
      sqlite3_prepare_v2(connection_, "INSERT INTO rows (bytes) VALUES (?)", -1, &insert_, nullptr) == SQLITE_OK;
  Check(ok, absl::StrCat(path, ": ", sqlite3_errmsg(connection_)));
}

DurableCommit::~DurableCommit() {
  sqlite3_finalize(insert_);
  sqlite3_close(connection_);
}

double DurableCommit::Commit() {
  const auto start = std::chrono::steady_clock::now();
  sqlite3_bind_blob64(insert_, 1, row_.data(), row_.size(), SQLITE_STATIC);
  const int code = sqlite3_step(insert_);
  sqlite3_reset(insert_);
  const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
  Check(code == SQLITE_DONE, sqlite3_errmsg(connection_));
  return time.count();
}

StoreThroughput KeepRounds(const std::string& path, const Workload& workload, const v1::Plan& plan, int num_callers,
                           absl::Duration time) {
  const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path);
  Check(store.ok(), store.status().ToString());
  for (int id = 1; id <= num_callers; ++id) {
    v1::Job job = workload.Job(absl::StrCat("jobs/", id));
    job.set_profile_revision(1);
    const absl::Status status = (*store)->CreateJob({"", job.name()}, {id, job});
    Check(status.ok(), status.ToString());
  }
  std::atomic<bool> is_ending = false;
  std::atomic<int64_t> num_rounds = 0;
  const double cpu_before = ProcessCpuSeconds();
  std::vector<std::thread> callers;
  for (int id = 1; id <= num_callers; ++id) {
    callers.emplace_back([&, id] {
      NewPlan kept = {.plan = plan, .report = workload.Report(0), .opening = {.revision = 1}};
      for (int64_t round = 0; !is_ending; ++round) {
        kept.plan.set_round(round);
        kept.report->set_round(round);
        const absl::Status status = (*store)->PutPlan(id, kept);
        Check(status.ok(), status.ToString());
        ++num_rounds;
      }
    });
  }
  absl::SleepFor(time);
  is_ending = true;
  for (std::thread& caller : callers) caller.join();
  return {num_rounds, ProcessCpuSeconds() - cpu_before};
}

}  // namespace greenplan
