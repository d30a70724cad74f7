#include "trainer_client/finetune/output_folder.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

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

TEST_F(OutputFolderTest, TakesEveryFileOfTheTokenizerAndItsChatTemplatesAlong) {
  const std::vector<std::string> files = {"tokenizer.json",
                                          "tokenizer_config.json",
                                          "tokenization_own.py",
                                          "vocab.txt",
                                          "merges.txt",
                                          "chat_template.jinja",
                                          "chat_template.json",
                                          "special_tokens_map.json",
                                          "added_tokens.json",
                                          "spiece.model",
                                          "own.tiktoken",
                                          "preprocessor_config.json",
                                          "additional_chat_templates/tools.jinja"};
  const std::vector<std::string> others = {"config.json", "model.safetensors", "README.md", "pytorch_model.bin",
                                           "tokenizer.json.tmp.12.0"};
  fs::create_directories(root / "base" / "additional_chat_templates");
  for (const std::string& name : files) Write(root / "base" / name, name);
  for (const std::string& name : others) Write(root / "base" / name, name);
  auto folder = OutputFolder::Prepare(root / "out", /*resume=*/false);
  ASSERT_TRUE(folder.ok());
  ASSERT_TRUE((*folder)->AddCompanions(root / "base", "").ok());
  for (const std::string& name : files) EXPECT_EQ(Read(root / "out" / name), name);
  for (const std::string& name : others) EXPECT_FALSE(fs::exists(root / "out" / name)) << name;
  (*folder)->RemoveCompanions();
  EXPECT_TRUE(fs::is_empty(root / "out"));
}

TEST_F(OutputFolderTest, ATokenizerFromElsewhereBringsItsOwnFiles) {
  fs::create_directories(root / "base");
  fs::create_directories(root / "other");
  Write(root / "base" / "tokenizer_config.json", "base");
  Write(root / "other" / "tokenizer.model", "other");
  Write(root / "other" / "added_tokens.json", "other");
  auto folder = OutputFolder::Prepare(root / "out", /*resume=*/false);
  ASSERT_TRUE((*folder)->AddCompanions(root / "base", root / "other" / "tokenizer.model").ok());
  EXPECT_EQ(Read(root / "out" / "added_tokens.json"), "other");
  EXPECT_FALSE(fs::exists(root / "out" / "tokenizer_config.json"));
}

TEST_F(OutputFolderTest, RefusesAFolderThatAnotherRunIsUsing) {
  auto folder = OutputFolder::Prepare(root / "out", /*resume=*/false);
  ASSERT_TRUE(folder.ok());
  for (const bool resume : {false, true}) {
    const absl::Status status = OutputFolder::Prepare(root / "out", resume).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("which another greenplan-finetune is using"));
  }
  EXPECT_TRUE(fs::exists(root / "out")) << "the folder of the first run must stay";
  folder->reset();
  EXPECT_TRUE(OutputFolder::Prepare(root / "out", /*resume=*/false).ok());
}

TEST_F(OutputFolderTest, AResumeRemovesTheTemporaryFilesOfAKilledRun) {
  Write(root / "model.safetensors.tmp.4711.12", "half");
  Write(root / "notes.tmp.txt", "kept");
  Write(root / "a.tmp.1.x", "kept");
  ASSERT_TRUE(OutputFolder::Prepare(root, /*resume=*/true).ok());
  EXPECT_FALSE(fs::exists(root / "model.safetensors.tmp.4711.12"));
  EXPECT_TRUE(fs::exists(root / "notes.tmp.txt"));
  EXPECT_TRUE(fs::exists(root / "a.tmp.1.x"));
}

TEST_F(OutputFolderTest, ARunMayStartOverWhereNoneHadReachedACheckpoint) {
  auto folder = OutputFolder::Prepare(root, /*resume=*/true);
  ASSERT_TRUE(folder.ok());
  EXPECT_TRUE((*folder)->MayStartOver());
  for (const char* name :
       {"tokenizer.json", "generation_config.json", "optimizer-1.safetensors", "trainer_state-1.json", "config.json"}) {
    Write(root / name, "x");
  }
  EXPECT_TRUE((*folder)->MayStartOver());
  Write(root / "model.safetensors", "x");
  EXPECT_FALSE((*folder)->MayStartOver()) << "weights of something else";
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
