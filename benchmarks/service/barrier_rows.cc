#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "benchmarks/service/round_client.h"
#include "benchmarks/service/rows.h"
#include "benchmarks/service/server_process.h"
#include "benchmarks/service/workload.h"
#include "tests/statistics/quantile.h"

namespace greenplan {
namespace {

constexpr int kNumRanks = 1000;
constexpr int kNumTensors = 400;
constexpr int kNumRounds = 9;

void PrintBarrier(const char* label, const std::string& uri) {
  const Workload workload = Workload::Chain(kNumTensors);
  const ServerProcess server = ServerProcess::Greenpland(uri);
  std::vector<std::unique_ptr<RoundClient>> ranks;
  for (int rank = 0; rank < kNumRanks; ++rank) {
    ranks.push_back(std::make_unique<RoundClient>(server, &workload, "jobs/a", rank));
  }
  ranks.front()->CreateJob(kNumRanks);
  std::vector<double> milliseconds;
  for (int64_t round = 0; round < kNumRounds; ++round) {
    absl::BlockingCounter num_waiting(kNumRanks);
    const auto report = [&](RoundClient& rank) {
      rank.StartNextRound([&num_waiting] { num_waiting.DecrementCount(); });
    };
    for (int rank = 1; rank < kNumRanks; ++rank) report(*ranks[rank]);
    const int64_t num_reports = (round + 1) * kNumRanks - 1;
    while (server.NumStoreCalls("AddReport") < num_reports) absl::SleepFor(absl::Milliseconds(10));
    const auto start = std::chrono::steady_clock::now();
    report(*ranks.front());
    num_waiting.Wait();
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    milliseconds.push_back(time.count());
  }
  std::printf("| barrier of %d ranks, %s | ms from the last report to the last answer | %.1f | 50 | %.1f at worst |\n",
              kNumRanks, label, Quantile(milliseconds, 0.5), Quantile(milliseconds, 1));
}

}  // namespace

void PrintBarrierRows() {
  const BenchmarkFolder folder;
  PrintBarrier("in memory", "memory:");
  PrintBarrier("SQLite", "sqlite:" + folder.path() + "/store");
}

}  // namespace greenplan
