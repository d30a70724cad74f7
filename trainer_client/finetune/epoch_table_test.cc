#include "trainer_client/finetune/epoch_table.h"

#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

TEST(EpochTableTest, AlignsRowsUnderTheHeader) {
  const EpochReport epoch{.epoch = 1,
                          .trainable = {"a", "b"},
                          .tensor_count = 21,
                          .predicted_backward_flops = {.sum = 150, .steps = 3},
                          .executed_backward_flops = {.sum = 75, .steps = 3},
                          .full_backward_flops = 100,
                          .step_seconds = 0.0123,
                          .train_loss = 3.21,
                          .validation_loss = 3.10444};
  EXPECT_EQ(EpochTableHeader(), "epoch   trainable  predicted  executed  step time  train loss  valid loss");
  EXPECT_EQ(EpochTableRow(epoch), "    1     2 of 21     0.5000    0.2500    12.3 ms      3.2100      3.1044");
}

TEST(EpochTableTest, ShowsADashForWhatWasNotMeasured) {
  EXPECT_EQ(EpochTableRow({.validation_loss = 4.5}),
            "    0           -          -         -          -           -      4.5000");
}

TEST(EpochTableTest, TellsLongStepsInSeconds) {
  const EpochReport epoch{.executed_backward_flops = {.sum = 0, .steps = 1}, .step_seconds = 12.345};
  EXPECT_NE(EpochTableRow(epoch).find("  12.35 s  "), std::string::npos) << EpochTableRow(epoch);
}

TEST(EnergyLineTest, NamesItsSource) {
  EXPECT_EQ(EnergyLine({.joules = 123.4, .is_estimate = true, .sources = {"estimate, 65 W stated"}}, std::nullopt),
            "energy: 123 J (estimate, 65 W stated)");
}

TEST(EnergyLineTest, TellsEmissionsIfTheGridIsKnown) {
  EXPECT_EQ(EnergyLine({.joules = 1234, .sources = {"RAPL package 0"}}, 400),
            "energy: 1.23 kJ (RAPL package 0), 0.137 g CO2e");
}

TEST(EnergyLineTest, TellsThreeDigitsOfAnyAmount) {
  const struct {
    double joules;
    const char* line;
  } cases[] = {{0, "energy: 0 J ()"},      {0.01234, "energy: 0.0123 J ()"}, {999.4, "energy: 999 J ()"},
               {999.6, "energy: 1 kJ ()"}, {4.56e6, "energy: 4.56 MJ ()"},   {7.8e9, "energy: 7.8 GJ ()"}};
  for (const auto& [joules, line] : cases) EXPECT_EQ(EnergyLine({.joules = joules}, std::nullopt), line);
}

}  // namespace
}  // namespace greenplan::trainer
