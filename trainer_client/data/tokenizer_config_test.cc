#include "trainer_client/data/tokenizer_config.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using Files = std::map<std::string, std::string>;

absl::StatusOr<TokenizerConfig> Read(const Files& files) {
  const std::string folder = testing::TempDir() + "/tokenizer";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  for (const auto& [name, content] : files) std::ofstream(folder + "/" + name) << content;
  return ReadTokenizerConfig(folder);
}

TEST(ReadTokenizerConfigTest, AFolderWithoutTheFilesSaysNothing) {
  for (const auto& config : {Read({}), ReadTokenizerConfig("")}) {
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_TRUE(config->added_tokens.empty());
    EXPECT_FALSE(config->eos);
    EXPECT_FALSE(config->has_no_bos);
    EXPECT_FALSE(config->has_tokenizer_json);
  }
}

TEST(ReadTokenizerConfigTest, FindsTheIdOfTheEndWhereverItStands) {
  const std::string names_it = R"({"eos_token": "<e>"})";
  const Files cases[] = {
      {{"tokenizer_config.json", R"({"eos_token": "<e>", "added_tokens_decoder": {"7": {"content": "<e>"}}})"}},
      {{"tokenizer_config.json", names_it}, {"added_tokens.json", R"({"<e>": 7})"}},
      {{"tokenizer_config.json", names_it}, {"tokenizer.json", R"({"added_tokens": [{"id": 7, "content": "<e>"}]})"}},
      {{"tokenizer_config.json", names_it}, {"tokenizer.json", R"({"model": {"vocab": {"<e>": 7}}})"}},
      {{"special_tokens_map.json", R"({"eos_token": {"content": "<e>"}})"}, {"vocab.json", R"({"a": 1, "<e>": 7})"}},
  };
  for (const Files& files : cases) {
    const auto config = Read(files);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->eos, 7) << files.begin()->second;
  }
  EXPECT_FALSE(Read({{"tokenizer_config.json", names_it}})->eos) << "a name without an id";
}

TEST(ReadTokenizerConfigTest, ANullBosIsNone) {
  EXPECT_TRUE(Read({{"tokenizer_config.json", R"({"bos_token": null})"}})->has_no_bos);
  EXPECT_FALSE(Read({{"tokenizer_config.json", R"({"bos_token": "<s>"})"}})->has_no_bos);
}

TEST(ReadTokenizerConfigTest, PassesOverValuesOfOtherKinds) {
  const auto config = Read({{"tokenizer_config.json", R"({"eos_token": 3, "added_tokens_decoder": [1],
                                                          "model_max_length": 1e30})"},
                            {"added_tokens.json", R"({"a": "b"})"},
                            {"tokenizer.json", R"({"added_tokens": [1, {"id": "x"}], "model": 3})"}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->added_tokens.empty());
}

TEST(ReadTokenizerConfigTest, NamesTheFileThatIsNoJson) {
  for (const char* name : {"tokenizer_config.json", "added_tokens.json", "special_tokens_map.json", "tokenizer.json"}) {
    const absl::Status status = Read({{name, "{\"a\": NaN}"}}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find(std::string(name) + " is not JSON at line 1, column 7: NaN"), std::string::npos)
        << status;
  }
}

}  // namespace
}  // namespace greenplan::trainer
