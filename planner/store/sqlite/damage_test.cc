// Files that a medium has truncated or changed: the store opens and serves what was written, or refuses in one line. It
// never answers anything else, and never crashes. tests/reliability tries many more, on the daemon.

#include "planner/store/testing/damage.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/store/sqlite/database.h"
#include "planner/store/sqlite/sqlite_store.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kNumRounds = 60;
const JobKey kKey = {"team", "jobs/a"};

v1::Job MakeJob() {
  v1::Job job;
  job.set_name(kKey.name);
  job.set_profile_revision(1);
  for (int i = 0; i < 50; ++i) job.mutable_profile()->add_tensors()->set_name(absl::StrCat("layer", i));
  return job;
}

NewPlan MakePlan(int64_t round) {
  NewPlan plan;
  plan.plan.set_round(round);
  plan.plan.set_value(static_cast<double>(round) + 0.5);
  plan.plan.set_trainable(std::string(20, static_cast<char>(round)));
  plan.report.emplace().set_round(round);
  for (int i = 0; i < 50; ++i) plan.report->add_importance(i * round);
  plan.opening.revision = 1;
  return plan;
}

std::string Read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void Write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

constexpr int kNumVariants = 20;

class DamageTest : public ::testing::Test {
 protected:
  DamageTest() {
    std::string pattern = ::testing::TempDir() + "/damage_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/greenplan.sqlite";
  }
  ~DamageTest() override { std::filesystem::remove_all(folder_); }

  // What a daemon that was killed has left: the second half of the rounds is in the log alone.
  void MakeFiles() {
    auto store = OpenSqliteStore(path_);
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->CreateJob(kKey, {1, MakeJob()}).ok());
    for (int64_t round = 0; round < kNumRounds; ++round) {
      if (round == kNumRounds / 2) {
        ASSERT_TRUE((*Database::Open(path_))->Execute("PRAGMA wal_checkpoint(TRUNCATE)").ok());
      }
      ASSERT_TRUE((*store)->PutPlan(1, MakePlan(round)).ok());
    }
    file_ = Read(path_);
    log_ = Read(path_ + "-wal");
    store->reset();
  }

  void PutFiles(const std::string& file, const std::string& log) const {
    std::filesystem::remove(path_ + "-shm");
    Write(path_, file);
    Write(path_ + "-wal", log);
  }

  // Every answer is what was written. `may_lack`: rounds may be lost, but only the last ones.
  void ExpectTruth(Store& store, bool may_lack) const {
    const auto job = store.GetJob(kKey);
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(job->job.SerializeAsString(), MakeJob().SerializeAsString());
    int64_t num_kept = 0;
    for (int64_t round = 0; round < kNumRounds; ++round) {
      const auto plan = store.GetPlan(1, round);
      if (absl::IsNotFound(plan.status()) && may_lack) break;
      ASSERT_TRUE(plan.ok()) << plan.status();
      EXPECT_EQ(plan->plan.SerializeAsString(), MakePlan(round).plan.SerializeAsString());
      const auto reports = store.ListReports(1, round, -1, 9);
      ASSERT_TRUE(reports.ok() && reports->size() == 1) << reports.status();
      EXPECT_EQ((*reports)[0].SerializeAsString(), MakePlan(round).report->SerializeAsString());
      ++num_kept;
    }
    EXPECT_EQ(store.ListPlans(1, 0, 1000)->size(), static_cast<size_t>(num_kept));
    EXPECT_GE(num_kept, kNumRounds / 2) << "the file alone holds these";
  }

  // Returns whether the store was opened.
  bool ExpectTruthOrRefusal(bool may_lack) const {
    const auto store = OpenSqliteStore(path_);
    if (store.ok()) {
      ExpectTruth(**store, may_lack);
      return true;
    }
    EXPECT_TRUE(absl::IsDataLoss(store.status()) || absl::IsFailedPrecondition(store.status())) << store.status();
    EXPECT_THAT(store.status().message(), HasSubstr(path_));
    return false;
  }

  std::string folder_;
  std::string path_;
  std::string file_;
  std::string log_;
};

TEST_F(DamageTest, TheFilesOfAKilledDaemonHoldEverything) {
  MakeFiles();
  PutFiles(file_, log_);
  ExpectTruth(**OpenSqliteStore(path_), /*may_lack=*/false);
  PutFiles(file_, "");
  ExpectTruth(**OpenSqliteStore(path_), /*may_lack=*/true);
}

// The log's pages replace those of the file, so the file is damaged behind an empty log.
TEST_F(DamageTest, ADamagedFileIsRefusedOrServedAsItWasWritten) {
  MakeFiles();
  std::mt19937 random(1);
  int num_refused = 0;
  for (int i = 0; i < kNumVariants; ++i) {
    std::string file = file_;
    SCOPED_TRACE(absl::StrCat("variant ", i, ": ", Damage(random, file)));
    PutFiles(file, "");
    // A file of no bytes is a new one.
    if (!file.empty()) num_refused += ExpectTruthOrRefusal(/*may_lack=*/true) ? 0 : 1;
  }
  RecordProperty("refused", num_refused);
  EXPECT_GE(num_refused, kNumVariants / 4) << "much of the file is in use";
}

TEST_F(DamageTest, AFileThatHasLostItsContentIsNotTakenForANewOne) {
  MakeFiles();
  PutFiles("", log_);
  EXPECT_EQ(OpenSqliteStore(path_).status(),
            absl::DataLossError(path_ + " is damaged: it has no content, but its log " + path_ +
                                "-wal has; restore both, or remove the log to begin anew"));
  std::filesystem::remove(path_);
  EXPECT_TRUE(absl::IsDataLoss(OpenSqliteStore(path_).status())) << "nor is one that is missing";
  PutFiles(file_, log_);
  ExpectTruth(**OpenSqliteStore(path_), /*may_lack=*/false);
}

// SQLite ends its reading of the log at the first frame whose checksum is wrong, as after a power failure.
TEST_F(DamageTest, ADamagedLogLosesItsLastRoundsAtMost) {
  MakeFiles();
  std::mt19937 random(2);
  for (int i = 0; i < kNumVariants; ++i) {
    std::string log = log_;
    SCOPED_TRACE(absl::StrCat("variant ", i, ": ", Damage(random, log)));
    PutFiles(file_, log);
    EXPECT_TRUE(ExpectTruthOrRefusal(/*may_lack=*/true));
  }
}

}  // namespace
}  // namespace greenplan
