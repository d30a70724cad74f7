#include "trainer_client/finetune/epoch_trainer.h"

#include <chrono>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ATen/Context.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/equal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "trainer_client/finetune/test_inputs.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kSeqLen = 8;

Dataset MakeData(int64_t rows) {
  Dataset data{kSeqLen, {}, {}};
  for (int64_t i = 0; i < rows * kSeqLen; ++i) data.input_ids.push_back((i * 7 + i / kSeqLen) % 32);
  data.labels = data.input_ids;
  for (int64_t row = 0; row < rows; ++row) data.labels[row * kSeqLen] = kIgnoredLabel;
  return data;
}

// A LLaMA of two layers, ten rows, batches of four: two steps an epoch.
struct EpochTrainerTest : ::testing::Test {
  EpochTrainerTest() {
    at::manual_seed(1);
    model = *CreateCausalLm(kLlama, Attention::kSdpa);
    std::iota(rows.begin(), rows.end(), 0);
    machine.powercap_root = "/no/such/folder";  // Energy is an estimate, a second a sample.
    machine.nvml_library = "/no/such/library";
    machine.now = [this] { return now += std::chrono::seconds(1); };
    plan_options.set_method(v1::METHOD_SELECTION);
    plan_options.mutable_budget()->set_fraction_of_backward(0.5);
  }

  EpochTrainer Make() {
    optimizer = std::make_unique<AdamW>(model->named_parameters().pairs(), AdamWOptions{});
    session = *TrainingSession::Create(
        *Connect({}),
        {.job = "", .model = "llama", .plan = plan_options, .importance = {.update_rule = optimizer.get()}},
        model->named_parameters().pairs());
    meter = *profiler::EnergyMeter::Create(10, machine);
    return EpochTrainer({.model = *model,
                         .optimizer = *optimizer,
                         .session = *session,
                         .energy_meter = *meter,
                         .progress = progress,
                         .time_profile = time_profile,
                         .data = data,
                         .rows = rows,
                         .batch_size = 4,
                         .schedule = {.peak = 1e-2, .warmup_steps = 0, .total_steps = 20},
                         .plan_every = plan_every},
                        {.step =
                             [this](int64_t epoch, int64_t done, int64_t steps, double) {
                               seen_steps.push_back({epoch, done, steps});
                             },
                         .remark = [this](const std::string& text) { remarks.push_back(text); }});
  }

  std::shared_ptr<CausalLm> model;
  Dataset data = MakeData(10);
  std::vector<int64_t> rows = std::vector<int64_t>(10);
  v1::PlanOptions plan_options;
  int64_t plan_every = 0;
  std::optional<ModelProfile> time_profile;
  profiler::MachineEnergy machine;
  std::chrono::steady_clock::time_point now{};
  TrainingProgress progress;
  std::unique_ptr<AdamW> optimizer;
  std::unique_ptr<TrainingSession> session;
  std::unique_ptr<profiler::EnergyMeter> meter;
  std::vector<std::vector<int64_t>> seen_steps;
  std::vector<std::string> remarks;
};

TEST_F(EpochTrainerTest, DropsTheLastPartialBatch) {
  EXPECT_EQ(EpochTrainer::StepsPerEpoch(10, 4), 2);
  EXPECT_EQ(EpochTrainer::StepsPerEpoch(3, 4), 0);
  EpochTrainer trainer = Make();
  ASSERT_TRUE(trainer.TrainEpoch(1).ok());
  EXPECT_THAT(seen_steps, ElementsAre(ElementsAre(1, 1, 2), ElementsAre(1, 2, 2)));
  EXPECT_EQ(progress.step_losses.size(), 2u);
}

TEST_F(EpochTrainerTest, ReportsWhatWasPlannedAndWhatWasExecuted) {
  EpochTrainer trainer = Make();
  const auto report = trainer.TrainEpoch(1);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->epoch, 1);
  EXPECT_EQ(report->executed_backward_flops.steps, 2);
  EXPECT_EQ(report->executed_backward_flops.sum, report->predicted_backward_flops.sum);
  EXPECT_GT(report->executed_backward_flops.sum, 0);
  EXPECT_LE(report->executed_backward_flops.sum, report->full_backward_flops);  // Two steps at half of it.
  ASSERT_EQ(report->rounds.size(), 1u);
  EXPECT_EQ(report->rounds[0].trainable, report->trainable);
  EXPECT_EQ(report->rounds[0].status, "OPTIMAL");
  EXPECT_EQ(report->rounds[0].predicted_backward_flops * 2, report->predicted_backward_flops.sum);
  EXPECT_DOUBLE_EQ(*report->train_loss, (progress.step_losses[0] + progress.step_losses[1]) / 2);
  EXPECT_FALSE(report->predicted_backward_seconds.has_value());
  EXPECT_GT(progress.probe_flops, 0);
  EXPECT_GT(progress.executed_flops, progress.probe_flops + report->executed_backward_flops.sum) << "forward counts";
}

TEST_F(EpochTrainerTest, CountsTheEnergyOfStepsAndRounds) {
  EpochTrainer trainer = Make();
  const auto report = trainer.TrainEpoch(1);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->joules_per_step, 10);
  EXPECT_TRUE(report->energy_is_estimate);
  EXPECT_EQ(progress.energy.joules, 30) << "two steps and a round, a second each at 10 W";
}

TEST_F(EpochTrainerTest, PlansEveryNStepsAcrossEpochs) {
  plan_every = 3;
  EpochTrainer trainer = Make();
  std::vector<int64_t> planned_at;
  for (int64_t epoch = 1; epoch <= 3; ++epoch) {
    const auto report = trainer.TrainEpoch(epoch);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_FALSE(report->trainable.empty()) << "the plan in force holds in an epoch without a round too";
    for (const RoundReport& round : report->rounds) planned_at.push_back(round.step);
  }
  EXPECT_THAT(planned_at, ElementsAre(0, 3));
}

TEST_F(EpochTrainerTest, TheSameSeedTrainsTheSame) {
  EpochTrainer first = Make();
  ASSERT_TRUE(first.TrainEpoch(1).ok());
  const std::vector<double> losses = progress.step_losses;
  progress = {};
  at::manual_seed(1);
  model = *CreateCausalLm(kLlama, Attention::kSdpa);
  EpochTrainer second = Make();
  ASSERT_TRUE(second.TrainEpoch(1).ok());
  EXPECT_EQ(progress.step_losses, losses);
}

TEST_F(EpochTrainerTest, SaysThatNothingTrains) {
  plan_options.mutable_budget()->set_fraction_of_backward(1e-9);
  EpochTrainer trainer = Make();
  const at::Tensor before = model->parameters()[0].detach().clone();
  const auto report = trainer.TrainEpoch(1);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->trainable, IsEmpty());
  EXPECT_EQ(report->executed_backward_flops.sum, 0);
  ASSERT_EQ(remarks.size(), 1u);
  EXPECT_THAT(remarks[0], HasSubstr("nothing trains from step 0 on: "));
  EXPECT_TRUE(at::equal(model->parameters()[0], before));
}

TEST_F(EpochTrainerTest, StopsAtALossThatIsNoNumber) {
  plan_options.Clear();
  plan_options.set_method(v1::METHOD_FULL);  // Without a probe, which would see it first.
  EpochTrainer trainer = Make();
  {
    const at::NoGradGuard no_grad;
    model->parameters()[0].fill_(std::numeric_limits<float>::quiet_NaN());
  }
  const absl::Status status = trainer.TrainEpoch(1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("is nan at step 0 of epoch 1: training has diverged"));
  EXPECT_THAT(progress.step_losses, IsEmpty());
}

}  // namespace
}  // namespace greenplan::trainer
