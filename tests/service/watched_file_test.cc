#include "tests/service/watched_file.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

namespace fs = std::filesystem;

class WatchedFileTest : public ::testing::Test {
 protected:
  WatchedFileTest() {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    EXPECT_EQ(pipe(ends_), 0);
  }
  ~WatchedFileTest() override {
    close(ends_[0]);
    if (ends_[1] >= 0) close(ends_[1]);
    fs::remove_all(folder_);
  }

  // As a writer does that replaces a file: first a temporary one, then a rename.
  void WriteTemporary() const { std::ofstream(folder_ + "/port.tmp") << "7437\n"; }
  void Rename() const { fs::rename(folder_ + "/port.tmp", folder_ + "/port"); }
  // The writer's descriptor: readable once a byte is written.
  int writer() const { return ends_[0]; }
  void EndWriter() const { EXPECT_EQ(write(ends_[1], "x", 1), 1); }

  std::string folder_ = ::testing::TempDir() + "/watched_XXXXXX";
  int ends_[2] = {-1, -1};
};

TEST_F(WatchedFileTest, ReturnsTheContentOfAFileThatIsThere) {
  const WatchedFile file(folder_, "port");
  WriteTemporary();
  Rename();
  EXPECT_EQ(file.WaitForContent(writer()), "7437\n");
}

// The temporary file's event wakes the wait, and the rename comes right after the look that finds no file.
TEST_F(WatchedFileTest, ARenameRightAfterALookWakesTheNextWait) {
  const WatchedFile file(folder_, "port");
  WriteTemporary();
  int looks = 0;
  EXPECT_EQ(file.WaitForContent(writer(),
                                [&] {
                                  if (++looks == 1) Rename();
                                }),
            "7437\n");
  EXPECT_EQ(looks, 2);
}

TEST_F(WatchedFileTest, ReturnsNothingIfTheWriterEndsFirst) {
  const WatchedFile file(folder_, "port");
  EndWriter();
  EXPECT_EQ(file.WaitForContent(writer()), "");
}

}  // namespace
}  // namespace greenplan
