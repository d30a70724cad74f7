#include "planner/store/postgres/postgres_store.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/store/postgres/testing/postgres_proxy.h"
#include "planner/store/postgres/testing/postgres_server.h"
#include "planner/store/testing/store_conformance.h"

namespace greenplan {
namespace {

using postgres::Isolation;
using ::testing::HasSubstr;
using ::testing::Not;

// One server for the whole program; each test has a database of its own.
class SharedServer : public ::testing::Environment {
 public:
  void TearDown() override { server_.reset(); }
  static PostgresServer& Get() {
    if (server_ == nullptr) server_ = std::make_unique<PostgresServer>();
    return *server_;
  }

 private:
  static inline std::unique_ptr<PostgresServer> server_;
};
const ::testing::Environment* const kSharedServer = ::testing::AddGlobalTestEnvironment(new SharedServer);

PostgresServer& Server() { return SharedServer::Get(); }

std::unique_ptr<Store> Open(const PostgresOptions& options) {
  auto store = OpenPostgresStore(options);
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

class PostgresMedium : public StoreMedium {
 public:
  explicit PostgresMedium(Isolation isolation)
      : options_{.uri = Server().NewDatabase(), .timeout = absl::Seconds(60), .isolation = isolation} {}

  std::unique_ptr<Store> Open() override { return greenplan::Open(options_); }
  bool is_durable() const override { return true; }

 private:
  const PostgresOptions options_;
};

template <Isolation isolation>
std::unique_ptr<StoreMedium> NewMedium() {
  return std::make_unique<PostgresMedium>(isolation);
}

using NewMediumFunction = std::function<std::unique_ptr<StoreMedium>()>;
INSTANTIATE_TEST_SUITE_P(ReadCommitted, StoreConformanceTest,
                         ::testing::Values(NewMediumFunction(NewMedium<Isolation::kReadCommitted>)));
INSTANTIATE_TEST_SUITE_P(RepeatableRead, StoreConformanceTest,
                         ::testing::Values(NewMediumFunction(NewMedium<Isolation::kRepeatableRead>)));
INSTANTIATE_TEST_SUITE_P(Serializable, StoreConformanceTest,
                         ::testing::Values(NewMediumFunction(NewMedium<Isolation::kSerializable>)));

void Execute(const std::string& uri, const char* sql) { ASSERT_TRUE(PostgresServer::Execute(uri, sql)); }

v1::Job MakeJob(int64_t revision = 1) {
  v1::Job job;
  job.set_name("jobs/a");
  job.set_world_size(2);
  job.set_profile_revision(revision);
  job.mutable_profile()->add_tensors()->set_name("weight" + std::to_string(revision));
  return job;
}

v1::ImportanceReport MakeReport(int64_t round, int32_t rank) {
  v1::ImportanceReport report;
  report.set_round(round);
  report.set_rank(rank);
  report.add_importance(1);
  return report;
}

NewPlan MakePlan(int64_t round) {
  NewPlan plan;
  plan.plan.set_round(round);
  plan.plan.set_value(3);
  plan.missing_ranks = {1};
  plan.report = MakeReport(round, 0);
  plan.opening = {.revision = 1};
  return plan;
}

v1::Outcome MakeOutcome(int64_t round) {
  v1::Outcome outcome;
  outcome.set_round(round);
  outcome.set_train_loss(1);
  return outcome;
}

constexpr RoundOpening kOpening = {.revision = 1};
const JobKey kKey = {"", "jobs/a"};

TEST(PostgresStoreTest, ReplicasThatStartTogetherMakeOneSchema) {
  const std::string uri = Server().NewDatabase();
  std::vector<std::thread> replicas;
  for (int i = 0; i < 8; ++i) {
    replicas.emplace_back([&] { Open({.uri = uri, .max_connections = 1, .timeout = absl::Seconds(60)}); });
  }
  for (std::thread& replica : replicas) replica.join();
  EXPECT_TRUE(Open({.uri = uri})->CreateJob(kKey, {1, MakeJob()}).ok());
}

TEST(PostgresStoreTest, ASchemaThatWasLeftHalfMadeIsCompleted) {
  const std::string uri = Server().NewDatabase();
  Open({.uri = uri});
  Execute(uri, "DROP TABLE greenplan_schema");
  Execute(uri, "DROP TABLE greenplan_outcomes");
  Execute(uri, "DROP INDEX greenplan_jobs_by_last_use");
  const auto store = Open({.uri = uri});
  ASSERT_TRUE(store->CreateJob(kKey, {1, MakeJob()}).ok());
  EXPECT_TRUE(store->AddOutcome(1, MakeOutcome(0)).ok());
}

TEST(PostgresStoreTest, ANewerSchemaIsRefused) {
  const std::string uri = Server().NewDatabase();
  Open({.uri = uri});
  Execute(uri, "UPDATE greenplan_schema SET version = 7");
  const absl::Status status = OpenPostgresStore({.uri = uri}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(status.message(), HasSubstr("has schema version 7; this program knows versions up to 1"));
}

TEST(PostgresStoreTest, AServerThatIsAwayOrRefusesIsNamedWithoutThePassword) {
  const absl::Status away =
      OpenPostgresStore({.uri = "postgresql://u:secret@/d?host=%2Fnone", .timeout = absl::Milliseconds(50)}).status();
  EXPECT_EQ(away.code(), absl::StatusCode::kUnavailable) << away;
  EXPECT_THAT(away.message(), HasSubstr("/none"));
  EXPECT_THAT(away.message(), Not(HasSubstr("secret")));
  const absl::Status malformed = OpenPostgresStore({.uri = "postgresql://u:secret@[h/d"}).status();
  EXPECT_EQ(malformed.code(), absl::StatusCode::kInvalidArgument) << malformed;
  EXPECT_THAT(malformed.message(), Not(HasSubstr("secret")));
}

TEST(PostgresStoreTest, AUserWhoMayNotCreateTablesIsToldSo) {
  std::string uri = Server().NewDatabase();
  Execute(uri, "CREATE ROLE reader LOGIN");
  uri.replace(uri.find("greenplan@"), 9, "reader");
  const absl::Status status = OpenPostgresStore({.uri = uri}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(status.message(), HasSubstr("permission denied"));
}

TEST(PostgresStoreTest, AMalformedMessageIsReportedAsDamage) {
  const std::string uri = Server().NewDatabase();
  const auto store = Open({.uri = uri});
  Execute(uri, R"(INSERT INTO greenplan_jobs VALUES (1, '', 'jobs/a', 1, 0, 0))");
  Execute(uri, R"(INSERT INTO greenplan_job_revisions VALUES (1, 1, '\xff', ''))");
  const absl::Status status = store->GetJob(kKey).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(status.message(), HasSubstr("holds a malformed greenplan.v1.Job"));
}

// A server that has committed and a client that never hears of it: the change is there once, and the call is OK.
class LostAnswerTest : public ::testing::TestWithParam<Isolation> {
 protected:
  // Loses the answer to the statement that makes the change durable.
  void LoseAnswerTo(const std::string& text) {
    proxy_.LoseAnswerTo(text);
    ++num_to_lose_;
  }
  void TearDown() override { EXPECT_EQ(proxy_.num_lost(), num_to_lose_); }

  const std::string uri_ = Server().NewDatabase();
  PostgresProxy proxy_{Server().socket_name()};
  const std::unique_ptr<Store> store_ =
      Open({.uri = proxy_.Through(uri_), .timeout = absl::Seconds(60), .isolation = GetParam()});
  int num_to_lose_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Isolation, LostAnswerTest,
                         ::testing::Values(Isolation::kReadCommitted, Isolation::kSerializable));

TEST_P(LostAnswerTest, EveryChangeIsMadeOnce) {
  LoseAnswerTo("COMMIT");
  EXPECT_TRUE(store_->CreateJob(kKey, {1, MakeJob()}).ok());
  LoseAnswerTo("COMMIT");
  EXPECT_TRUE(store_->UpdateJob(1, MakeJob(2)).ok());
  EXPECT_EQ(store_->GetJobHead(kKey)->revision, 2);
  LoseAnswerTo("COMMIT");
  const auto report = store_->AddReport(1, MakeReport(0, 0), kOpening);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->earlier.has_value()) << "its own lost attempt is no earlier report";
  EXPECT_EQ(report->round.num_reports, 1);
  LoseAnswerTo("COMMIT");
  EXPECT_TRUE(store_->PutPlan(1, MakePlan(1)).ok());
  EXPECT_EQ(store_->GetRound(1, 1)->num_reports, 1);
  LoseAnswerTo("COMMIT");
  const auto outcome = store_->AddOutcome(1, MakeOutcome(1));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_FALSE(outcome->has_value());
  LoseAnswerTo("DELETE FROM greenplan_jobs");
  EXPECT_TRUE(store_->DeleteJob(1).ok());
  EXPECT_EQ(store_->GetJob(kKey).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(LostAnswerTest, WhatAnotherCallHasKeptIsNotTakenForItsOwn) {
  ASSERT_TRUE(store_->CreateJob(kKey, {1, MakeJob()}).ok());
  ASSERT_TRUE(store_->AddOutcome(1, MakeOutcome(1)).ok());
  ASSERT_TRUE(store_->PutPlan(1, MakePlan(1)).ok());
  // These fail before they commit, so a retry must not believe that they had.
  LoseAnswerTo("INSERT INTO greenplan_jobs");
  EXPECT_EQ(store_->CreateJob(kKey, {2, MakeJob()}).code(), absl::StatusCode::kAlreadyExists);
  LoseAnswerTo("INSERT INTO greenplan_reports");
  EXPECT_EQ(store_->PutPlan(1, MakePlan(1)).code(), absl::StatusCode::kAlreadyExists);
  LoseAnswerTo("INSERT INTO greenplan_outcomes");
  EXPECT_TRUE(store_->AddOutcome(1, MakeOutcome(1))->has_value());
}

// Remembers what a subscription tells.
class Ears {
 public:
  explicit Ears(Store& store)
      : subscription_(store.Subscribe([this](const Change& change) {
          absl::MutexLock lock(&mutex_);
          heard_.push_back(change);
        })) {}

  void WaitFor(const Change& change) {
    const auto is_heard = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      for (const Change& heard : heard_) {
        if (heard == change) return true;
      }
      return false;
    };
    absl::MutexLock lock(&mutex_, absl::Condition(&is_heard));
  }
  void Forget() {
    absl::MutexLock lock(&mutex_);
    heard_.clear();
  }

 private:
  absl::Mutex mutex_;
  std::vector<Change> heard_ ABSL_GUARDED_BY(mutex_);
  const std::unique_ptr<Subscription> subscription_;
};

TEST(PostgresStoreTest, AnotherReplicasChangesAreToldByName) {
  const std::string uri = Server().NewDatabase();
  const auto ours = Open({.uri = uri});
  const auto theirs = Open({.uri = uri});
  Ears ears(*ours);
  ears.WaitFor({.kind = Change::Kind::kAny});  // It listens now.
  ASSERT_TRUE(theirs->CreateJob(kKey, {1, MakeJob()}).ok());
  ASSERT_TRUE(theirs->PutPlan(1, MakePlan(4)).ok());
  ears.WaitFor({.kind = Change::Kind::kPlan, .job_id = 1, .round = 4});
  ASSERT_TRUE(theirs->DeleteJob(1).ok());
  ears.WaitFor({.kind = Change::Kind::kJobDeleted, .job_id = 1});
}

TEST(PostgresStoreTest, WithoutNotificationsTheStoreTellsToLookAgainAndAgain) {
  const auto store = Open({.uri = Server().NewDatabase(), .uses_notifications = false});
  Ears ears(*store);
  for (int i = 0; i < 3; ++i) {
    ears.WaitFor({.kind = Change::Kind::kAny});
    ears.Forget();
  }
}

constexpr char kManyReports[] =
    "INSERT INTO greenplan_reports (job, round, rank, message) SELECT 1, 0, rank, CAST('' AS BYTEA) FROM "
    "generate_series(1, 12000) "
    "rank";

TEST(PostgresStoreTest, ManyReportsAreDeletedInSteps) {
  const std::string uri = Server().NewDatabase();
  const auto store = Open({.uri = uri, .timeout = absl::Seconds(60)});
  ASSERT_TRUE(store->CreateJob(kKey, {1, MakeJob()}).ok());
  ASSERT_TRUE(store->PutPlan(1, MakePlan(0)).ok());
  Execute(uri, kManyReports);
  Execute(uri,
          "CREATE FUNCTION refuse_large() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN "
          "IF (SELECT count(*) FROM deleted) > 5000 THEN RAISE 'too many at a time'; END IF; RETURN NULL; END $$");
  Execute(uri,
          "CREATE TRIGGER refuse_large AFTER DELETE ON greenplan_reports REFERENCING OLD TABLE AS deleted "
          "FOR EACH STATEMENT EXECUTE FUNCTION refuse_large()");
  const absl::Status status = store->DeleteReports(1, 1);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(store->ListReports(1, 0, -1, 9)->size(), 0u);
}

TEST(PostgresStoreTest, AJobWhoseDeletionTakesLongIsDeleted) {
  const std::string uri = Server().NewDatabase();
  const auto store = Open({.uri = uri, .timeout = absl::Seconds(60)});
  ASSERT_TRUE(store->CreateJob(kKey, {1, MakeJob()}).ok());
  Execute(uri,
          "CREATE FUNCTION take_long() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN "
          "PERFORM pg_sleep(4); RETURN OLD; END $$");
  Execute(uri, "CREATE TRIGGER take_long BEFORE DELETE ON greenplan_jobs FOR EACH ROW EXECUTE FUNCTION take_long()");
  const absl::Status status = Open({.uri = uri, .timeout = absl::Seconds(2)})->DeleteJob(1);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(store->GetJobHead(kKey).status().code(), absl::StatusCode::kNotFound);
}

TEST(PostgresStoreTest, AServerThatIsCutOffIsUnavailableAndTheStoreGoesOnAfterwards) {
  PostgresProxy proxy(Server().socket_name());
  const auto store = Open({.uri = proxy.Through(Server().NewDatabase()), .timeout = absl::Seconds(2)});
  ASSERT_TRUE(store->CreateJob(kKey, {1, MakeJob()}).ok());
  proxy.Cut();
  EXPECT_EQ(store->GetJobHead(kKey).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store->PutPlan(1, MakePlan(0)).code(), absl::StatusCode::kUnavailable);
  proxy.Mend();
  EXPECT_TRUE(store->GetJobHead(kKey).ok());
}

// The suite's server stays as it is for the other tests.
TEST(PostgresStoreTest, AKilledServerLosesNothingThatWasAcknowledged) {
  PostgresServer server;
  const auto store = Open({.uri = server.NewDatabase(), .timeout = absl::Seconds(60)});
  ASSERT_TRUE(store->CreateJob(kKey, {1, MakeJob()}).ok());
  std::atomic<int64_t> num_acknowledged = 0;
  std::thread writer([&] {
    for (int64_t round = 0; round < 300; ++round) {
      const absl::Status status = store->PutPlan(1, MakePlan(round));
      EXPECT_TRUE(status.ok()) << status;
      ++num_acknowledged;
    }
  });
  for (const int64_t enough : {20, 120, 220}) {
    while (num_acknowledged < enough) std::this_thread::yield();
    server.Kill();
    server.Start();
  }
  writer.join();
  EXPECT_EQ(store->ListPlans(1, 0, 1000)->size(), 300u);
  for (int64_t round = 0; round < 300; ++round) EXPECT_EQ(store->ListReports(1, round, -1, 9)->size(), 1u) << round;
}

}  // namespace
}  // namespace greenplan
