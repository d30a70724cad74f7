// Several real daemons over one real PostgreSQL.

#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "planner/job/test_jobs.h"
#include "planner/store/open_store.h"
#include "planner/store/postgres/testing/postgres_proxy.h"
#include "planner/store/postgres/testing/postgres_server.h"
#include "tests/replicas/history.h"
#include "tests/service/daemon_process.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int kNumReplicas = 3;

std::unique_ptr<Connection> ConnectTo(const std::string& addresses) {
  auto connection = Connect({.planner = addresses, .timeout = absl::Minutes(2)});
  EXPECT_TRUE(connection.ok()) << connection.status();
  return *std::move(connection);
}

v1::Job MakeJob(const std::string& name, int world_size) {
  v1::Job job = TestJob(name);
  job.set_world_size(world_size);
  job.mutable_quorum_timeout()->set_seconds(600);  // No plan without all ranks.
  return job;
}

v1::ImportanceReport MakeReport(int64_t round, int32_t rank) {
  v1::ImportanceReport report = TestReport(round);
  report.set_rank(rank);
  report.set_importance(0, 1.0 + 0.001 * static_cast<double>(rank) + 0.01 * static_cast<double>(round % 7));
  return report;
}

// Three daemons that serve one database, to which they all go through a proxy.
class Replicas {
 public:
  explicit Replicas(const std::string& uri) {
    for (auto& daemon : daemons_)
      daemon = std::unique_ptr<ServingDaemon>(new ServingDaemon(ServingDaemon::OnStore(uri)));
  }

  std::string address(int i) const { return daemons_[i]->address(); }
  // All of them, beginning with the i-th.
  std::string addresses(int i) const {
    return absl::StrCat(address(i % kNumReplicas), ",", address((i + 1) % kNumReplicas), ",",
                        address((i + 2) % kNumReplicas));
  }
  void ExpectCleanShutdown() {
    for (const auto& daemon : daemons_) daemon->process().Signal(SIGTERM);
    for (const auto& daemon : daemons_) EXPECT_EQ(daemon->process().Wait(), 0) << daemon->process().errors();
  }

 private:
  std::array<std::unique_ptr<ServingDaemon>, kNumReplicas> daemons_;
};

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

// Jobs whose ranks plan round after round, through all replicas, until they are told to stop.
class Training {
 public:
  Training(const Replicas& replicas, int num_jobs, int world_size) {
    for (int job = 0; job < num_jobs; ++job) {
      for (int32_t rank = 0; rank < world_size; ++rank) {
        ranks_.emplace_back([this, addresses = replicas.addresses(rank), job, rank, world_size] {
          Train(addresses, MakeJob(absl::StrCat("jobs/", job), world_size), rank);
        });
      }
    }
  }
  ~Training() { Stop(); }

  // Lets the ranks of every job end after the same round, and waits for them.
  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      end_ = newest_ + 1;
    }
    for (std::thread& rank : ranks_) rank.join();
    ranks_.clear();
  }

  const History& history() const { return history_; }

 private:
  bool Begins(int64_t round) {
    absl::MutexLock lock(&mutex_);
    if (round >= end_) return false;
    newest_ = std::max(newest_, round);
    return true;
  }

  void Train(const std::string& addresses, const v1::Job& job, int32_t rank) {
    const auto connection = ConnectTo(addresses);
    const auto created = connection->CreateJob(job);
    ASSERT_TRUE(created.ok()) << created.status();
    for (int64_t round = 0; Begins(round); ++round) {
      const v1::ImportanceReport report = MakeReport(round, rank);
      const auto plan = connection->PlanRound(job.name(), report);
      ASSERT_TRUE(plan.ok()) << job.name() << ", round " << round << ", rank " << rank << ": " << plan.status();
      history_.AddPlan(job.name(), report, *plan);
      v1::Outcome outcome = TestOutcome(round);
      outcome.set_rank(rank);
      const absl::Status reported = connection->ReportOutcome(job.name(), outcome);
      ASSERT_TRUE(reported.ok()) << reported;
      history_.AddOutcome(job.name(), outcome);
    }
  }

  History history_;
  absl::Mutex mutex_;
  int64_t newest_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t end_ ABSL_GUARDED_BY(mutex_) = std::numeric_limits<int64_t>::max();
  std::vector<std::thread> ranks_;
};

// 3, or what GREENPLAN_REPETITIONS says for the long form.
int NumRepetitions() {
  const char* text = getenv("GREENPLAN_REPETITIONS");
  int count = 3;
  if (text != nullptr && !absl::SimpleAtoi(text, &count)) ADD_FAILURE() << "GREENPLAN_REPETITIONS is " << text;
  return count;
}

void DisturbDatabase(int i, PostgresServer& server, PostgresProxy& proxy) {
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

TEST(ReplicasTest, ADatabaseThatIsKilledRestartedOrCutOffLosesNothingAndNoRoundHasTwoPlans) {
  PostgresServer server;
  const std::string uri = server.NewDatabase();
  PostgresProxy proxy(server.socket_name());
  Replicas replicas(proxy.Through(uri));
  Training training(replicas, /*num_jobs=*/3, /*world_size=*/3);
  constexpr int64_t kPlansBetween = 40;
  const int num_repetitions = NumRepetitions();
  for (int i = 0; i < num_repetitions; ++i) {
    training.history().WaitForPlans(training.history().num_plans() + kPlansBetween);
    DisturbDatabase(i, server, proxy);
  }
  training.history().WaitForPlans(training.history().num_plans() + kPlansBetween);
  training.Stop();
  replicas.ExpectCleanShutdown();
  const auto store = StoreUri::Parse(uri)->Open();
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_THAT(training.history().FindFaults(**store), IsEmpty());
  EXPECT_GE(training.history().num_plans(), (num_repetitions + 1) * kPlansBetween);
  RecordProperty("plans", static_cast<int>(training.history().num_plans()));
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
