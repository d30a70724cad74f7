// A PostgreSQL that is killed, restarted or cut off while ranks plan through three replicas over it.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/store/open_store.h"
#include "planner/store/postgres/testing/postgres_proxy.h"
#include "planner/store/postgres/testing/postgres_server.h"
#include "tests/reliability/stress_row.h"
#include "tests/replicas/replicas.h"
#include "tests/replicas/training.h"

namespace greenplan {
namespace {

using ::testing::IsEmpty;

void DisturbDatabase(int64_t i, PostgresServer& server, PostgresProxy& proxy) {
  switch (i % 3) {
    case 0:
      server.Kill();
      server.Start();
      break;
    case 1:
      server.Stop();
      server.Start();
      break;
    case 2:
      proxy.Cut();
      proxy.Mend();
      break;
  }
  // Besides, a change that is made, and whose planner does not hear of it.
  proxy.LoseAnswerTo("COMMIT");
}

TEST(DatabaseOutageTest, LosesNothingAndNoRoundHasTwoPlans) {
  StressRow row("no two plans for one round of a job, nothing acknowledged lost, no call fails");
  PostgresServer server;
  const std::string uri = server.NewDatabase();
  PostgresProxy proxy(server.socket_name());
  Replicas replicas(proxy.Through(uri));
  Training training(
      {.num_jobs = 3, .world_size = 3, .addresses = [&](int32_t rank) { return replicas.addresses(rank); }});
  constexpr int64_t kPlansBetween = 40;
  const int64_t num_outages = Repetitions(3, 50);
  for (int64_t i = 0; i < num_outages; ++i) {
    ASSERT_TRUE(training.history().WaitForPlans(training.history().num_plans() + kPlansBetween));
    DisturbDatabase(i, server, proxy);
  }
  ASSERT_TRUE(training.history().WaitForPlans(training.history().num_plans() + kPlansBetween));
  training.Stop();
  replicas.ExpectCleanShutdown();
  const auto store = StoreUri::Parse(uri)->Open();
  ASSERT_TRUE(store.ok()) << store.status();
  const std::vector<std::string> faults = training.history().FindFaults(**store);
  EXPECT_THAT(faults, IsEmpty());
  const int64_t num_plans = training.history().num_plans();
  EXPECT_GE(num_plans, (num_outages + 1) * kPlansBetween);
  row.Report(absl::StrCat("PostgreSQL killed, restarted or cut off ", num_outages,
                          " times under 3 replicas and 9 ranks, ", proxy.num_lost(), " answers to COMMIT lost"),
             absl::StrCat(faults.size(), " faults in ", num_plans, " plans and as many outcomes"));
}

}  // namespace
}  // namespace greenplan
