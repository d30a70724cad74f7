#include <cstdint>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "benchmarks/service/durable_floor.h"
#include "benchmarks/service/planning_time.h"
#include "benchmarks/service/round_client.h"
#include "benchmarks/service/rows.h"
#include "benchmarks/service/server_process.h"
#include "benchmarks/service/workload.h"
#include "planner/job/planning.h"
#include "tests/statistics/quantile.h"

namespace greenplan {
namespace {

constexpr int kNumClients = 64;
constexpr int kNumTensors = 400;
constexpr int kNumTurns = 7;
constexpr absl::Duration kTurn = absl::Milliseconds(1500);

// What one way of serving reached in each turn.
struct Series {
  std::vector<double> per_cpu_second;
  std::vector<double> per_second;

  void Add(int64_t num_calls, double cpu_seconds) {
    per_cpu_second.push_back(static_cast<double>(num_calls) / cpu_seconds);
    per_second.push_back(static_cast<double>(num_calls) / absl::ToDoubleSeconds(kTurn));
  }
};

std::unique_ptr<ClosedLoop> NewLoop(const ServerProcess& server, const Workload& workload, bool creates_jobs) {
  std::vector<std::unique_ptr<RoundClient>> clients;
  for (int i = 0; i < kNumClients; ++i) {
    clients.push_back(std::make_unique<RoundClient>(server, &workload, absl::StrCat("jobs/", i)));
    if (creates_jobs) clients.back()->CreateJob();
  }
  auto loop = std::make_unique<ClosedLoop>(std::move(clients));
  loop->Run(kTurn / 5);  // Connects, and builds what later plans share.
  return loop;
}

void Measure(const ServerProcess& server, ClosedLoop& loop, Series& series) {
  const double cpu_before = server.CpuSeconds();
  const int64_t num_calls = loop.Run(kTurn);
  series.Add(num_calls, server.CpuSeconds() - cpu_before);
}

// What planning a round takes of a processor, in process: the mean over as many jobs as the servers have.
double PlanningCpuSeconds(std::vector<PlanningTime>& jobs) {
  constexpr int kRoundsPerJob = 10;
  const absl::Duration before = ThreadProcessorTime();
  for (int round = 0; round < kRoundsPerJob; ++round) {
    for (PlanningTime& job : jobs) job.PlanNextRound();
  }
  return absl::ToDoubleSeconds(ThreadProcessorTime() - before) / static_cast<double>(kRoundsPerJob * jobs.size());
}

double MedianRatio(const std::vector<double>& values, const std::vector<double>& baseline) {
  std::vector<double> ratios;
  for (size_t i = 0; i < values.size(); ++i) ratios.push_back(values[i] / baseline[i]);
  return Quantile(ratios, 0.5);
}

}  // namespace

void PrintThroughputRows() {
  const Workload workload = Workload::Chain(kNumTensors);
  const BenchmarkFolder folder;
  const ServerProcess empty_server = ServerProcess::Empty();
  const ServerProcess memory_server = ServerProcess::Greenpland("memory:");
  const ServerProcess sqlite_server = ServerProcess::Greenpland("sqlite:" + folder.path() + "/store");
  const auto empty_loop = NewLoop(empty_server, workload, /*creates_jobs=*/false);
  const auto memory_loop = NewLoop(memory_server, workload, /*creates_jobs=*/true);
  const auto sqlite_loop = NewLoop(sqlite_server, workload, /*creates_jobs=*/true);
  RoundClient one(memory_server, &workload, "jobs/one");
  one.CreateJob();
  one.PlanNextRound();
  std::vector<PlanningTime> planners;
  for (int i = 0; i < kNumClients; ++i) planners.emplace_back(&workload);
  PlanningCpuSeconds(planners);  // Builds what later plans share.
  Series empty, memory, sqlite, store;
  std::vector<double> planning, without_planning;
  for (int turn = 0; turn < kNumTurns; ++turn) {
    Measure(empty_server, *empty_loop, empty);
    Measure(memory_server, *memory_loop, memory);
    planning.push_back(PlanningCpuSeconds(planners));
    without_planning.push_back(1 / (1 / memory.per_cpu_second.back() - planning.back()));
    Measure(sqlite_server, *sqlite_loop, sqlite);
    const StoreThroughput kept =
        KeepRounds(absl::StrCat(folder.path(), "/floor", turn), workload, one.plan(), kNumClients, kTurn);
    store.Add(kept.num_rounds, kept.cpu_seconds);
  }
  std::printf(
      "| %d clients, %d tensors, in memory | calls per CPU second / empty server | %.2f | 0.7 | %.0f, empty server "
      "%.0f; "
      "%.0f and %.0f a second |\n",
      kNumClients, kNumTensors, MedianRatio(memory.per_cpu_second, empty.per_cpu_second),
      Quantile(memory.per_cpu_second, 0.5), Quantile(empty.per_cpu_second, 0.5), Quantile(memory.per_second, 0.5),
      Quantile(empty.per_second, 0.5));
  std::printf("| the same | less planning / empty server | %.2f | | planning takes %.0f us of a processor |\n",
              MedianRatio(without_planning, empty.per_cpu_second), 1e6 * Quantile(planning, 0.5));
  std::printf(
      "| the same, SQLite | calls per CPU second / store without a service | %.2f | 0.5 | %.0f, the store %.0f; %.0f "
      "and "
      "%.0f a second |\n",
      MedianRatio(sqlite.per_cpu_second, store.per_cpu_second), Quantile(sqlite.per_cpu_second, 0.5),
      Quantile(store.per_cpu_second, 0.5), Quantile(sqlite.per_second, 0.5), Quantile(store.per_second, 0.5));
}

}  // namespace greenplan
