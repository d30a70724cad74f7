#include "trainer_client/checkpoint/atomic_file.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

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
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("absent/file: cannot create: No such file or directory"), std::string::npos)
      << status;
}

}  // namespace
}  // namespace greenplan::trainer
