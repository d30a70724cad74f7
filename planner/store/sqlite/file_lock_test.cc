#include "planner/store/sqlite/file_lock.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

const std::string Path() { return testing::TempDir() + "/file_lock_test"; }

TEST(FileLockTest, OneHolderAtATime) {
  auto first = FileLock::Take(Path());
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status second = FileLock::Take(Path()).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(second.message(), Path() + " is in use by another process");
  first->reset();
  EXPECT_TRUE(FileLock::Take(Path()).ok());
}

TEST(FileLockTest, AKilledProcessHoldsItNoLonger) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = FileLock::Take(Path());
    if (lock.ok() && write(pipe_ends[1], "x", 1) == 1) pause();
    _exit(1);
  }
  char ready;
  ASSERT_EQ(read(pipe_ends[0], &ready, 1), 1);
  EXPECT_EQ(FileLock::Take(Path()).status().code(), absl::StatusCode::kUnavailable);
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(FileLock::Take(Path()).ok());
}

TEST(FileLockTest, AMissingFolderIsRefusedByName) {
  const absl::Status status = FileLock::Take("/nonexistent/folder/file").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("/nonexistent/folder/file.lock cannot be opened"));
}

}  // namespace
}  // namespace greenplan
