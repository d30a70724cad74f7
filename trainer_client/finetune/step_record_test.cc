#include "trainer_client/finetune/step_record.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;

// A step of 100 backward FLOPs for the plan and 11 for its probe.
StepRecord Measuring() {
  StepRecord step{
      .loss = 3, .forward_seconds = 1, .backward_seconds = 2, .gradient_seconds = 4, .optimizer_seconds = 1};
  step.energy.joules = 8;
  step.predicted_flops = 100;
  step.expected_flops = 90;
  step.predicted_backward_seconds = 1.5;
  step.forward_flops = 50;
  step.backward_flops = 111;
  step.probe_flops = 11;
  return step;
}

TEST(StepRecordTest, KeepsWhatAProbeRunsBeyondThePlanApart) {
  EpochSums sums;
  EpochReport report;
  TrainingProgress progress{.round = RoundSums{}};
  AddStep(Measuring(), sums, report, progress);
  EXPECT_EQ(report.executed_backward_flops.mean(), 100);
  EXPECT_EQ(report.predicted_backward_flops.mean(), 100);
  EXPECT_EQ(report.expected_backward_flops.mean(), 90);
  EXPECT_EQ(report.mismatched_steps, 0);
  EXPECT_EQ(progress.probe_flops, 11);
  EXPECT_EQ(progress.executed_flops, 161);
  EXPECT_EQ(progress.round->executed_backward_flops, 100);
  EXPECT_EQ(progress.round->mismatched_steps, 0);
}

TEST(StepRecordTest, CountsAStepThatExecutesOtherFlopsThanPredicted) {
  EpochSums sums;
  EpochReport report;
  TrainingProgress progress{.round = RoundSums{}};
  StepRecord step = Measuring();
  AddStep(step, sums, report, progress);
  ++step.backward_flops;
  AddStep(step, sums, report, progress);
  EXPECT_EQ(report.mismatched_steps, 1);
  EXPECT_EQ(progress.round->mismatched_steps, 1);
  EXPECT_EQ(progress.round->steps, 2);
  EXPECT_EQ(report.executed_backward_flops.sum, 201);
}

TEST(StepRecordTest, CountsNoRoundWhereNoneIsInForce) {
  EpochSums sums;
  EpochReport report;
  TrainingProgress progress;
  AddStep(Measuring(), sums, report, progress);
  EXPECT_FALSE(progress.round.has_value());
  EXPECT_THAT(progress.step_losses, ElementsAre(3));
}

TEST(StepRecordTest, FillsInMeansOverTheSteps) {
  EpochSums sums;
  EpochReport report;
  TrainingProgress progress{.round = RoundSums{}};
  StepRecord step = Measuring();
  AddStep(step, sums, report, progress);
  step.loss = 1;
  step.gradient_seconds = 8;
  step.forward_seconds = 3;
  step.backward_seconds = 4;
  step.optimizer_seconds = 3;
  step.energy.joules = 4;
  step.energy.is_estimate = true;
  AddStep(step, sums, report, progress);
  FillInMeans(sums, 2, /*has_time_profile=*/false, report);
  EXPECT_EQ(report.train_loss, 2);
  EXPECT_EQ(report.step_seconds, 8);
  EXPECT_EQ(report.forward_seconds, 2);
  EXPECT_EQ(report.backward_seconds, 3);
  EXPECT_EQ(report.optimizer_seconds, 2);
  EXPECT_EQ(report.joules_per_step, 6);
  EXPECT_TRUE(report.energy_is_estimate);
  EXPECT_FALSE(report.predicted_backward_seconds.has_value());
  EXPECT_EQ(progress.round->step_seconds, 16);
  EXPECT_EQ(progress.round->joules, 12);
  EXPECT_EQ(progress.round->loss, 4);
  EXPECT_EQ(progress.energy.joules, 12);
  FillInMeans(sums, 2, /*has_time_profile=*/true, report);
  EXPECT_EQ(report.predicted_backward_seconds, 1.5);
}

}  // namespace
}  // namespace greenplan::trainer
