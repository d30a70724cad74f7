#include "trainer_client/finetune/report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using ::testing::HasSubstr;

EpochReport SomeEpoch() {
  return {.epoch = 2,
          .trainable = {"b", "c"},
          .tensor_count = 3,
          .drop_rates = {{"layers.0.mlp", 0.25}},
          .predicted_backward_flops = {.sum = 90, .steps = 3},
          .expected_backward_flops = {.sum = 93, .steps = 3},
          .executed_backward_flops = {.sum = 91, .steps = 3},
          .reduced_bytes = {.sum = 300, .steps = 3},
          .mismatched_steps = 1,
          .full_backward_flops = 60,
          .step_seconds = 0.5,
          .forward_seconds = 0.125,
          .backward_seconds = 0.25,
          .optimizer_seconds = 0.0625,
          .predicted_backward_seconds = 0.375,
          .probe_seconds = 1,
          .plan_seconds = 2,
          .joules_per_step = 12.5,
          .energy_is_estimate = true,
          .peak_memory_bytes = 4096,
          .train_loss = 3.5,
          .rounds = {{.round = 7,
                      .step = 40,
                      .trainable = {"b"},
                      .drop_rates = {{"layers.0.mlp", 0.25}},
                      .status = "OPTIMAL",
                      .digest = "d",
                      .value = 1.5,
                      .upper_bound = 1.75,
                      .promised_loss_reduction = 0.5,
                      .realised_loss_reduction = 0.25}}};
}

TEST(ReportTest, HasEveryKeyOfTheContractEvenWhenEmpty) {
  RunReport report;
  report.epochs.emplace_back();
  const nlohmann::json json = ToJson(report);
  for (const char* key : {"model", "parameters", "options", "planner", "seed", "epochs", "steps", "totals"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  for (const char* key : {"epoch",
                          "trainable",
                          "drop_rates",
                          "predicted_backward_flops",
                          "expected_backward_flops",
                          "executed_backward_flops",
                          "mismatched_steps",
                          "promised_loss_reduction",
                          "realised_loss_reduction",
                          "full_backward_flops",
                          "step_seconds",
                          "forward_seconds",
                          "backward_seconds",
                          "optimizer_seconds",
                          "predicted_backward_seconds",
                          "probe_seconds",
                          "plan_seconds",
                          "joules_per_step",
                          "energy_is_estimate",
                          "peak_memory_bytes",
                          "train_loss",
                          "validation_loss",
                          "rounds"}) {
    EXPECT_TRUE(json["epochs"][0].contains(key)) << key;
  }
  for (const char* key : {"seconds", "executed_flops", "probe_seconds", "plan_seconds", "joules", "energy_is_estimate",
                          "energy_source", "co2e_grams", "peak_memory_bytes"}) {
    EXPECT_TRUE(json["totals"].contains(key)) << key;
  }
}

TEST(ReportTest, TellsMeansExactlyWhereTheyAreWhole) {
  const nlohmann::json json = ToJson(SomeEpoch());
  EXPECT_TRUE(json["predicted_backward_flops"].is_number_integer());
  EXPECT_EQ(json["predicted_backward_flops"], 30);
  EXPECT_DOUBLE_EQ(json["executed_backward_flops"], 91.0 / 3);
}

TEST(ReportTest, TellsReductionsAsMeansOverTheRoundsThatHaveThem) {
  EpochReport epoch = SomeEpoch();
  epoch.rounds.push_back({.promised_loss_reduction = 0.25});
  const nlohmann::json json = ToJson(epoch);
  EXPECT_EQ(json["promised_loss_reduction"], 0.375);
  EXPECT_EQ(json["realised_loss_reduction"], 0.25);
  epoch.rounds.clear();
  EXPECT_TRUE(ToJson(epoch)["promised_loss_reduction"].is_null());
  EXPECT_EQ(ToJson(epoch)["drop_rates"], (nlohmann::json{{"layers.0.mlp", 0.25}}));
}

TEST(ReportTest, RefusesADropRateThatIsNone) {
  nlohmann::json json = ToJson(SomeEpoch());
  json["drop_rates"]["layers.0.mlp"] = 2;
  EXPECT_THAT(EpochReportFromJson(json).status().message(), HasSubstr("drop_rates"));
}

TEST(ReportTest, SumsUpTheEpochs) {
  RunReport report;
  report.epochs = {SomeEpoch(), SomeEpoch()};
  report.epochs[1].peak_memory_bytes = 8192;
  report.progress.step_losses = {4, 3};
  const nlohmann::json json = ToJson(report);
  EXPECT_EQ(json["totals"]["probe_seconds"], 2);
  EXPECT_EQ(json["totals"]["plan_seconds"], 4);
  EXPECT_EQ(json["totals"]["peak_memory_bytes"], 8192);
  EXPECT_EQ(json["steps"][1], (nlohmann::json{{"step", 1}, {"loss", 3.0}}));
}

TEST(ReportTest, TellsEmissionsIfTheGridIsKnown) {
  RunReport report;
  report.progress.energy = {
      .joules = 7.2e6, .is_estimate = true, .sources = {"RAPL package 0", "estimate, 9 W stated"}};
  nlohmann::json totals = ToJson(report)["totals"];
  EXPECT_EQ(totals["joules"], 7.2e6);
  EXPECT_EQ(totals["energy_is_estimate"], true);
  EXPECT_EQ(totals["energy_source"], "RAPL package 0; estimate, 9 W stated");
  EXPECT_TRUE(totals["co2e_grams"].is_null());
  report.grid_grams_per_kwh = 100;
  EXPECT_EQ(ToJson(report)["totals"]["co2e_grams"], 200);
}

TEST(ReportTest, ReadsAnEpochBackAsItWas) {
  const nlohmann::json json = ToJson(SomeEpoch());
  auto epoch = EpochReportFromJson(json);
  ASSERT_TRUE(epoch.ok()) << epoch.status();
  EXPECT_EQ(ToJson(*epoch), json);
  EXPECT_EQ(epoch->rounds[0].round, 7);
  EXPECT_FALSE(epoch->validation_loss.has_value());
}

TEST(ReportTest, ReadsAPartialEpochBackAsItWas) {
  const PartialEpoch partial{.report = SomeEpoch(),
                             .sums = {.step_seconds = 1.5,
                                      .forward_seconds = 0.25,
                                      .backward_seconds = 0.5,
                                      .optimizer_seconds = 0.125,
                                      .predicted_backward_seconds = 0.375,
                                      .loss = 7,
                                      .energy = {.joules = 3, .is_estimate = true, .sources = {"estimate"}}}};
  const nlohmann::json json = ToJson(partial);
  const auto read = PartialEpochFromJson(json);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToJson(*read), json);
  nlohmann::json damaged = json;
  damaged["sums"].erase("loss");
  EXPECT_THAT(PartialEpochFromJson(damaged, "state.json: ").status().message(), HasSubstr("state.json: sums.loss"));
}

TEST(ReportTest, RefusesWhatIsNoEpoch) {
  nlohmann::json json = ToJson(SomeEpoch());
  json.erase("rounds");
  auto epoch = EpochReportFromJson(json);
  EXPECT_EQ(epoch.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(epoch.status().message(), HasSubstr("rounds"));
}

}  // namespace
}  // namespace greenplan::trainer
