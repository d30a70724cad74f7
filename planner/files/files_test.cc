#include "planner/files/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/files/testing/faults.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

// An empty folder of the running test's own.
std::string Folder() {
  const std::string folder = testing::TempDir() + "/" + testing::UnitTest::GetInstance()->current_test_info()->name();
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

void ExpectError(const absl::Status& status, absl::StatusCode code, const std::string& message) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_EQ(status.message(), message);
}

TEST(FilesTest, ReadsBackWhatWasWritten) {
  const std::string path = Folder() + "/file";
  const std::string content = std::string("a\0b\r\n", 5) + std::string(200000, 'x');
  for (const std::string& text : {content, std::string()}) {
    ASSERT_TRUE(WriteFile(path, text).ok());
    const auto read = ReadFile(path);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == text);
  }
}

TEST(FilesTest, WritesANewFileWithTheUsualPermissions) {
  const std::string path = Folder() + "/file";
  const mode_t mask = umask(022);
  ASSERT_TRUE(WriteFile(path, "x").ok());
  umask(mask);
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644u);
}

TEST(FilesTest, NamesTheFileAndTheReason) {
  const std::string folder = Folder();
  ExpectError(ReadFile(folder + "/none").status(), absl::StatusCode::kNotFound,
              folder + "/none cannot be read: No such file or directory");
  ExpectError(ReadFile(folder).status(), absl::StatusCode::kInvalidArgument,
              folder + " cannot be read: Is a directory");
  ExpectError(WriteFile(folder, "x"), absl::StatusCode::kInvalidArgument,
              folder + " cannot be written: Is a directory");
  ExpectError(WriteFile(folder + "/none/file", "x"), absl::StatusCode::kNotFound,
              folder + "/none/file cannot be written: No such file or directory");
}

TEST(FilesTest, AFullDeviceIsAnError) {
  ExpectError(WriteFile("/dev/full", "x"), absl::StatusCode::kResourceExhausted,
              "/dev/full cannot be written: No space left on device");
  EXPECT_TRUE(WriteFile("/dev/null", "x").ok());
}

TEST(FilesTest, APipeIsWrittenToAsItIs) {
  const std::string path = Folder() + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::string read;
  std::thread reader([&] { read = *ReadFile(path); });
  EXPECT_TRUE(WriteFile(path, "text").ok());
  reader.join();
  EXPECT_EQ(read, "text");
}

TEST(FilesTest, AFaultOfADeviceIsReported) {
  const int num_errors = SweepFaults({
      .operation = [] { return WriteFile("/dev/null", "text"); },
      .check = [](const absl::Status&) {},
      .named = "/dev/null cannot be written",
  });
  EXPECT_EQ(num_errors, 3 * 4) << "Open, Write, Close";
}

TEST(FilesTest, AFolderThatCannotBeFlushedDoesNotStopFilesThatBelongTogether) {
  absl::Status unflushed;
  EXPECT_EQ(IfWritten(absl::OkStatus(), unflushed), absl::OkStatus());
  EXPECT_EQ(IfWritten(absl::UnavailableError("a"), unflushed), absl::UnavailableError("a"));
  EXPECT_EQ(unflushed, absl::OkStatus());
  EXPECT_EQ(IfWritten(absl::DataLossError("b"), unflushed), absl::OkStatus());
  EXPECT_EQ(IfWritten(absl::DataLossError("c"), unflushed), absl::OkStatus());
  EXPECT_EQ(unflushed, absl::DataLossError("b"));
}

TEST(FilesTest, InterruptionsAreGoneOnWith) {
  const std::string path = Folder() + "/file";
  const ScopedFaults faults({.interrupts = true, .most_at_once = 2});
  ASSERT_TRUE(WriteFile(path, "some text").ok());
  EXPECT_EQ(*ReadFile(path), "some text");
}

}  // namespace
}  // namespace greenplan
