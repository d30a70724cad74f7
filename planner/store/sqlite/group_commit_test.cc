#include "planner/store/sqlite/group_commit.h"

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

class GroupCommitTest : public testing::Test {
 protected:
  GroupCommitTest() {
    std::filesystem::remove(path_);
    database_ = *Database::Open(path_);
    EXPECT_TRUE(database_->Execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)").ok());
    writer_ = std::make_unique<GroupCommit>(database_.get());
  }

  absl::Status Insert(int number) {
    return writer_->Run([&](Database& database) { return InsertInto(database, number); });
  }
  static absl::Status InsertInto(Database& database, int number) {
    Statement insert(database, "INSERT INTO numbers VALUES (?)");
    insert.BindNumber(1, number);
    return insert.Run();
  }
  int64_t Count() { return *database_->QueryNumber("SELECT count(*) FROM numbers"); }

  const std::string path_ =
      absl::StrCat(testing::TempDir(), "/group_commit_", testing::UnitTest::GetInstance()->current_test_info()->name());
  std::unique_ptr<Database> database_;
  std::unique_ptr<GroupCommit> writer_;
};

TEST_F(GroupCommitTest, AChangeThatFailsIsUndoneAndTheNextOneGoesOn) {
  EXPECT_TRUE(Insert(1).ok());
  const absl::Status failed = writer_->Run([&](Database& database) {
    EXPECT_TRUE(InsertInto(database, 2).ok());
    return InsertInto(database, 1);
  });
  EXPECT_EQ(failed.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Count(), 1);
  EXPECT_TRUE(Insert(2).ok());
  EXPECT_EQ(Count(), 2);
}

// While the first change is held up, the others queue; they then share one transaction, in which one fails.
TEST_F(GroupCommitTest, ChangesThatWaitShareATransaction) {
  constexpr int kWaiting = 8;
  absl::Notification first_runs;
  absl::Notification may_end;
  std::thread first([&] {
    EXPECT_TRUE(writer_
                    ->Run([&](Database& database) {
                      first_runs.Notify();
                      may_end.WaitForNotification();
                      return InsertInto(database, 0);
                    })
                    .ok());
  });
  first_runs.WaitForNotification();
  std::vector<absl::Status> statuses(kWaiting);
  std::vector<std::thread> others;
  for (int i = 0; i < kWaiting; ++i) {
    others.emplace_back([&, i] { statuses[i] = Insert(i); });
  }
  while (writer_->num_waiting() < kWaiting) std::this_thread::yield();
  may_end.Notify();
  first.join();
  for (std::thread& other : others) other.join();
  EXPECT_EQ(statuses[0].code(), absl::StatusCode::kAlreadyExists) << statuses[0];
  for (int i = 1; i < kWaiting; ++i) EXPECT_TRUE(statuses[i].ok()) << statuses[i];
  EXPECT_EQ(writer_->num_commits(), 2);
  EXPECT_EQ(Count(), kWaiting);
}

}  // namespace
}  // namespace greenplan
