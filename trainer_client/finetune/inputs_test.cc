#include "trainer_client/finetune/inputs.h"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "ATen/ops/equal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "trainer_client/finetune/test_inputs.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct InputsTest : ::testing::Test {
  InputsTest() {
    root = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root);
    fs::create_directories(root);
    WriteText(root / "config.json", kLlama.dump());
    WriteTokens(root / "train.npy", 16 * 10 + 3, 32);
    WriteTokens(root / "valid.npy", 16 * 2, 32);
    options.config = root / "config.json";
    options.train = root / "train.npy";
    options.valid = root / "valid.npy";
    options.batch_size = 4;
  }

  void ExpectRefused(const std::string& message) {
    const absl::Status status = LoadInputs(options, "").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }

  fs::path root;
  FinetuneOptions options;
};

TEST_F(InputsTest, LoadsModelAndDataAsTheOptionsSay) {
  options.seq_len = 8;
  const auto inputs = LoadInputs(options, "");
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  EXPECT_EQ(inputs->checkpoint.config, kLlama);
  EXPECT_EQ(inputs->checkpoint.model->vocab_size(), 32);
  EXPECT_EQ(inputs->train.seq_len, 8);
  EXPECT_EQ(inputs->train.num_rows(), 20);
  EXPECT_EQ(inputs->train_rows.size(), 20u);
  EXPECT_EQ(inputs->valid.num_rows(), 4);
  EXPECT_EQ(inputs->tokenizer_model, "");
}

TEST_F(InputsTest, RowsAreAsLongAsTheModelTakesByDefault) {
  const auto inputs = LoadInputs(options, "");
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  EXPECT_EQ(inputs->train.seq_len, 16);
  EXPECT_EQ(inputs->train.num_rows(), 10) << "the shorter last one is dropped";
}

TEST_F(InputsTest, ValidationRowsAreAsLongAsThoseOfTraining) {
  WriteText(root / "train.jsonl", R"({"source_ids": [3, 4], "target_ids": [5]})"
                                  "\n");
  options.train = root / "train.jsonl";
  options.batch_size = 1;
  const auto inputs = LoadInputs(options, "");
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  EXPECT_EQ(inputs->train.seq_len, 5) << "BOS and EOS";
  EXPECT_EQ(inputs->valid.seq_len, 5);
}

TEST_F(InputsTest, TheSeedDeterminesRandomWeights) {
  const auto first_weight = [&](uint64_t seed) {
    options.seed = seed;
    return LoadInputs(options, "")->checkpoint.model->parameters()[0];
  };
  EXPECT_TRUE(at::equal(first_weight(1), first_weight(1)));
  EXPECT_FALSE(at::equal(first_weight(1), first_weight(2)));
}

TEST_F(InputsTest, AResumeTakesTheModelOfItsFolderAndItsTokenizer) {
  options.seed = 1;
  const auto saved = LoadInputs(options, "");
  ASSERT_TRUE(saved.ok()) << saved.status();
  ASSERT_TRUE(SaveCheckpoint(saved->checkpoint, root / "out").ok());
  options.seed = 2;
  const auto resumed = LoadInputs(options, root / "out");
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_TRUE(at::equal(resumed->checkpoint.model->parameters()[0], saved->checkpoint.model->parameters()[0]));

  WriteText(root / "out" / "tokenizer.model", "no model");
  EXPECT_TRUE(LoadInputs(options, root / "out").ok()) << "token ids need no tokenizer";
  WriteText(root / "train.txt", "some text");
  options.train = root / "train.txt";
  const absl::Status status = LoadInputs(options, root / "out").status();
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("text needs a tokenizer, and " + (root / "out/tokenizer.model").string() + ": is not a Sent"));
}

// A checkpoint folder with a tokenizer_config.json in it.
struct TokenizerInputsTest : InputsTest {
  TokenizerInputsTest() {
    WriteText(root / "row.jsonl", R"({"source_ids": [3, 4], "target_ids": [5]})");
    options.train = options.valid = root / "row.jsonl";
    options.batch_size = 1;
    options.config = "";
    options.base = root / "base";
  }
  // Saves a model of that config with the tokenizer's config, and loads it.
  absl::StatusOr<Inputs> Load(const nlohmann::json& keys, const std::string& tokenizer_config) {
    nlohmann::json config = kLlama;
    if (keys.is_object()) config.update(keys);
    EXPECT_TRUE(SaveCheckpoint({config, *CreateCausalLm(config, Attention::kSdpa)}, root / "base").ok());
    WriteText(root / "base" / "tokenizer_config.json", tokenizer_config);
    return LoadInputs(options, "");
  }
  static std::vector<int64_t> Row(const absl::StatusOr<Inputs>& inputs) {
    EXPECT_TRUE(inputs.ok()) << inputs.status();
    return inputs.ok() ? inputs->train.input_ids : std::vector<int64_t>();
  }
  using Ids = std::vector<int64_t>;
  const std::string end_is_9 = R"({"eos_token": "<e>", "added_tokens_decoder": {"9": {"content": "<e>"}}})";
};

TEST_F(TokenizerInputsTest, AListOfEndsLeavesTheChoiceToTheTokenizer) {
  EXPECT_EQ(Row(Load({{"eos_token_id", {7, 9}}}, end_is_9)), (Ids{1, 3, 4, 5, 9}));
  const auto untold = Load({{"eos_token_id", {7, 9}}}, "{}");
  EXPECT_EQ(Row(untold), (Ids{1, 3, 4, 5, 7}));
  EXPECT_THAT(untold->remarks, ::testing::ElementsAre(HasSubstr("rows of ids end with the first entry, 7")));
}

TEST_F(TokenizerInputsTest, OneEndInTheConfigCountsAndADifferenceIsTold) {
  const auto inputs = Load({{"eos_token_id", 7}}, end_is_9);
  EXPECT_EQ(Row(inputs), (Ids{1, 3, 4, 5, 7}));
  EXPECT_THAT(inputs->remarks, ::testing::ElementsAre(HasSubstr("the tokenizer's eos_token is 9")));
}

TEST_F(TokenizerInputsTest, AModelWithoutBosHasRowsWithoutIt) {
  EXPECT_EQ(Row(Load({{"bos_token_id", nullptr}}, "{}")), (Ids{3, 4, 5, 2}));
  EXPECT_EQ(Row(Load({{"bos_token_id", nullptr}, {"eos_token_id", nullptr}}, end_is_9)), (Ids{3, 4, 5, 9}));
}

TEST_F(TokenizerInputsTest, SaysWhatToDoWithATokenizerThatIsNotRead) {
  WriteText(root / "train.txt", "some text");
  options.train = root / "train.txt";
  const absl::Status none = Load({}, "{}").status();
  EXPECT_THAT(std::string(none.message()), HasSubstr("text needs a tokenizer, and none is given"));
  WriteText(root / "base" / "tokenizer.json", "{}");
  const absl::Status byte_level = LoadInputs(options, "").status();
  EXPECT_THAT(std::string(byte_level.message()), HasSubstr("tokenizer.json is not read"));
  EXPECT_THAT(std::string(byte_level.message()), HasSubstr("python -m greenplan tokenize"));
}

TEST_F(TokenizerInputsTest, TellsWhichTensorsALoweredNumberOfLayersLeavesOut) {
  ASSERT_TRUE(Load({}, "{}").ok());
  nlohmann::json config = kLlama;
  config["num_hidden_layers"] = 1;
  WriteText(root / "base" / "config.json", config.dump());
  const auto inputs = LoadInputs(options, "");
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  EXPECT_THAT(
      inputs->remarks,
      ::testing::ElementsAre(HasSubstr("9 tensors of layers behind num_hidden_layers are left out, model.layers.1.")));
}

TEST_F(InputsTest, NoEpochsNeedNoTrainingData) {
  options.epochs = 0;
  options.train = "";
  const auto inputs = LoadInputs(options, "");
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  EXPECT_TRUE(inputs->train_rows.empty());
  EXPECT_EQ(inputs->valid.num_rows(), 2);
}

TEST_F(InputsTest, RefusesDataThatDoNotFitNamingTheFlag) {
  options.batch_size = 11;
  ExpectRefused("--batch-size is 11; allowed: at most 10, the rows of 16 tokens in " + options.train);
  options.batch_size = 4;
  options.grad_accum = 3;
  ExpectRefused("--grad-accum is 3; allowed: at most 2, the batches of 4 rows in " + options.train);
  options.grad_accum = 2;
  EXPECT_EQ(LoadInputs(options, "").status(), absl::OkStatus());
  options.seq_len = 17;
  ExpectRefused("--seq-len is 17; allowed: an integer from 2 to 16, the model's max_position_embeddings");
  options.seq_len = 0;
  WriteText(root / "source_only.jsonl", R"({"source_ids": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], )"
                                        R"("target_ids": [2]})");
  options.valid = root / "source_only.jsonl";
  ExpectRefused("--valid is " + options.valid + ", of which no token within 16 is to be predicted");
  options.train = options.valid;
  options.batch_size = 1;
  ExpectRefused("--batch-size is 1; allowed: at most 0");
}

TEST_F(InputsTest, RefusesAConfigNamingFileKeyAndValue) {
  WriteText(root / "config.json", "[1]");
  ExpectRefused("--model-config: " + options.config + " is not a JSON object");
  WriteText(root / "config.json", R"({"model_type": "llama", "hidden_size": "wide"})");
  ExpectRefused("--model-config: " + options.config +
                ": config hidden_size is \"wide\"; allowed: an integer from 1 to");
  WriteText(root / "config.json", R"({"model_type": 3})");
  ExpectRefused("config model_type is 3; allowed: llama, mistral");
}

TEST_F(InputsTest, ChecksWhatTheOptionsNameBeforeReadingIt) {
  EXPECT_TRUE(CheckInputs(options).ok());
  const std::vector<std::pair<std::function<void()>, std::string>> cases = {
      {[&] { options.base = root / "none"; }, "--base is " + (root / "none").string() + ", which does not exist"},
      {[&] { options.base = options.train; }, "--base is " + options.train + ", which is another kind of file"},
      {[&] { options.tokenizer = root; }, "--tokenizer is " + root.string() + ", which is another kind of file"},
      {[&] { options.valid = root / "none"; }, "--valid is " + (root / "none").string() + ", which does not exist"},
  };
  const FinetuneOptions good = options;
  for (const auto& [spoil, message] : cases) {
    options = good;
    spoil();
    const absl::Status status = CheckInputs(options);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

}  // namespace
}  // namespace greenplan::trainer
