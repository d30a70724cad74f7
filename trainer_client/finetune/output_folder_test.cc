#include "trainer_client/finetune/output_folder.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct OutputFolderTest : ::testing::Test {
  OutputFolderTest() {
    root = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root);
    fs::create_directories(root);
  }
  static void Write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }
  static std::string Read(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  fs::path root;
};

TEST_F(OutputFolderTest, LeavesNothingBehindWhenNothingWasWritten) {
  ASSERT_TRUE(OutputFolder::Prepare(root / "new", /*resume=*/false).ok());
  EXPECT_FALSE(fs::exists(root / "new"));
}

TEST_F(OutputFolderTest, KeepsWhatWasWrittenAndAFolderThatWasThere) {
  {
    auto folder = OutputFolder::Prepare(root / "new", /*resume=*/false);
    ASSERT_TRUE(folder.ok());
    Write(root / "new" / "file", "x");
  }
  EXPECT_TRUE(fs::exists(root / "new" / "file"));
  ASSERT_TRUE(OutputFolder::Prepare(root / "new", /*resume=*/true).ok());
  fs::remove(root / "new" / "file");
  ASSERT_TRUE(OutputFolder::Prepare(root / "new", /*resume=*/false).ok());
  EXPECT_TRUE(fs::exists(root / "new"));
}

TEST_F(OutputFolderTest, RefusesWhatIsNotANewOrEmptyFolder) {
  Write(root / "file", "x");
  const struct {
    fs::path path;
    const char* why;
  } cases[] = {{root, "not empty"}, {root / "file", "not a folder"}, {root / "file" / "below", "cannot be made"}};
  for (const auto& [path, why] : cases) {
    const absl::Status status = OutputFolder::Prepare(path, /*resume=*/false).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("--output is " + path.string()));
    EXPECT_THAT(status.message(), HasSubstr(why));
  }
}

TEST_F(OutputFolderTest, TakesTheTokenizerAlong) {
  fs::create_directories(root / "base");
  Write(root / "base" / "tokenizer.model", "base");
  Write(root / "base" / "generation_config.json", "{}");
  Write(root / "other.model", "other");
  auto folder = OutputFolder::Prepare(root / "out", /*resume=*/false);
  ASSERT_TRUE(folder.ok());
  ASSERT_TRUE((*folder)->AddCompanions(root / "base", root / "other.model").ok());
  EXPECT_EQ(Read(root / "out" / "tokenizer.model"), "other");
  EXPECT_EQ(Read(root / "out" / "generation_config.json"), "{}");
  // Once more, as at the end of the next epoch, the tokenizer now being the output's own.
  ASSERT_TRUE((*folder)->AddCompanions(root / "out", root / "out" / "tokenizer.model").ok());
  EXPECT_EQ(Read(root / "out" / "tokenizer.model"), "other");
}

TEST_F(OutputFolderTest, TakesBackWhatItCopiedAndNothingElse) {
  fs::create_directories(root / "base");
  Write(root / "base" / "tokenizer.model", "base");
  Write(root / "base" / "vocab.json", "base");
  auto folder = OutputFolder::Prepare(root / "out", /*resume=*/false);
  ASSERT_TRUE(folder.ok());
  Write(root / "out" / "vocab.json", "there before");
  ASSERT_TRUE((*folder)->AddCompanions(root / "base", "").ok());
  (*folder)->RemoveCompanions();
  EXPECT_FALSE(fs::exists(root / "out" / "tokenizer.model"));
  EXPECT_EQ(Read(root / "out" / "vocab.json"), "there before");
}

TEST_F(OutputFolderTest, SaysWhichTokenizerIsMissing) {
  auto folder = OutputFolder::Prepare(root / "out", /*resume=*/false);
  const absl::Status status = (*folder)->AddCompanions("", root / "missing.model");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("missing.model"));
}

}  // namespace
}  // namespace greenplan::trainer
