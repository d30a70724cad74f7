#include "planner/files/atomic_file.h"

#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/files/testing/faults.h"

namespace greenplan {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class AtomicFileTest : public testing::Test {
 protected:
  AtomicFileTest() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    std::ofstream(path_) << "before";
  }
  std::string Content() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  int64_t FileCount() const { return std::distance(std::filesystem::directory_iterator(folder_), {}); }

  // Writes `content` in two parts.
  absl::Status Write(const std::string& content) const {
    auto file = AtomicFile::Create(path_);
    if (!file.ok()) return file.status();
    const size_t half = content.size() / 2;
    if (absl::Status status = (*file)->Append(content.substr(0, half)); !status.ok()) return status;
    if (absl::Status status = (*file)->Append(content.substr(half)); !status.ok()) return status;
    return (*file)->Commit();
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string path_ = folder_ / "file";
};

TEST_F(AtomicFileTest, ReplacesTheFileOnlyWhenCommitted) {
  auto file = AtomicFile::Create(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Append("after").ok());
  EXPECT_EQ(Content(), "before");
  ASSERT_TRUE((*file)->Commit().ok());
  EXPECT_EQ(Content(), "after");
  file->reset();
  EXPECT_EQ(FileCount(), 1);
}

TEST_F(AtomicFileTest, LeavesNothingBehindWhenDropped) {
  {
    auto file = AtomicFile::Create(path_);
    ASSERT_TRUE((*file)->Append("half").ok());
  }
  EXPECT_EQ(Content(), "before");
  EXPECT_EQ(FileCount(), 1);
}

TEST_F(AtomicFileTest, NamesAFileThatCannotBeCreated) {
  const absl::Status status = AtomicFile::Create(folder_ / "absent" / "file").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("absent/file cannot be written: No such file or directory"));
}

TEST_F(AtomicFileTest, WhateverCallFailsTheOldFileStandsWhole) {
  const int num_errors = SweepFaults({
      .operation = [this] { return Write("after"); },
      .check =
          [this](const absl::Status& status) {
            if (status.ok() || absl::IsDataLoss(status)) {
              EXPECT_EQ(Content(), "after") << status;
            } else {
              EXPECT_EQ(Content(), "before") << status;
            }
            EXPECT_EQ(FileCount(), 1) << status;
            std::ofstream(path_) << "before";
          },
      .named = path_,
  });
  // Open, two Writes, Fsync, Close, Rename, and Open and Fsync of the folder; two errors, once and from there on.
  EXPECT_EQ(num_errors, 8 * 4);
}

TEST_F(AtomicFileTest, ShortWritesAndInterruptionsAreGoneOnWith) {
  const ScopedFaults faults({.interrupts = true, .most_at_once = 3});
  const std::string content(1000, 'x');
  const absl::Status status = Write(content);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Content(), content);
}

TEST_F(AtomicFileTest, AFileLeftByAKilledProgramIsNotInTheWay) {
  for (int i = 0; i < 50; ++i) std::ofstream(absl::StrCat(path_, ".tmp.", getpid(), ".", i)) << "left";
  ASSERT_TRUE(Write("after").ok());
  EXPECT_EQ(Content(), "after");
}

// Below the limit on the size of files, a real file system refuses to go on.
TEST_F(AtomicFileTest, ARealFileSystemThatIsFullLeavesTheOldFile) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {.rlim_cur = 100, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status status = Write(std::string(300, 'x'));
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), path_ + " cannot be written: File too large");
  EXPECT_EQ(Content(), "before");
  EXPECT_EQ(FileCount(), 1);
}

}  // namespace
}  // namespace greenplan
