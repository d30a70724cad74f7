#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmarks/service/check.h"
#include "benchmarks/service/durable_floor.h"
#include "benchmarks/service/planning_time.h"
#include "benchmarks/service/round_client.h"
#include "benchmarks/service/rows.h"
#include "benchmarks/service/server_process.h"
#include "benchmarks/service/workload.h"
#include "tests/statistics/quantile.h"

namespace greenplan {
namespace {

// Calls of one kind in a row, before the others have their turn.
constexpr int kCallsPerTurn = 10;

// Prints p50 and p99 of times in microseconds.
std::string Times(const std::vector<double>& times) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.0f (%.0f)", Quantile(times, 0.5), Quantile(times, 0.99));
  return text;
}

void PrintLatency(int num_tensors, int num_turns) {
  const Workload workload = Workload::Chain(num_tensors);
  const BenchmarkFolder folder;
  const ServerProcess empty_server = ServerProcess::Empty();
  const ServerProcess memory_server = ServerProcess::Greenpland("memory:");
  const ServerProcess sqlite_server = ServerProcess::Greenpland("sqlite:" + folder.path() + "/store");
  RoundClient empty_client(empty_server, &workload, "jobs/a");
  RoundClient memory_client(memory_server, &workload, "jobs/a");
  RoundClient sqlite_client(sqlite_server, &workload, "jobs/a");
  memory_client.CreateJob();
  sqlite_client.CreateJob();
  PlanningTime planner(&workload);
  // The first calls connect, and build what later plans share.
  for (RoundClient* client : {&empty_client, &memory_client, &sqlite_client}) client->PlanNextRound();
  planner.PlanNextRound();
  const auto plan_bytes = static_cast<int64_t>(memory_client.plan().ByteSizeLong());
  Check(std::abs(plan_bytes - static_cast<int64_t>(empty_client.plan().ByteSizeLong())) < 32,
        "the empty server's plans have another size");
  DurableCommit commit(folder.path() + "/floor", plan_bytes + static_cast<int64_t>(workload.Report(0).ByteSizeLong()));
  std::vector<double> empty, memory, sqlite, commits, planning;
  for (int turn = 0; turn < num_turns; ++turn) {
    for (int i = 0; i < kCallsPerTurn; ++i) empty.push_back(empty_client.PlanNextRound());
    for (int i = 0; i < kCallsPerTurn; ++i) memory.push_back(memory_client.PlanNextRound());
    for (int i = 0; i < kCallsPerTurn; ++i) sqlite.push_back(sqlite_client.PlanNextRound());
    for (int i = 0; i < kCallsPerTurn; ++i) commits.push_back(commit.Commit());
    for (int i = 0; i < kCallsPerTurn; ++i) planning.push_back(planner.PlanNextRound());
  }
  const double floor = Quantile(empty, 0.5);
  const double own = Quantile(memory, 0.5) - Quantile(planning, 0.5);
  std::printf("| one client, %d tensors, in memory | p50 / empty server | %.2f | 1.4 | %s us, empty server %s us |\n",
              num_tensors, Quantile(memory, 0.5) / floor, Times(memory).c_str(), Times(empty).c_str());
  std::printf("| the same | p50 less planning / empty server | %.2f | | planning takes %s us |\n", own / floor,
              Times(planning).c_str());
  std::printf(
      "| the same, SQLite | p50 / (1.4 empty server + 1.3 commit) | %.2f | 1 | %s us, a durable commit %s us |\n",
      Quantile(sqlite, 0.5) / (1.4 * floor + 1.3 * Quantile(commits, 0.5)), Times(sqlite).c_str(),
      Times(commits).c_str());
}

}  // namespace

void PrintLatencyRows() {
  PrintLatency(400, 100);
  PrintLatency(10000, 30);
  PrintLatency(100000, 8);
}

}  // namespace greenplan
