#include "trainer_client/finetune/options.h"

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Outcome {
  int exit_code = 0;
  std::string stderr_text;
  std::optional<FinetuneOptions> options;
};

Outcome Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "greenplan-finetune");
  Outcome outcome;
  ::testing::internal::CaptureStderr();
  Program program("greenplan-finetune", "", "");
  FinetuneFlags flags(program);
  outcome.exit_code = program.Run(static_cast<int>(arguments.size()), arguments.data(), [&]() -> absl::Status {
    absl::StatusOr<FinetuneOptions> options = flags.Options();
    if (options.ok()) outcome.options = *options;
    return options.status();
  });
  outcome.stderr_text = ::testing::internal::GetCapturedStderr();
  return outcome;
}

TEST(FinetuneOptionsTest, PlansEverythingWithoutABudgetAndASelectionWithOne) {
  Outcome full = Parse({"--base", "b", "--train", "t"});
  ASSERT_TRUE(full.options.has_value()) << full.stderr_text;
  EXPECT_EQ(full.options->plan.method(), v1::METHOD_FULL);
  EXPECT_EQ(full.options->planner, "local");
  EXPECT_EQ(full.options->plan_every, 0);
  EXPECT_EQ(full.options->importance_metric, v1::IMPORTANCE_METRIC_CROSS_FITTED);
  EXPECT_EQ(full.options->probe_batches, 2);
  EXPECT_EQ(full.options->importance_metric, v1::IMPORTANCE_METRIC_CROSS_FITTED);
  EXPECT_TRUE(full.options->chooses_probe);
  const Outcome fisher = Parse({"--base", "b", "--train", "t", "--importance", "fisher"});
  EXPECT_EQ(fisher.options->probe_batches, 1);
  EXPECT_FALSE(fisher.options->chooses_probe);
  for (const std::vector<const char*>& one_batch :
       {std::vector<const char*>{"--probe", "in-step"}, std::vector<const char*>{"--probe-batches", "1"}}) {
    const Outcome outcome = Parse({"--base", "b", "--train", "t", one_batch[0], one_batch[1]});
    ASSERT_TRUE(outcome.options.has_value()) << outcome.stderr_text;
    EXPECT_EQ(outcome.options->probe_batches, 1);
    EXPECT_EQ(outcome.options->importance_metric, v1::IMPORTANCE_METRIC_GRADIENT_TIMES_UPDATE);
  }
  const Outcome three_batches = Parse({"--base", "b", "--train", "t", "--probe-batches", "3"});
  EXPECT_EQ(three_batches.options->importance_metric, v1::IMPORTANCE_METRIC_CROSS_FITTED);
  EXPECT_FALSE(three_batches.options->chooses_probe) << "they are asked for";
  EXPECT_EQ(full.options->power_watts, 65);
  EXPECT_FALSE(full.options->grid_grams_per_kwh.has_value());

  Outcome selection = Parse({"--base", "b", "--train", "t", "--budget", "0.5", "--budget-of", "backward"});
  ASSERT_TRUE(selection.options.has_value()) << selection.stderr_text;
  EXPECT_EQ(selection.options->plan.method(), v1::METHOD_SELECTION);
  EXPECT_EQ(selection.options->plan.budget().fraction_of_backward(), 0.5);

  Outcome best = Parse({"--base", "b", "--train", "t", "--budget", "auto"});
  ASSERT_TRUE(best.options.has_value()) << best.stderr_text;
  EXPECT_EQ(best.options->plan.method(), v1::METHOD_SELECTION);
  EXPECT_TRUE(best.options->plan.budget().best_value_per_cost());
}

TEST(FinetuneOptionsTest, TakesEveryFlag) {
  Outcome outcome = Parse({"--model-config",  "c.json", "--train",        "t",    "--valid",          "v",
                           "--tokenizer",     "k",      "--epochs",       "2",    "--batch-size",     "4",
                           "--seq-len",       "48",     "--lr",           "1e-3", "--seed",           "7",
                           "--attention",     "eager",  "--plan-every",   "10",   "--planner",        "h:1",
                           "--job",           "j",      "--output",       "o",    "--report",         "r",
                           "--importance",    "fisher", "--weight-decay", "0.1",  "--warmup-steps",   "3",
                           "--probe-batches", "2",      "--power-watts",  "200",  "--grid-intensity", "33.5",
                           "--time-profile",  "t.json", "--resume"});
  ASSERT_TRUE(outcome.options.has_value()) << outcome.stderr_text;
  const FinetuneOptions& options = *outcome.options;
  EXPECT_EQ(options.config, "c.json");
  EXPECT_EQ(options.seq_len, 48);
  EXPECT_EQ(options.seed, 7u);
  EXPECT_EQ(options.plan.seed(), 7u);
  EXPECT_EQ(options.attention, "eager");
  EXPECT_EQ(options.plan_every, 10);
  EXPECT_EQ(options.importance_metric, v1::IMPORTANCE_METRIC_FISHER);
  EXPECT_EQ(options.warmup_steps, 3);
  EXPECT_EQ(options.power_watts, 200);
  EXPECT_EQ(options.grid_grams_per_kwh, 33.5);
  EXPECT_EQ(options.time_profile, "t.json");
  EXPECT_TRUE(options.resume);
}

TEST(FinetuneOptionsTest, RefusesBadValuesInOneLineThatNamesTheFlagTheValueAndWhatIsAllowed) {
  const struct {
    std::vector<const char*> arguments;
    const char* flag_and_value;
  } cases[] = {
      {{"--budget", "0"}, "--budget is 0"},
      {{"--budget", "-1"}, "--budget is -1"},
      {{"--budget", "NaN"}, "--budget is "},
      {{"--budget", "2"}, "--budget is 2"},
      {{"--budget", "0.5", "--budget-of", "absolute"}, "--budget-of is absolute"},
      {{"--method", "random"}, "--method is random"},
      {{"--grad-accum", "0"}, "--grad-accum is 0"},
      {{"--clip-norm", "0"}, "--clip-norm is 0"},
      {{"--clip-norm", "inf"}, "--clip-norm is inf"},
      {{"--dtype", "float16"}, "--dtype is float16"},
      {{"--device", "tpu"}, "--device is tpu"},
      {{"--device", "cuda:x"}, "--device is cuda:x"},
      {{"--device", "cuda:-1"}, "--device is cuda:-1"},
      {{"--optimizer-state", "lose"}, "--optimizer-state is lose"},
      {{"--checkpoint-every", "0", "--output", "o"}, "--checkpoint-every is 0"},
      {{"--checkpoint-every", "5"}, "--checkpoint-every is 5"},
      {{"--keep-checkpoints", "0"}, "--keep-checkpoints is 0"},
      {{"--warmup-rounds", "-1"}, "--warmup-rounds is -1"},
      {{"--probe", "in-step", "--checkpoint-activations", "--method", "joint", "--budget", "0.5"},
       "--probe is in-step"},
      {{"--planner-away", "wait"}, "--planner-away is wait"},
      {{"--draw-per", "epoch"}, "--draw-per is epoch"},
      {{"--sensitivity", "high"}, "--sensitivity is high"},
      {{"--uniform-until", "1.5"}, "--uniform-until is 1.5"},
      {{"--uniform-until", "nan"}, "--uniform-until is nan"},
      {{"--probe", "never"}, "--probe is never"},
      {{"--probe", "in-step", "--importance", "fisher", "--probe-batches", "2"}, "--probe-batches is 2"},
      {{"--budget", "0.5", "--importance", "cross_fitted", "--probe-batches", "1"}, "--probe-batches is 1"},
      {{"--epochs", "-1"}, "--epochs is -1"},
      {{"--epochs", "two"}, "--epochs is two"},
      {{"--epochs", "9223372036854775807"}, "--epochs is 9223372036854775807"},
      {{"--batch-size", "0"}, "--batch-size is 0"},
      {{"--seq-len", "0"}, "--seq-len is 0"},
      {{"--seq-len", "1"}, "--seq-len is 1"},
      {{"--seq-len", "-3"}, "--seq-len is -3"},
      {{"--budget", "0.5", "--resolution", "0"}, "--resolution is 0"},
      {{"--lr", "0"}, "--lr is 0"},
      {{"--lr", "inf"}, "--lr is inf"},
      {{"--warmup-steps", "-1"}, "--warmup-steps is -1"},
      {{"--weight-decay", "-0.1"}, "--weight-decay is -0.1"},
      {{"--weight-decay", "inf"}, "--weight-decay is inf"},
      {{"--weight-decay", "nan"}, "--weight-decay is nan"},
      {{"--attention", "flash"}, "--attention is flash"},
      {{"--plan-every", "0"}, "--plan-every is 0"},
      {{"--plan-every", "never"}, "--plan-every is never"},
      {{"--probe-batches", "0"}, "--probe-batches is 0"},
      {{"--power-watts", "0"}, "--power-watts is 0"},
      {{"--power-watts", "-1"}, "--power-watts is -1"},
      {{"--power-watts", "nan"}, "--power-watts is nan"},
      {{"--power-watts", "inf"}, "--power-watts is inf"},
      {{"--power-watts", "1000001"}, "--power-watts is "},
      {{"--power-watts", "much"}, "--power-watts is much"},
      {{"--grid-intensity", "0"}, "--grid-intensity is 0"},
      {{"--grid-intensity", "-1"}, "--grid-intensity is -1"},
      {{"--grid-intensity", "nan"}, "--grid-intensity is nan"},
      {{"--grid-intensity", "green"}, "--grid-intensity is green"},
      {{"--time-profile", "times.txt"}, "--time-profile is times.txt; allowed: a file to write"},
      {{"--time-profile", "t.json.gz", "--epochs", "0"}, "--time-profile is t.json.gz; allowed: only with --epochs"},
      {{"--importance", "luck"}, "--importance is luck"},
      {{"--job", "a/b"}, "--job is a/b"},
      {{"--model-config", "c.json"}, "--model-config is c.json"},
  };
  for (const auto& [arguments, flag_and_value] : cases) {
    std::vector<const char*> all = {"--base", "b", "--train", "t"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome outcome = Parse(all);
    EXPECT_EQ(outcome.exit_code, 2) << flag_and_value;
    EXPECT_THAT(outcome.stderr_text, HasSubstr(flag_and_value));
    EXPECT_THAT(outcome.stderr_text, HasSubstr("allowed"));
    EXPECT_EQ(std::count(outcome.stderr_text.begin(), outcome.stderr_text.end(), '\n'), 1) << outcome.stderr_text;
  }
}

TEST(FinetuneOptionsTest, AnInStepProbeTakesCheckpointedLayersWhereItMeasuresNoSensitivity) {
  const Outcome outcome = Parse({"--base", "b", "--train", "t", "--method", "joint", "--budget", "0.5", "--probe",
                                 "in-step", "--checkpoint-activations", "--allocation", "uniform"});
  ASSERT_TRUE(outcome.options.has_value()) << outcome.stderr_text;
  EXPECT_EQ(outcome.options->plan.allocation(), v1::ALLOCATION_UNIFORM);
}

TEST(FinetuneOptionsTest, PlansByDriftWhereImportanceIsMeasured) {
  Outcome outcome = Parse({"--base", "b", "--train", "t", "--budget", "0.5", "--plan-every", "drift"});
  ASSERT_TRUE(outcome.options.has_value()) << outcome.stderr_text;
  EXPECT_TRUE(outcome.options->plans_by_drift);
  EXPECT_FALSE(Parse({"--base", "b", "--train", "t", "--budget", "0.5"}).options->plans_by_drift);
  outcome = Parse({"--base", "b", "--train", "t", "--plan-every", "drift"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.stderr_text,
              HasSubstr("--plan-every is drift; allowed: epoch or a number of steps with --method full"));
}

TEST(FinetuneOptionsTest, SaysWhatIsMissing) {
  const struct {
    std::vector<const char*> arguments;
    const char* missing;
  } cases[] = {{{"--train", "t"}, "--base is missing"},
               {{"--base", "b"}, "--train is missing"},
               {{"--base", "b", "--epochs", "0"}, "--valid is missing"},
               {{"--base", "b", "--train", "t", "--resume"}, "--resume needs --output"}};
  for (const auto& [arguments, missing] : cases) {
    const Outcome outcome = Parse(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << missing;
    EXPECT_THAT(outcome.stderr_text, HasSubstr(missing));
  }
}

TEST(FinetuneOptionsTest, TakesWhatDropRatesAndMicroBatchesNeed) {
  const Outcome outcome = Parse({"--base",
                                 "b",
                                 "--train",
                                 "t",
                                 "--method",
                                 "joint",
                                 "--budget",
                                 "0.5",
                                 "--draw-per",
                                 "micro-batch",
                                 "--uniform-until",
                                 "0.25",
                                 "--sensitivity",
                                 "norm_difference",
                                 "--grad-accum",
                                 "4",
                                 "--clip-norm",
                                 "1",
                                 "--importance",
                                 "cross_fitted",
                                 "--probe-batches",
                                 "2",
                                 "--mu",
                                 "0.5"});
  ASSERT_TRUE(outcome.options.has_value()) << outcome.stderr_text;
  const FinetuneOptions& options = *outcome.options;
  EXPECT_EQ(options.plan.method(), v1::METHOD_JOINT);
  EXPECT_EQ(options.plan.mu(), 0.5);
  EXPECT_EQ(options.draw_per, "micro-batch");
  EXPECT_EQ(options.uniform_until, 0.25);
  EXPECT_EQ(options.sensitivity, "norm_difference");
  EXPECT_EQ(options.grad_accum, 4);
  EXPECT_EQ(options.clip_norm, 1);
  EXPECT_EQ(options.importance_metric, v1::IMPORTANCE_METRIC_CROSS_FITTED);
}

TEST(SeparateModelConfigTest, TellsTheModelsConfigFromTheFileOfFlags) {
  const char* arguments[] = {"program",  "--config", "config.json", "--config=a/b.json",
                             "--config", "run.toml", "--config"};
  EXPECT_THAT(SeparateModelConfig(7, arguments),
              ElementsAre("program", "--model-config", "config.json", "--model-config=a/b.json", "--config", "run.toml",
                          "--config"));
}

TEST(FinetuneOptionsTest, LoraFlagsDescribeAnAdapter) {
  Outcome outcome = Parse({"--base", "b", "--train", "t", "--lora-rank", "4"});
  ASSERT_TRUE(outcome.options.has_value()) << outcome.stderr_text;
  ASSERT_TRUE(outcome.options->lora.has_value());
  EXPECT_EQ(outcome.options->lora->rank, 4);
  EXPECT_EQ(outcome.options->lora->alpha, 4);
  EXPECT_EQ(outcome.options->lora->targets, std::vector<std::string>{"all-linear"});
  outcome = Parse(
      {"--base", "b", "--train", "t", "--lora-rank", "4", "--lora-alpha", "16", "--lora-targets", "q_proj", "v_proj"});
  ASSERT_TRUE(outcome.options.has_value()) << outcome.stderr_text;
  EXPECT_EQ(outcome.options->lora->alpha, 16);
  EXPECT_EQ(outcome.options->lora->targets, (std::vector<std::string>{"q_proj", "v_proj"}));
  outcome = Parse({"--base", "b", "--train", "t", "--lora-rank", "4", "--lora-targets", "q_proj,v_proj"});
  ASSERT_TRUE(outcome.options.has_value()) << outcome.stderr_text;
  EXPECT_EQ(outcome.options->lora->targets.size(), 2u);
}

TEST(FinetuneOptionsTest, RefusesLoraFlagsThatContradictEachOther) {
  const struct {
    std::vector<const char*> flags;
    const char* message;
  } kCases[] = {
      {{"--lora-rank", "0"}, "--lora-rank is 0; allowed: an integer from 1 to 65536"},
      {{"--lora-rank", "4", "--lora-alpha", "0"}, "--lora-alpha is 0; allowed: a number > 0"},
      {{"--lora-alpha", "4"}, "--lora-alpha is 4; allowed: only with --lora-rank"},
      {{"--lora-targets", "q_proj"}, "--lora-targets is q_proj; allowed: only with --lora-rank"},
      {{"--lora-targets", ""}, "--lora-targets is \"\"; allowed: only with --lora-rank"},
      {{"--lora-rank", "4", "--adapter", "a"}, "--adapter is a; allowed: --adapter or --lora-rank, not both"},
  };
  for (const auto& [flags, message] : kCases) {
    std::vector<const char*> arguments = {"--base", "b", "--train", "t"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const Outcome outcome = Parse(arguments);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.stderr_text, ::testing::HasSubstr(message));
  }
  EXPECT_THAT(Parse({"--model-config", "c.json", "--train", "t", "--adapter", "a"}).stderr_text,
              ::testing::HasSubstr("--adapter is a; allowed: with --base"));
}

TEST(FinetuneOptionsTest, RanksNeedToMeet) {
  const std::vector<const char*> base = {"--base", "b", "--train", "t"};
  const auto parse = [&](std::vector<const char*> flags) {
    flags.insert(flags.begin(), base.begin(), base.end());
    return Parse(flags);
  };
  const Outcome good = parse({"--world-size", "2", "--rank", "1", "--init", "tcp://localhost:29500"});
  ASSERT_TRUE(good.options.has_value()) << good.stderr_text;
  EXPECT_EQ(good.options->rank, 1);
  EXPECT_THAT(parse({"--world-size", "0"}).stderr_text, HasSubstr("--world-size is 0; allowed: an integer from 1"));
  EXPECT_THAT(parse({"--world-size", "2"}).stderr_text, HasSubstr("with --rank and --init tcp://HOST:PORT"));
  EXPECT_THAT(parse({"--world-size", "2", "--rank", "0", "--init", "tcp://a:1", "--planner-away", "local"}).stderr_text,
              HasSubstr("--planner-away is local; allowed"));
  EXPECT_THAT(parse({"--world-size", "2", "--rank", "2", "--init", "tcp://a:1"}).stderr_text,
              HasSubstr("--rank is 2; allowed: an integer from 0 to 1"));
  EXPECT_THAT(parse({"--world-size", "2", "--rank", "0", "--init", "a:1"}).stderr_text,
              HasSubstr("--init is a:1; allowed: tcp://HOST:PORT"));
}

}  // namespace
}  // namespace greenplan::trainer
