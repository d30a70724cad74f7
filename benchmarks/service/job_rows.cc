#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmarks/service/round_client.h"
#include "benchmarks/service/rows.h"
#include "benchmarks/service/server_process.h"
#include "benchmarks/service/workload.h"
#include "tests/statistics/quantile.h"

namespace greenplan {
namespace {

constexpr int kNumJobs = 10000;
constexpr int kNumLayers = 55;
constexpr int kNumTurns = 60;
constexpr int kCallsPerTurn = 10;

void PrintJobs(const char* label, const std::string& uri, const std::string& uri_of_one_job) {
  const Workload workload = Workload::Llama(kNumLayers);
  const ServerProcess server = ServerProcess::Greenpland(uri);
  const ServerProcess server_of_one = ServerProcess::Greenpland(uri_of_one_job);
  RoundClient client(server, &workload, "jobs/used");
  RoundClient client_of_one(server_of_one, &workload, "jobs/used");
  for (RoundClient* each : {&client, &client_of_one}) {
    each->CreateJob();
    each->PlanNextRound();
  }
  const int64_t memory_before = server.MemoryBytes();
  for (int i = 0; i < kNumJobs; ++i) client.CreateOtherJob(absl::StrCat("jobs/", i));
  const int64_t memory = server.MemoryBytes() - memory_before;
  std::vector<double> times, times_of_one;
  for (int turn = 0; turn < kNumTurns; ++turn) {
    for (int i = 0; i < kCallsPerTurn; ++i) times.push_back(client.PlanNextRound());
    for (int i = 0; i < kCallsPerTurn; ++i) times_of_one.push_back(client_of_one.PlanNextRound());
  }
  std::printf("| %d jobs of %d tensors, %s | p50 / with one job | %.2f | 1.1 | %.0f us and %.0f us |\n", kNumJobs,
              workload.num_tensors(), label, Quantile(times, 0.5) / Quantile(times_of_one, 0.5), Quantile(times, 0.5),
              Quantile(times_of_one, 0.5));
  std::printf("| the same | KB of memory a job | %.1f | 40 | a job's message takes %.1f KB |\n",
              static_cast<double>(memory) / kNumJobs / 1000,
              static_cast<double>(workload.Job("jobs/used").ByteSizeLong()) / 1000);
}

}  // namespace

void PrintJobRows() {
  const BenchmarkFolder folder;
  PrintJobs("SQLite", "sqlite:" + folder.path() + "/store", "sqlite:" + folder.path() + "/store_of_one_job");
  PrintJobs("in memory", "memory:", "memory:");
}

}  // namespace greenplan
