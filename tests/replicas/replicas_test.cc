// Several real daemons over one real PostgreSQL.

#include "tests/replicas/replicas.h"

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "planner/store/postgres/testing/postgres_server.h"
#include "tests/replicas/training.h"
#include "tests/service/daemon_process.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(ReplicasTest, RanksAtDifferentReplicasGetTheSameBytes) {
  PostgresServer server;
  Replicas replicas(server.NewDatabase());
  constexpr int kRounds = 10;
  std::vector<std::vector<std::string>> plans(kNumReplicas);  // By rank and round.
  std::vector<std::thread> ranks;
  for (int32_t rank = 0; rank < kNumReplicas; ++rank) {
    ranks.emplace_back([&, rank] {
      const auto connection = ConnectTo(replicas.address(rank));
      ASSERT_TRUE(connection->CreateJob(MakeJob("jobs/a", kNumReplicas)).ok());
      for (int64_t round = 0; round < kRounds; ++round) {
        const auto plan = connection->PlanRound("jobs/a", MakeReport(round, rank));
        ASSERT_TRUE(plan.ok()) << plan.status();
        plans[rank].push_back(plan->SerializeAsString());
      }
    });
  }
  for (std::thread& rank : ranks) rank.join();
  EXPECT_EQ(std::set<std::string>(plans[0].begin(), plans[0].end()).size(), static_cast<size_t>(kRounds));
  for (int32_t rank = 1; rank < kNumReplicas; ++rank) EXPECT_EQ(plans[rank], plans[0]);
  for (int i = 0; i < kNumReplicas; ++i) {
    const auto kept = ConnectTo(replicas.address(i))->GetPlan("jobs/a/plans/3");
    ASSERT_TRUE(kept.ok()) << kept.status();
    EXPECT_EQ(kept->SerializeAsString(), plans[0][3]);
  }
  replicas.ExpectCleanShutdown();
}

// The daemon ends with `exit_code` and one line, which has `part` and no password.
void ExpectRefused(const std::string& uri, int exit_code, const std::string& part) {
  DaemonProcess daemon({"--listen", "127.0.0.1:0", "--http-listen", "", "--store", uri});
  EXPECT_EQ(daemon.Wait(), exit_code);
  const std::string errors = daemon.errors();
  EXPECT_THAT(errors, StartsWith("greenpland: --store"));
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
  EXPECT_THAT(errors, HasSubstr(part));
  EXPECT_THAT(errors, Not(HasSubstr("secret")));
}

TEST(ReplicasTest, ADatabaseThatIsAwayIsNamedInOneLine) {
  ExpectRefused("postgresql://u:secret@/plans?host=%2Fno-such-folder", 1, "/no-such-folder");
}

TEST(ReplicasTest, ANewerSchemaIsRefused) {
  PostgresServer server;
  const std::string uri = server.NewDatabase();
  { ServingDaemon first(ServingDaemon::OnStore(uri)); }
  ASSERT_TRUE(server.Execute(uri, "UPDATE greenplan_schema SET version = 1000"));
  ExpectRefused(uri, 2, "has schema version 1000");
}

}  // namespace
}  // namespace greenplan
