#include "planner/store/sqlite/backup.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/store/sqlite/database.h"
#include "planner/store/sqlite/sqlite_store.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

class BackupTest : public testing::Test {
 protected:
  BackupTest() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }

  const std::string folder_ =
      testing::TempDir() + "/backup_" + testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string source_ = folder_ + "/source";
  const std::string target_ = folder_ + "/target";
};

NewPlan MakePlan(int64_t round) {
  NewPlan plan;
  plan.plan.set_round(round);
  plan.report.emplace().set_round(round);
  return plan;
}

// A copy holds some first rounds, each whole, and all that were there when it began.
TEST_F(BackupTest, CopiesOneMomentWhileTheStoreIsWritten) {
  auto store = OpenSqliteStore(source_);
  ASSERT_TRUE(store.ok()) << store.status();
  v1::Job job;
  job.set_profile_revision(1);
  ASSERT_TRUE((*store)->CreateJob({"", "jobs/a"}, {1, job}).ok());
  for (int64_t round = 0; round < 20; ++round) ASSERT_TRUE((*store)->PutPlan(1, MakePlan(round)).ok());
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int64_t round = 20; !stop; ++round) EXPECT_TRUE((*store)->PutPlan(1, MakePlan(round)).ok());
  });
  const absl::Status status = BackupSqliteStore(source_, target_);
  stop = true;
  writer.join();
  ASSERT_TRUE(status.ok()) << status;

  auto copy = OpenSqliteStore(target_);
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_TRUE((*copy)->GetJob({"", "jobs/a"}).ok());
  const auto plans = (*copy)->ListPlans(1, 0, 1'000'000);
  ASSERT_TRUE(plans.ok()) << plans.status();
  EXPECT_GE(plans->size(), 20u);
  for (size_t round = 0; round < plans->size(); ++round) {
    EXPECT_EQ((*plans)[round].round(), static_cast<int64_t>(round));
    EXPECT_EQ((*copy)->ListReports(1, round, -1, 10)->size(), 1u);
  }
}

TEST_F(BackupTest, RefusesToOverwriteAndNamesWhatIsMissing) {
  absl::Status status = BackupSqliteStore(source_, target_);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr(source_));
  ASSERT_TRUE(OpenSqliteStore(source_).ok());
  ASSERT_TRUE(BackupSqliteStore(source_, target_).ok());
  status = BackupSqliteStore(source_, target_);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(status.message(), HasSubstr(target_));
  EXPECT_FALSE(std::filesystem::exists(target_ + ".partial"));
  status = BackupSqliteStore(source_, folder_ + "/missing/target");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("/missing/target"));
}

TEST_F(BackupTest, WhatAnEarlierBackupLeftBehindIsReplaced) {
  ASSERT_TRUE(OpenSqliteStore(source_).ok());
  std::ofstream(target_ + ".partial") << "half";
  ASSERT_TRUE(BackupSqliteStore(source_, target_).ok());
  EXPECT_FALSE(std::filesystem::exists(target_ + ".partial"));
  EXPECT_TRUE(OpenSqliteStore(target_).ok());
}

TEST_F(BackupTest, AnotherProgramsDatabaseOrADamagedOneIsNotCopied) {
  ASSERT_TRUE((*Database::Open(source_))->Execute("CREATE TABLE jobs (name TEXT)").ok());
  EXPECT_EQ(BackupSqliteStore(source_, target_).code(), absl::StatusCode::kFailedPrecondition);
  std::filesystem::remove(source_);
  ASSERT_TRUE(OpenSqliteStore(source_).ok());
  std::filesystem::resize_file(source_, std::filesystem::file_size(source_) / 2);
  const absl::Status status = BackupSqliteStore(source_, target_);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_FALSE(std::filesystem::exists(target_));
  EXPECT_FALSE(std::filesystem::exists(target_ + ".partial"));
}

}  // namespace
}  // namespace greenplan
