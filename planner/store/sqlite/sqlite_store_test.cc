#include "planner/store/sqlite/sqlite_store.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/store/sqlite/database.h"
#include "planner/store/testing/store_conformance.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

// A folder of its own per instance, removed with it.
class SqliteMedium : public StoreMedium {
 public:
  SqliteMedium() {
    std::string pattern = ::testing::TempDir() + "/sqlite_store_XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~SqliteMedium() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ + "/greenplan.sqlite"; }
  std::unique_ptr<Store> Open() override {
    auto store = OpenSqliteStore(path());
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  bool is_durable() const override { return true; }

 private:
  std::string folder_;
};

std::unique_ptr<StoreMedium> NewSqliteMedium() { return std::make_unique<SqliteMedium>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformanceTest, ::testing::Values(std::function(NewSqliteMedium)));

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

void ExpectRefused(const std::string& path, absl::StatusCode code, const std::string& reason) {
  const absl::Status status = OpenSqliteStore(path).status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(status.message(), HasSubstr(path));
  EXPECT_THAT(status.message(), HasSubstr(reason));
}

TEST(SqliteStoreTest, AFileThatIsNoDatabaseIsRefusedAndLeftAlone) {
  const SqliteMedium medium;
  const std::string content(5000, 'x');
  WriteFile(medium.path(), content);
  ExpectRefused(medium.path(), absl::StatusCode::kDataLoss, "is damaged or no database");
  EXPECT_EQ(std::filesystem::file_size(medium.path()), content.size());
}

TEST(SqliteStoreTest, ATruncatedFileIsRefused) {
  SqliteMedium medium;
  medium.Open().reset();
  std::filesystem::resize_file(medium.path(), std::filesystem::file_size(medium.path()) / 2);
  ExpectRefused(medium.path(), absl::StatusCode::kDataLoss, "is damaged or no database");
}

TEST(SqliteStoreTest, AFileInUseIsRefusedUntilItIsFree) {
  SqliteMedium medium;
  auto first = medium.Open();
  ExpectRefused(medium.path(), absl::StatusCode::kUnavailable, "is in use by another process");
  first.reset();
  EXPECT_TRUE(OpenSqliteStore(medium.path()).ok());
}

TEST(SqliteStoreTest, APathThatCannotBeWrittenIsRefused) {
  const SqliteMedium medium;
  std::filesystem::create_directory(medium.path());
  ExpectRefused(medium.path(), absl::StatusCode::kFailedPrecondition, "cannot be opened for writing");
  ExpectRefused(medium.path() + "/missing/file", absl::StatusCode::kFailedPrecondition, "cannot be opened");
}

TEST(SqliteStoreTest, ANewerSchemaIsRefused) {
  SqliteMedium medium;
  medium.Open().reset();
  ASSERT_TRUE((*Database::Open(medium.path()))->Execute("PRAGMA user_version = 7").ok());
  ExpectRefused(medium.path(), absl::StatusCode::kFailedPrecondition, "has schema version 7");
}

TEST(SqliteStoreTest, AnotherProgramsDatabaseIsRefused) {
  const SqliteMedium medium;
  ASSERT_TRUE((*Database::Open(medium.path()))->Execute("CREATE TABLE jobs (name TEXT)").ok());
  ExpectRefused(medium.path(), absl::StatusCode::kFailedPrecondition, "is a database of another program");
}

// What the first version kept is found under the new schema, byte for byte.
TEST(SqliteStoreTest, AFileOfTheFirstSchemaIsBroughtUpToDate) {
  SqliteMedium medium;
  v1::Job job;
  job.set_name("jobs/a");
  job.set_world_size(1);
  job.set_profile_revision(1);
  job.mutable_profile()->add_tensors()->set_name("weight");
  v1::ImportanceReport report;
  report.set_round(4);
  report.add_importance(2);
  v1::Plan plan;
  plan.set_round(4);
  plan.set_value(2);
  {
    const auto database = Database::Open(medium.path());
    ASSERT_TRUE(database.ok()) << database.status();
    ASSERT_TRUE((*database)
                    ->Execute("CREATE TABLE jobs (name TEXT PRIMARY KEY NOT NULL, message BLOB NOT NULL);"
                              "CREATE TABLE reports (job TEXT NOT NULL REFERENCES jobs (name) ON DELETE CASCADE,"
                              " round INTEGER NOT NULL, rank INTEGER NOT NULL, message BLOB NOT NULL,"
                              " PRIMARY KEY (job, round, rank));"
                              "CREATE TABLE plans (job TEXT NOT NULL REFERENCES jobs (name) ON DELETE CASCADE,"
                              " round INTEGER NOT NULL, message BLOB NOT NULL, PRIMARY KEY (job, round));"
                              "PRAGMA application_id = 0x67706c6e; PRAGMA user_version = 1")
                    .ok());
    const std::string job_bytes = job.SerializeAsString();
    const std::string report_bytes = report.SerializeAsString();
    const std::string plan_bytes = plan.SerializeAsString();
    Statement insert_job(**database, "INSERT INTO jobs VALUES ('jobs/a', ?)");
    insert_job.BindBlob(1, job_bytes);
    ASSERT_TRUE(insert_job.Run().ok());
    Statement insert_report(**database, "INSERT INTO reports VALUES ('jobs/a', 4, 0, ?)");
    insert_report.BindBlob(1, report_bytes);
    ASSERT_TRUE(insert_report.Run().ok());
    Statement insert_plan(**database, "INSERT INTO plans VALUES ('jobs/a', 4, ?)");
    insert_plan.BindBlob(1, plan_bytes);
    ASSERT_TRUE(insert_plan.Run().ok());
  }
  const auto store = medium.Open();
  const auto kept = store->GetJob({"", "jobs/a"});
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->job.SerializeAsString(), job.SerializeAsString());
  EXPECT_EQ(store->GetPlan(kept->id, 4)->plan.SerializeAsString(), plan.SerializeAsString());
  EXPECT_EQ((*store->ListReports(kept->id, 4, -1, 10))[0].SerializeAsString(), report.SerializeAsString());
  EXPECT_TRUE(store->GetRound(kept->id, 4)->is_planned);
  EXPECT_EQ(store->GetRound(kept->id, 4)->num_reports, 1);
  ASSERT_TRUE(store->DeleteJob(kept->id).ok()) << "the new tables refer to each other";
  EXPECT_TRUE(store->ListReports(kept->id, 4, -1, 10)->empty());
}

// Fills a store with a job of two rounds.
void Fill(Store& store) {
  v1::Job job;
  job.set_name("jobs/a");
  job.set_profile_revision(1);
  ASSERT_TRUE(store.CreateJob({"", "jobs/a"}, {1, job}).ok());
  for (int64_t round = 0; round < 2; ++round) {
    NewPlan plan;
    plan.plan.set_round(round);
    plan.plan.set_value(3);
    plan.report.emplace().set_round(round);
    plan.opening.revision = 1;
    ASSERT_TRUE(store.PutPlan(1, plan).ok());
    v1::Outcome outcome;
    outcome.set_round(round);
    ASSERT_TRUE(store.AddOutcome(1, outcome).ok());
  }
}

TEST(SqliteStoreTest, AFileOfTheSecondSchemaGetsItsChecksums) {
  SqliteMedium medium;
  Fill(*medium.Open());
  {
    const auto database = Database::Open(medium.path());
    for (const char* table : {"job_revisions", "reports", "plans", "outcomes"}) {
      ASSERT_TRUE((*database)->Execute(std::string("ALTER TABLE ") + table + " DROP COLUMN checksum").ok());
    }
    ASSERT_TRUE((*database)->Execute("PRAGMA user_version = 2").ok());
  }
  const auto store = medium.Open();
  EXPECT_EQ(store->GetPlan(1, 1)->plan.value(), 3);
  EXPECT_EQ(store->ListReports(1, 1, -1, 10)->size(), 1u);
  EXPECT_EQ(store->ListOutcomes(1, -1, -1, 10)->size(), 2u);
  EXPECT_TRUE(store->GetJob({"", "jobs/a"}).ok());
}

// SQLite itself sees nothing wrong in any of these.
TEST(SqliteStoreTest, ChangedContentIsFoundAtTheStart) {
  for (const char* change :
       {"UPDATE plans SET message = x'3001' WHERE round = 1", "UPDATE plans SET missing_ranks = x'00000000'",
        "UPDATE plans SET round = 7 WHERE round = 1", "UPDATE reports SET message = x'' WHERE round = 1",
        "UPDATE outcomes SET rank = 3 WHERE round = 1", "UPDATE job_revisions SET profile = x'0a00'",
        "UPDATE job_revisions SET checksum = checksum + 1", "UPDATE jobs SET revision = 2",
        "UPDATE jobs SET num_bytes = -1", "UPDATE rounds SET is_planned = 0 WHERE round = 0",
        "UPDATE rounds SET revision = 5", "DELETE FROM plans WHERE round = 1",
        "PRAGMA foreign_keys = OFF; DELETE FROM job_revisions; DELETE FROM jobs"}) {
    SqliteMedium medium;
    Fill(*medium.Open());
    ASSERT_TRUE((*Database::Open(medium.path()))->Execute(change).ok()) << change;
    SCOPED_TRACE(change);
    ExpectRefused(medium.path(), absl::StatusCode::kDataLoss, "is damaged or no database");
  }
}

TEST(SqliteStoreTest, ContentThatChangesWhileTheStoreIsOpenIsNotServed) {
  SqliteMedium medium;
  const auto store = medium.Open();
  Fill(*store);
  ASSERT_TRUE((*Database::Open(medium.path()))
                  ->Execute("UPDATE plans SET message = x'3001'; UPDATE reports SET message = x'3001';"
                            "UPDATE outcomes SET message = x'3001'; UPDATE job_revisions SET message = x'0a00'")
                  .ok());
  for (const absl::Status& status :
       {store->GetPlan(1, 1).status(), store->GetLatestPlan(1).status(), store->ListPlans(1, 0, 9).status(),
        store->ListReports(1, 1, -1, 9).status(), store->ListOutcomes(1, -1, -1, 9).status(),
        store->GetJob({"", "jobs/a"}).status(), store->GetJobRevision(1, 1).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(status.message(), HasSubstr("has changed since it was written"));
  }
}

// An index that contradicts its table makes look-ups wrong without any error; the check at the start finds it.
TEST(SqliteStoreTest, ADamagedIndexIsFoundAtTheStart) {
  SqliteMedium medium;
  medium.Open().reset();
  ASSERT_TRUE((*Database::Open(medium.path()))
                  ->Execute("INSERT INTO jobs VALUES (1, '', 'jobs/a', 1, 0, 5);"
                            "PRAGMA writable_schema = ON;"
                            "UPDATE sqlite_schema SET sql = 'CREATE INDEX jobs_by_last_use ON jobs (num_bytes)'"
                            " WHERE name = 'jobs_by_last_use'")
                  .ok());
  ExpectRefused(medium.path(), absl::StatusCode::kDataLoss, "is damaged or no database");
}

TEST(SqliteStoreTest, AMalformedMessageIsReportedAsDamage) {
  SqliteMedium medium;
  medium.Open().reset();
  ASSERT_TRUE((*Database::Open(medium.path()))
                  ->Execute("INSERT INTO jobs VALUES (1, '', 'jobs/a', 1, 0, 0);"
                            "INSERT INTO job_revisions VALUES (1, 1, x'ff', x'', greenplan_crc32(1, 1, x'ff', x''))")
                  .ok());
  const auto job = medium.Open()->GetJob({"", "jobs/a"});
  EXPECT_EQ(job.status().code(), absl::StatusCode::kDataLoss) << job.status();
  EXPECT_THAT(job.status().message(), HasSubstr(medium.path() + " is damaged: it holds a malformed greenplan.v1.Job"));
}

// Puts rounds for ever, acknowledging each on `pipe`.
[[noreturn]] void PutRoundsUntilKilled(const std::string& path, int pipe) {
  const auto store = OpenSqliteStore(path);
  v1::Job job;
  job.set_name("jobs/a");
  job.set_profile_revision(1);
  if (!store.ok() || !(*store)->CreateJob({"", "jobs/a"}, {1, job}).ok()) _exit(1);
  for (int64_t round = 0;; ++round) {
    NewPlan plan;
    plan.plan.set_round(round);
    plan.report.emplace().set_round(round);
    if (!(*store)->PutPlan(1, plan).ok()) _exit(1);
    if (write(pipe, &round, sizeof(round)) != sizeof(round)) _exit(1);
  }
}

TEST(SqliteStoreTest, AKilledProcessLosesNothingThatWasAcknowledged) {
  SqliteMedium medium;
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) PutRoundsUntilKilled(medium.path(), pipe_ends[1]);
  close(pipe_ends[1]);
  int64_t acknowledged = -1;
  while (acknowledged < 40 && read(pipe_ends[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged)) {
  }
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  while (read(pipe_ends[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged)) {
  }
  close(pipe_ends[0]);
  ASSERT_GE(acknowledged, 40);

  const auto store = medium.Open();
  for (int64_t round = 0; round <= acknowledged; ++round) {
    EXPECT_TRUE(store->GetPlan(1, round).ok()) << round;
    EXPECT_EQ(store->ListReports(1, round, -1, 10)->size(), 1u) << round;
  }
}

}  // namespace
}  // namespace greenplan
