#include <sqlite3.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/store/sqlite/faulty_vfs.h"
#include "planner/store/sqlite/sqlite_store.h"

namespace greenplan {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr int64_t kJobId = 1;
const JobKey kKey = {"", "jobs/a"};

absl::Status PutJob(Store& store) {
  v1::Job job;
  job.set_name("jobs/a");
  job.set_profile_revision(1);
  return store.CreateJob(kKey, {kJobId, job});
}

NewPlan MakePlan(int64_t round) {
  NewPlan plan;
  plan.plan.set_round(round);
  plan.plan.set_trainable(std::string(20000, 'x'));  // Several pages.
  plan.report.emplace().set_round(round);
  return plan;
}

absl::Status PutRound(Store& store, int64_t round) { return store.PutPlan(kJobId, MakePlan(round)); }

bool HasRound(Store& store, int64_t round) {
  const auto plan = store.GetPlan(kJobId, round);
  const auto reports = store.ListReports(kJobId, round, -1, 10);
  EXPECT_TRUE(plan.ok() || absl::IsNotFound(plan.status())) << plan.status();
  EXPECT_TRUE(reports.ok()) << reports.status();
  EXPECT_EQ(reports.ok() ? reports->size() : 0u, plan.ok() ? 1u : 0u) << "a plan without its report, or the reverse";
  EXPECT_TRUE(!plan.ok() || plan->plan.SerializeAsString() == MakePlan(round).plan.SerializeAsString());
  return plan.ok();
}

class SqliteFaultsTest : public testing::Test {
 protected:
  SqliteFaultsTest() { StartOver(); }
  ~SqliteFaultsTest() override { std::filesystem::remove_all(folder_); }

  void StartOver() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  std::unique_ptr<Store> Open() const {
    auto store = OpenSqliteStore(path_);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  void ExpectNamesFileAndReason(const absl::Status& status, int code) const {
    EXPECT_EQ(status.code(),
              (code & 0xff) == SQLITE_FULL ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kUnavailable)
        << status;
    const std::string message(status.message());
    EXPECT_THAT(message, HasSubstr(path_));
    EXPECT_THAT(message, AnyOf(HasSubstr("database or disk is full"), HasSubstr("disk I/O error while writing"),
                               HasSubstr("disk I/O error while flushing to the disk")));
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }

  // Tries with every kind of fault at the first call, the second, and so on until none is met any more.
  void ForEachFault(const std::function<void(const FaultyVfs::Fault&)>& attempt) {
    for (const int code : {SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC}) {
      for (const bool goes_on : {false, true}) {
        for (const bool writes_half : {false, true}) {
          FaultyVfs::Fault fault = {.code = code, .goes_on = goes_on, .writes_half = writes_half};
          do {
            SCOPED_TRACE(testing::Message()
                         << sqlite3_errstr(code) << " at call " << fault.at << (goes_on ? " and later ones" : "")
                         << (writes_half ? ", half written" : ""));
            attempt(fault);
          } while (vfs_.num_calls() > fault.at++);
        }
      }
    }
  }

  const std::string folder_ = testing::TempDir() + "/" + testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string path_ = folder_ + "/greenplan.sqlite";
  FaultyVfs vfs_;
};

TEST_F(SqliteFaultsTest, ARoundIsKeptWholeOrRefusedAndTheStoreGoesOn) {
  int num_errors = 0;
  ForEachFault([&](const FaultyVfs::Fault& fault) {
    StartOver();
    auto store = Open();
    ASSERT_TRUE(PutJob(*store).ok());
    ASSERT_TRUE(PutRound(*store, 0).ok());

    vfs_.Arm(fault);
    const absl::Status status = PutRound(*store, 1);
    vfs_.Disarm();
    EXPECT_TRUE(HasRound(*store, 0));
    EXPECT_EQ(HasRound(*store, 1), status.ok());
    if (!status.ok()) {
      ++num_errors;
      ExpectNamesFileAndReason(status, fault.code);
      EXPECT_TRUE(PutRound(*store, 1).ok()) << "the disk has room again";
    }
    store.reset();
    store = Open();
    ASSERT_NE(store, nullptr);
    EXPECT_TRUE(store->GetJob(kKey).ok());
    EXPECT_TRUE(HasRound(*store, 0));
    EXPECT_TRUE(HasRound(*store, 1));
  });
  EXPECT_GT(num_errors, 50);
}

// As a program that is stopped after the error: whoever opens the file next finds what was acknowledged.
TEST_F(SqliteFaultsTest, ARefusedRoundLosesNothingThatWasAcknowledged) {
  ForEachFault([&](const FaultyVfs::Fault& fault) {
    StartOver();
    auto store = Open();
    ASSERT_TRUE(PutJob(*store).ok());
    ASSERT_TRUE(PutRound(*store, 0).ok());
    vfs_.Arm(fault);
    const absl::Status status = PutRound(*store, 1);
    store.reset();  // Closes while the disk still fails.
    vfs_.Disarm();
    store = Open();
    ASSERT_NE(store, nullptr);
    EXPECT_TRUE(store->GetJob(kKey).ok());
    EXPECT_TRUE(HasRound(*store, 0));
    EXPECT_TRUE(HasRound(*store, 1) || !status.ok());
  });
}

TEST_F(SqliteFaultsTest, AFileThatCannotBeMadeIsRefusedAndCanBeMadeLater) {
  int num_errors = 0;
  ForEachFault([&](const FaultyVfs::Fault& fault) {
    StartOver();
    vfs_.Arm(fault);
    auto store = OpenSqliteStore(path_);
    const absl::Status status = store.status();
    if (store.ok()) store->reset();
    vfs_.Disarm();
    if (!status.ok()) {
      ++num_errors;
      ExpectNamesFileAndReason(status, fault.code);
    }
    EXPECT_NE(Open(), nullptr);
  });
  EXPECT_GT(num_errors, 20);
}

// The real file system, below the limit on the size of files.
TEST_F(SqliteFaultsTest, ARealFileSystemThatIsFullKeepsWhatWasAcknowledged) {
  auto store = Open();
  ASSERT_TRUE(PutJob(*store).ok());
  ASSERT_TRUE(PutRound(*store, 0).ok());
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {.rlim_cur = 400000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  int64_t round = 1;
  absl::Status status;
  for (; round < 100 && (status = PutRound(*store, round)).ok(); ++round) {
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(status.code(), AnyOf(absl::StatusCode::kResourceExhausted, absl::StatusCode::kUnavailable)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
  ASSERT_GT(round, 1);
  EXPECT_TRUE(PutRound(*store, round).ok()) << "there is room again";
  store.reset();
  store = Open();
  for (int64_t kept = 0; kept <= round; ++kept) EXPECT_TRUE(HasRound(*store, kept)) << kept;
}

}  // namespace
}  // namespace greenplan
