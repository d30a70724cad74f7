#include "trainer_client/finetune/run_state.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "ATen/Context.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/equal.h"
#include "ATen/ops/ones_like.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/files/testing/faults.h"
#include "trainer_client/optimizer/adamw.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;

const nlohmann::json kConfig = {{"model_type", "llama"},        {"hidden_size", 8},         {"intermediate_size", 16},
                                {"num_hidden_layers", 1},       {"num_attention_heads", 2}, {"vocab_size", 20},
                                {"max_position_embeddings", 16}};

struct RunStateTest : ::testing::Test {
  RunStateTest() {
    folder = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder);
    at::manual_seed(1);
    checkpoint = {kConfig, *CreateCausalLm(kConfig, Attention::kSdpa)};
    optimizer = std::make_unique<AdamW>(checkpoint.model->named_parameters().pairs(), AdamWOptions{});
    state.identity = {{"--seed", 3}};
    state.job = "job-1";
    state.next_round = 5;
    state.drift = {.last_round_step = 3, .next_round_step = 8};
    state.plan.emplace().set_round(4);
    state.random_state = std::string("\0\xff\x80", 3);
    state.seconds = 1.25;
    state.progress = {.step_losses = {3.5, 0.1},
                      .executed_flops = 7,
                      .probe_flops = 2,
                      .energy = {.joules = 0.1, .is_estimate = true, .sources = {"a", "b"}}};
    state.epochs = {{.epoch = 0, .validation_loss = 4}, {.epoch = 1, .trainable = {"a"}, .train_loss = 3}};
  }

  void Step() {
    auto parameters = checkpoint.model->parameters();
    parameters[0].mutable_grad() = at::ones_like(parameters[0].detach());
    optimizer->Step();
    optimizer->ClearGradients();
  }

  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
    return names;
  }

  fs::path folder;
  Checkpoint checkpoint;
  std::unique_ptr<AdamW> optimizer;
  RunState state;
};

TEST_F(RunStateTest, ComesBackAsItWas) {
  Step();
  ASSERT_TRUE(SaveRun(folder, checkpoint, *optimizer, state).ok());
  EXPECT_TRUE(HasRun(folder));
  auto loaded = LoadCheckpoint(folder, Attention::kSdpa);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  AdamW resumed(loaded->model->named_parameters().pairs(), {});
  auto read = LoadRun(folder, *loaded->model, resumed);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->identity, state.identity);
  EXPECT_EQ(read->job, "job-1");
  EXPECT_EQ(read->next_round, 5);
  EXPECT_EQ(read->drift.last_round_step, 3);
  EXPECT_EQ(read->drift.next_round_step, 8);
  EXPECT_EQ(read->plan->round(), 4);
  EXPECT_EQ(read->random_state, state.random_state);
  EXPECT_EQ(read->seconds, 1.25);
  EXPECT_EQ(read->progress.step_losses, state.progress.step_losses);
  EXPECT_EQ(read->progress.executed_flops, 7);
  EXPECT_EQ(read->progress.energy.joules, 0.1);
  EXPECT_TRUE(read->progress.energy.is_estimate);
  EXPECT_EQ(read->progress.energy.sources, state.progress.energy.sources);
  EXPECT_EQ(read->last_epoch(), 1);
  EXPECT_EQ(ToJson(read->epochs[1]), ToJson(state.epochs[1]));
  ASSERT_EQ(resumed.state().size(), 3u);
  for (const auto& [name, tensor] : optimizer->state())
    EXPECT_TRUE(at::equal(resumed.state().at(name), tensor)) << name;
}

TEST_F(RunStateTest, KeepsOneEpochAtATime) {
  ASSERT_TRUE(SaveRun(folder, checkpoint, *optimizer, state).ok());
  state.epochs.push_back({.epoch = 2});
  ASSERT_TRUE(SaveRun(folder, checkpoint, *optimizer, state).ok());
  EXPECT_THAT(Files(), UnorderedElementsAre("config.json", "model.safetensors", "optimizer-2.safetensors",
                                            "trainer_state-2.json"));
}

TEST_F(RunStateTest, FindsTheStateOfTheWeightsWhenASaveWasCutShort) {
  ASSERT_TRUE(SaveRun(folder, checkpoint, *optimizer, state).ok());
  const fs::path aside = folder.string() + "_aside";
  fs::remove_all(aside);
  fs::copy(folder, aside);
  Step();
  state.epochs.push_back({.epoch = 2});
  ASSERT_TRUE(SaveRun(folder, checkpoint, *optimizer, state).ok());
  // As if the program had stopped before the new weights were in place.
  for (const auto& entry : fs::directory_iterator(aside)) {
    fs::copy(entry.path(), folder / entry.path().filename(), fs::copy_options::overwrite_existing);
  }
  auto loaded = LoadCheckpoint(folder, Attention::kSdpa);
  ASSERT_TRUE(loaded.ok());
  AdamW resumed(loaded->model->named_parameters().pairs(), {});
  auto read = LoadRun(folder, *loaded->model, resumed);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->last_epoch(), 1);
  EXPECT_TRUE(resumed.state().empty());
}

TEST_F(RunStateTest, RefusesStatesThatDoNotBelongToTheWeights) {
  EXPECT_FALSE(HasRun(folder));
  ASSERT_TRUE(SaveRun(folder, checkpoint, *optimizer, state).ok());
  Step();
  auto read = LoadRun(folder, *checkpoint.model, *optimizer);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(read.status().message(), HasSubstr("no trainer_state file belongs to the weights"));
}

TEST_F(RunStateTest, TheDigestOfWeightsCoversEveryByte) {
  const at::NoGradGuard no_grad;
  std::set<std::string> digests = {WeightsDigest(*checkpoint.model)};
  for (const auto& parameter : checkpoint.model->named_parameters()) {
    for (const at::Tensor& element : {parameter.value().view(-1)[0], parameter.value().view(-1)[-1]}) {
      element.add_(1);
      EXPECT_TRUE(digests.insert(WeightsDigest(*checkpoint.model)).second) << parameter.key();
    }
  }
}

TEST_F(RunStateTest, NamesADamagedFile) {
  ASSERT_TRUE(SaveRun(folder, checkpoint, *optimizer, state).ok());
  nlohmann::json json = nlohmann::json::parse(std::ifstream(folder / "trainer_state-1.json"));
  json.erase("epochs");
  std::ofstream(folder / "trainer_state-1.json") << json;
  auto read = LoadRun(folder, *checkpoint.model, *optimizer);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(read.status().message(), HasSubstr("trainer_state-1.json"));

  std::ofstream(folder / "trainer_state-1.json") << "{";
  EXPECT_THAT(LoadRun(folder, *checkpoint.model, *optimizer).status().message(),
              HasSubstr("trainer_state-1.json is not JSON"));
}

TEST_F(RunStateTest, NamesTheFileAndTheKeyOfAValueOfTheWrongType) {
  ASSERT_TRUE(SaveRun(folder, checkpoint, *optimizer, state).ok());
  const std::string path = folder / "trainer_state-1.json";
  const nlohmann::json good = nlohmann::json::parse(std::ifstream(path));
  const struct {
    const char* key;
    nlohmann::json value;
    const char* message;
  } cases[] = {
      {"weights_digest", 3, "weights_digest is 3; allowed: text"},
      {"next_round", -1, "next_round is -1; allowed: an integer >= 0"},
      {"epochs", {"x"}, "epochs[0].steps is missing; allowed: an integer >= 0"},
  };
  for (const auto& [key, value, message] : cases) {
    nlohmann::json spoilt = good;
    spoilt[key] = value;
    std::ofstream(path) << spoilt;
    const absl::Status status = LoadRun(folder, *checkpoint.model, *optimizer).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << key;
    EXPECT_EQ(status.message(), path + ": " + message);
  }
  nlohmann::json spoilt = good;
  spoilt.erase("weights_digest");
  std::ofstream(path) << spoilt;
  EXPECT_EQ(LoadRun(folder, *checkpoint.model, *optimizer).status().message(),
            path + ": weights_digest is missing; allowed: text");
}

// A folder whose files cannot be written holds the earlier run as it was, and no other file.
TEST_F(RunStateTest, WhateverCallFailsTheEarlierRunStands) {
  ASSERT_TRUE(SaveRun(folder, checkpoint, *optimizer, state).ok());
  const fs::path aside = folder.string() + "_aside";
  fs::remove_all(aside);
  fs::copy(folder, aside);
  const std::vector<std::string> files = Files();
  Step();
  state.epochs.push_back({.epoch = 2});
  const int num_errors = SweepFaults({
      .operation = [this] { return SaveRun(folder, checkpoint, *optimizer, state); },
      .check =
          [&](const absl::Status& status) {
            auto loaded = LoadCheckpoint(folder, Attention::kSdpa);
            ASSERT_TRUE(loaded.ok()) << loaded.status();
            AdamW resumed(loaded->model->named_parameters().pairs(), {});
            auto read = LoadRun(folder, *loaded->model, resumed);
            ASSERT_TRUE(read.ok()) << read.status();
            const bool is_saved = status.ok() || absl::IsDataLoss(status);
            EXPECT_EQ(read->last_epoch(), is_saved ? 2 : 1) << status;
            if (!is_saved) {
              EXPECT_THAT(Files(), UnorderedElementsAreArray(files)) << status;
            }
            fs::remove_all(folder);
            fs::copy(aside, folder);
          },
      .named = folder,
  });
  EXPECT_GT(num_errors, 100);
}

TEST_F(RunStateTest, AFirstSaveThatFailsLeavesNothing) {
  fs::create_directories(folder);
  SweepFaults({
      .operation = [this] { return SaveRun(folder, checkpoint, *optimizer, state); },
      .check =
          [&](const absl::Status& status) {
            EXPECT_EQ(status.ok() || absl::IsDataLoss(status), HasRun(folder)) << status;
            if (!HasRun(folder)) {
              EXPECT_THAT(Files(), IsEmpty()) << status;
            }
            fs::remove_all(folder);
            fs::create_directories(folder);
          },
      .named = folder,
  });
}

TEST_F(RunStateTest, AnEpochThatHasBegunComesBackAsItWas) {
  state.device_random_states = {std::string("\0\x01", 2), "x"};
  state.partial = {.report = {.epoch = 2, .trainable = {"b"}, .executed_backward_flops = {.sum = 40, .steps = 4}},
                   .sums = {.step_seconds = 0.5, .loss = 12.5}};
  ASSERT_TRUE(SaveRun(folder, checkpoint, *optimizer, state).ok());
  const auto loaded = LoadRun(folder, *checkpoint.model, *optimizer);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->device_random_states, state.device_random_states);
  ASSERT_TRUE(loaded->partial.has_value());
  EXPECT_EQ(ToJson(*loaded->partial), ToJson(*state.partial));
  EXPECT_EQ(loaded->last_epoch(), 1);
}

TEST_F(RunStateTest, KeepsTheLatestCheckpointsAndResumesFromTheOneWithMostSteps) {
  fs::create_directories(folder);
  EXPECT_EQ(FolderToResume(folder), "");
  const auto save = [&](const std::string& path) { return SaveRun(path, checkpoint, *optimizer, state); };
  for (int64_t step : {2, 9, 10}) {
    state.progress.step_losses.assign(step, 1.0);
    ASSERT_EQ(WriteStepCheckpoint(folder, step, /*kept=*/2, save), absl::OkStatus());
  }
  EXPECT_THAT(Files(), UnorderedElementsAre("checkpoint-9", "checkpoint-10"));
  EXPECT_EQ(FolderToResume(folder), (folder / "checkpoint-10").string());
  ASSERT_TRUE(save(folder).ok());
  EXPECT_EQ(FolderToResume(folder), folder.string()) << "of two as far as each other, that of the epoch";
  state.progress.step_losses.assign(12, 1.0);
  ASSERT_TRUE(save(folder).ok());
  EXPECT_EQ(FolderToResume(folder), folder.string());
  state.progress.step_losses.assign(13, 1.0);
  ASSERT_EQ(WriteStepCheckpoint(folder, 13, /*kept=*/2, save), absl::OkStatus());
  EXPECT_EQ(FolderToResume(folder), (folder / "checkpoint-13").string()) << "within the next epoch";
}

// A kill may have come before the weights of the epoch's last step were in place.
TEST_F(RunStateTest, AnEpochWhoseSaveWasCutShortIsNotAheadOfACheckpointWithinIt) {
  const auto save = [&](const std::string& path) { return SaveRun(path, checkpoint, *optimizer, state); };
  state.progress.step_losses.assign(10, 1.0);
  ASSERT_TRUE(save(folder).ok());
  state.progress.step_losses.assign(15, 1.0);
  ASSERT_EQ(WriteStepCheckpoint(folder, 15, /*kept=*/2, save), absl::OkStatus());
  const std::string kept = folder.string() + "_kept";
  fs::remove_all(kept);
  fs::copy(folder / "trainer_state-1.json", kept);
  state.epochs.push_back({.epoch = 2});
  state.progress.step_losses.assign(20, 1.0);
  ASSERT_TRUE(save(folder).ok());
  EXPECT_EQ(FolderToResume(folder), folder.string());
  fs::copy(kept, folder / "trainer_state-1.json");
  EXPECT_EQ(FolderToResume(folder), (folder / "checkpoint-15").string());
}

TEST_F(RunStateTest, ACheckpointThatFailsLeavesTheEarlierOnes) {
  const auto save = [&](const std::string& path) { return SaveRun(path, checkpoint, *optimizer, state); };
  ASSERT_EQ(WriteStepCheckpoint(folder, 2, /*kept=*/1, save), absl::OkStatus());
  const absl::Status status = WriteStepCheckpoint(
      folder, 4, /*kept=*/1, [](const std::string&) { return absl::ResourceExhaustedError("no space"); });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Files(), UnorderedElementsAre("checkpoint-2"));
  fs::create_directories(folder / ".checkpoint-6" / "left_by_a_kill");
  fs::create_directories(folder / "checkpoint-6" / "of_an_earlier_run");
  ASSERT_EQ(WriteStepCheckpoint(folder, 6, /*kept=*/2, save), absl::OkStatus());
  EXPECT_FALSE(fs::exists(folder / "checkpoint-6" / "left_by_a_kill"));
  EXPECT_FALSE(fs::exists(folder / "checkpoint-6" / "of_an_earlier_run"));
  fs::remove_all(folder / "checkpoint-6");
  fs::create_directories(folder / ".checkpoint-6");
  RemoveUnfinishedCheckpoints(folder);
  EXPECT_THAT(Files(), UnorderedElementsAre("checkpoint-2"));
}

}  // namespace
}  // namespace greenplan::trainer
