// Libraries that have clashed before share this binary: SentencePiece's own protobuf with the system's, LibTorch's fmt
// and protobuf with both. The test takes the trainer's whole path through it: it encodes a text, trains some steps, and
// asks a daemon for the plans.

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/stubs/common.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/service/daemon_process.h"
#include "trainer_client/data/sentencepiece_model.h"
#include "trainer_client/finetune/finetune.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

const json kConfig = {{"model_type", "llama"},        {"hidden_size", 16},        {"intermediate_size", 32},
                      {"num_hidden_layers", 2},       {"num_attention_heads", 4}, {"vocab_size", 300},
                      {"max_position_embeddings", 16}};

std::vector<std::string> Lines() {
  std::vector<std::string> lines;
  const char* subjects[] = {"the fox", "a dog", "the quick hare", "one old goose"};
  const char* ends[] = {"jumps over the lazy dog", "sleeps in the barn", "sees the goose and runs"};
  for (int i = 0; i < 120; ++i) lines.push_back(std::string(subjects[i % 4]) + " " + ends[i * 7 % 3]);
  return lines;
}

struct CoexistenceTest : ::testing::Test {
  CoexistenceTest() {
    const fs::path root = folder.path();
    std::string tokenizer;
    EXPECT_EQ(TrainSentencePieceModel(Lines(), 300, &tokenizer), "");
    std::ofstream(root / "tokenizer.model", std::ios::binary) << tokenizer;
    std::ofstream text(root / "text.txt");
    for (const std::string& line : Lines()) text << line << "\n";
    std::ofstream(root / "config.json") << kConfig;
    options.config = root / "config.json";
    options.tokenizer = root / "tokenizer.model";
    options.train = options.valid = root / "text.txt";
    options.report = root / "report.json";
    options.epochs = 3;
    options.batch_size = 4;
    options.learning_rate = 1e-2;
    options.plan.set_method(v1::METHOD_SELECTION);
    options.plan.mutable_budget()->set_fraction_of_backward(0.5);
  }

  json Train(std::function<bool(const EpochReport&)> after_epoch = nullptr) {
    EXPECT_EQ(Finetune(options, {.out = out, .err = err, .after_epoch = after_epoch}), absl::OkStatus());
    return json::parse(std::ifstream(options.report));
  }

  TemporaryFolder folder;
  FinetuneOptions options;
  std::ostringstream out, err;
};

TEST_F(CoexistenceTest, TrainsOnATextUnderTheSamePlansInProcessAndThroughADaemon) {
  ServingDaemon daemon(folder.path());
  const json local = Train();
  options.planner = daemon.address();
  const json remote = Train();
  EXPECT_EQ(remote["steps"], local["steps"]);
  for (int epoch : {1, 2, 3}) {
    EXPECT_EQ(remote["epochs"][epoch]["rounds"][0]["digest"], local["epochs"][epoch]["rounds"][0]["digest"]);
    EXPECT_EQ(remote["epochs"][epoch]["executed_backward_flops"], remote["epochs"][epoch]["predicted_backward_flops"]);
  }
  EXPECT_LT(remote["epochs"][3]["validation_loss"], remote["epochs"][0]["validation_loss"]);
}

TEST_F(CoexistenceTest, TrainsOnWhenTheDaemonDies) {
  ServingDaemon daemon(folder.path());
  options.planner = daemon.address();
  options.epochs = 2;  // Each round without a daemon takes as long as a call's timeout.
  const json report = Train([&](const EpochReport& epoch) {
    if (epoch.epoch == 1) {
      daemon.process().Signal(SIGKILL);
      daemon.process().Wait();
    }
    return true;
  });
  EXPECT_THAT(err.str(), HasSubstr("training goes on with the plan of round 0"));
  EXPECT_EQ(report["epochs"][2]["trainable"], report["epochs"][1]["trainable"]);
}

TEST_F(CoexistenceTest, SaysWithin30SecondsThatNoDaemonAnswers) {
  options.planner = "127.0.0.1:1";
  const absl::Status status = Finetune(options, {.out = out, .err = err});
  EXPECT_EQ(ExitCode(status), 1) << status;
  EXPECT_THAT(status.message(), HasSubstr("--planner is 127.0.0.1:1"));
}

TEST_F(CoexistenceTest, ShutsProtobufDown) { google::protobuf::ShutdownProtobufLibrary(); }

}  // namespace
}  // namespace greenplan::trainer
