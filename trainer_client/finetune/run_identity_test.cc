#include "trainer_client/finetune/run_identity.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSeqLen = 16;
constexpr size_t kRows = 96;

TEST(RunIdentityTest, AResumeWithAnythingElseNamesTheFlagAndBothValues) {
  const nlohmann::json before = IdentityOfRun({}, kSeqLen, kRows);
  const struct {
    std::function<void(FinetuneOptions&)> change;
    const char* message;
  } cases[] = {
      {[](auto& o) { o.batch_size = 2; }, "--batch-size is 2; allowed with --resume: 8"},
      {[](auto& o) { o.epochs = 5; }, "--epochs is 5; allowed with --resume: 3"},
      {[](auto& o) { o.learning_rate = 1e-3; }, "--lr is 0.001; allowed with --resume: 5e-05"},
      {[](auto& o) { o.warmup_steps = 3; }, "--warmup-steps is 3; allowed with --resume: 0"},
      {[](auto& o) { o.weight_decay = 0.5; }, "--weight-decay is 0.5; allowed with --resume: 0.0"},
      {[](auto& o) { o.grad_accum = 4; }, "--grad-accum is 4; allowed with --resume: 1"},
      {[](auto& o) { o.clip_norm = 1; }, "--clip-norm is 1.0; allowed with --resume: 0.0"},
      {[](auto& o) { o.draw_per = "micro-batch"; }, "--draw-per is \"micro-batch\"; allowed with --resume: \"step\""},
      {[](auto& o) { o.sensitivity = "norm_difference"; }, "--sensitivity is \"norm_difference\""},
      {[](auto& o) { o.uniform_until = 0.5; }, "--uniform-until is 0.5; allowed with --resume: 0.1"},
      {[](auto& o) { o.probe = "in-step"; }, "--probe is \"in-step\"; allowed with --resume: \"separate\""},
      {[](auto& o) { o.dtype = "bfloat16"; }, "--dtype is \"bfloat16\"; allowed with --resume: \"float32\""},
      {[](auto& o) { o.attention = "eager"; }, "--attention is \"eager\"; allowed with --resume: \"sdpa\""},
      {[](auto& o) { o.checkpoint_activations = true; },
       "--checkpoint-activations is true; allowed with --resume: false"},
      {[](auto& o) { o.world_size = 2; }, "--world-size is 2; allowed with --resume: 1"},
      {[](auto& o) { o.optimizer_state = "drop"; }, "--optimizer-state is \"drop\"; allowed with --resume: \"keep\""},
      {[](auto& o) { o.warmup_rounds = 1; }, "--warmup-rounds is 1; allowed with --resume: 0"},
      {[](auto& o) { o.seed = 9; }, "--seed is 9; allowed with --resume: 0"},
      {[](auto& o) { o.plan_every = 2; }, "--plan-every is 2; allowed with --resume: 0"},
      {[](auto& o) { o.plans_by_drift = true; }, "--plan-every is \"drift\"; allowed with --resume: 0"},
      {[](auto& o) { o.probe_batches = 2; }, "--probe-batches is 2; allowed with --resume: 1"},
      {[](auto& o) { o.importance_metric = v1::IMPORTANCE_METRIC_CROSS_FITTED; },
       "--importance is \"cross_fitted\"; allowed with --resume: \"gradient_times_update\", as in the run in out"},
      {[](auto& o) { o.plan.set_mu(0.5); }, "what the flags of the plan ask for is {"},
  };
  for (const auto& [change, message] : cases) {
    FinetuneOptions options;
    change(options);
    const absl::Status status = CheckSameIdentity(IdentityOfRun(options, kSeqLen, kRows), before, "out");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
  EXPECT_THAT(std::string(CheckSameIdentity(IdentityOfRun({}, 8, kRows), before, "out").message()),
              HasSubstr("--seq-len is 8; allowed with --resume: 16"));
  EXPECT_THAT(std::string(CheckSameIdentity(IdentityOfRun({}, kSeqLen, 64), before, "out").message()),
              HasSubstr("the number of rows in --train is 64; allowed with --resume: 96"));
}

TEST(RunIdentityTest, WhatDoesNotChangeTheRunMayDiffer) {
  FinetuneOptions options;
  options.checkpoint_every = 3;
  options.keep_checkpoints = 9;
  options.report = "report.json";
  options.planner = "planner:1";
  options.power_watts = 10;
  EXPECT_EQ(CheckSameIdentity(IdentityOfRun(options, kSeqLen, kRows), IdentityOfRun({}, kSeqLen, kRows), "out"),
            absl::OkStatus());
}

TEST(RunIdentityTest, WhatAnEarlierVersionDidNotKeepMayBeAnything) {
  nlohmann::json before = IdentityOfRun({}, kSeqLen, kRows);
  before.erase("--attention");
  FinetuneOptions options;
  options.attention = "eager";
  EXPECT_EQ(CheckSameIdentity(IdentityOfRun(options, kSeqLen, kRows), before, "out"), absl::OkStatus());
}

}  // namespace
}  // namespace greenplan::trainer
