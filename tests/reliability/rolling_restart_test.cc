// Replicas that are restarted one after the other, as an upgrade does, while ranks plan through all of them.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/store/open_store.h"
#include "planner/store/postgres/testing/postgres_server.h"
#include "tests/reliability/stress_row.h"
#include "tests/replicas/replicas.h"
#include "tests/replicas/training.h"

namespace greenplan {
namespace {

using ::testing::IsEmpty;

TEST(RollingRestartTest, NoCallFailsAndEveryRoundHasOnePlan) {
  StressRow row("0 failed calls, every round one plan");
  constexpr int kWorldSize = 64;
  PostgresServer server;
  const std::string uri = server.NewDatabase();
  Replicas replicas(uri);
  Training training(
      {.num_jobs = 1, .world_size = kWorldSize, .addresses = [&](int32_t rank) { return replicas.addresses(rank); }});
  const auto wait_for_rounds = [&](int64_t count) {
    training.history().WaitForPlans(training.history().num_plans() + count * kWorldSize);
  };
  const int64_t num_restarts = Repetitions(2, 20);
  for (int64_t i = 0; i < num_restarts; ++i) {
    for (int replica = 0; replica < kNumReplicas; ++replica) {
      wait_for_rounds(3);
      replicas.Restart(replica);
    }
  }
  wait_for_rounds(3);
  training.Stop();
  replicas.ExpectCleanShutdown();
  const auto store = StoreUri::Parse(uri)->Open();
  ASSERT_TRUE(store.ok()) << store.status();
  const std::vector<std::string> faults = training.history().FindFaults(**store);
  EXPECT_THAT(faults, IsEmpty());
  const int64_t num_plans = training.history().num_plans();
  row.Report(
      absl::StrCat(num_restarts, " rolling restarts of ", kNumReplicas, " replicas under ", kWorldSize, " ranks"),
      absl::StrCat("no failed call, ", faults.size(), " faults in ", num_plans, " plans of ", num_plans / kWorldSize,
                   " rounds and as many outcomes"));
}

}  // namespace
}  // namespace greenplan
