#include "profiler/energy/energy_total.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::profiler {
namespace {

using ::testing::ElementsAre;

TEST(EnergyTotalTest, IsEmptyBeforeTheFirstReading) {
  const EnergyTotal total;
  EXPECT_EQ(total.joules, 0);
  EXPECT_FALSE(total.is_estimate);
  EXPECT_EQ(total.source(), "");
}

TEST(EnergyTotalTest, AddsJoulesAndNamesEverySourceOnce) {
  EnergyTotal total;
  total.Add({.joules = 2, .source = "RAPL package 0"});
  total.Add({.joules = 0.5, .source = "RAPL package 0"});
  EXPECT_FALSE(total.is_estimate);
  total.Add({.joules = 65, .is_estimate = true, .source = "estimate, 65 W stated"});
  total.Add({.joules = 1, .source = "RAPL package 0"});
  EXPECT_EQ(total.joules, 68.5);
  EXPECT_THAT(total.sources, ElementsAre("RAPL package 0", "estimate, 65 W stated"));
  EXPECT_EQ(total.source(), "RAPL package 0; estimate, 65 W stated");
}

TEST(EnergyTotalTest, IsAnEstimateIfAnyPartIs) {
  EnergyTotal total;
  total.Add({.joules = 1, .is_estimate = true, .source = "a"});
  total.Add({.joules = 1, .is_estimate = false, .source = "b"});
  EXPECT_TRUE(total.is_estimate);
}

TEST(Co2eGramsTest, MultipliesKilowattHoursByIntensity) {
  EXPECT_EQ(Co2eGrams(3.6e6, 400), 400);
  EXPECT_DOUBLE_EQ(Co2eGrams(1800, 100), 0.05);
  EXPECT_EQ(Co2eGrams(0, 400), 0);
}

}  // namespace
}  // namespace greenplan::profiler
