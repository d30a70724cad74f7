#include "planner/job/report_average.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ReportAverageTest, WeighsBySampleCountAndCountsNoneAsOne) {
  ReportAverage average(2, 1);
  average.Add({.importance = {1, -2}, .sensitivity = {4}}, 3);
  average.Add({.importance = {5, 2}, .sensitivity = {8}}, 0);
  const Measurements mean = average.Result();
  EXPECT_THAT(mean.importance, ElementsAre(2, -1));
  EXPECT_THAT(mean.sensitivity, ElementsAre(5));
  EXPECT_THAT(mean.unmeasured, IsEmpty());
}

TEST(ReportAverageTest, ATensorTakesTheMeanOfTheRanksThatMeasuredIt) {
  ReportAverage average(3, 0);
  average.Add({.importance = {2, 0, 0}, .unmeasured = {1, 2}}, 100);
  average.Add({.importance = {4, 6, 0}, .unmeasured = {2}}, 100);
  average.Add({.importance = {0, 9, 0}, .unmeasured = {0, 2}}, 200);
  const Measurements mean = average.Result();
  EXPECT_THAT(mean.importance, ElementsAre(3, 8, 0));
  EXPECT_THAT(mean.unmeasured, ElementsAre(2));
}

TEST(ReportAverageTest, OnlyRanksThatSendSensitivityCountInIt) {
  ReportAverage average(1, 2);
  average.Add({.importance = {1}}, 1);
  EXPECT_THAT(average.Result().sensitivity, IsEmpty());
  average.Add({.importance = {1}, .sensitivity = {2, 6}}, 1);
  EXPECT_THAT(average.Result().sensitivity, ElementsAre(2, 6));
}

TEST(ReportAverageTest, TheOrderOfReportsDoesNotMatter) {
  const double values[] = {1e300, 1, -1e300, 1e-300, 3};
  ReportAverage forward(1, 0);
  ReportAverage backward(1, 0);
  for (int i = 0; i < 5; ++i) {
    forward.Add({.importance = {values[i]}}, i + 1);
    backward.Add({.importance = {values[4 - i]}}, 5 - i);
  }
  EXPECT_EQ(forward.Result().importance, backward.Result().importance);
}

}  // namespace
}  // namespace greenplan
