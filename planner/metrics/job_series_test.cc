#include "planner/metrics/job_series.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class JobSeriesTest : public ::testing::Test {
 protected:
  std::string Text() const { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  prometheus::Registry registry_;
  JobSeries series_{&registry_, /*max_jobs=*/2, /*idle_time=*/absl::Hours(1)};
};

TEST_F(JobSeriesTest, AddsUpWhatTheRanksOfAJobReport) {
  series_.Add("team", "a", {.count = 10, .seconds = 5, .joules = 300}, absl::Seconds(1));
  series_.Add("team", "a",
              {.count = 20, .seconds = 8, .predicted_backward_flops = 4e12, .executed_backward_flops = 4.5e12},
              absl::Seconds(2));
  series_.Add("", "a", {.count = 1}, absl::Seconds(3));
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr("greenplan_job_steps_total{job=\"a\",tenant=\"team\"} 30\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_job_step_seconds_total{job=\"a\",tenant=\"team\"} 13\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_job_energy_joules_total{job=\"a\",tenant=\"team\"} 300\n"));
  EXPECT_THAT(text,
              HasSubstr("greenplan_job_predicted_backward_flops_total{job=\"a\",tenant=\"team\"} 4000000000000\n"));
  EXPECT_THAT(text,
              HasSubstr("greenplan_job_executed_backward_flops_total{job=\"a\",tenant=\"team\"} 4500000000000\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_job_steps_total{job=\"a\",tenant=\"\"} 1\n"));
}

TEST_F(JobSeriesTest, MoreJobsThanThereIsRoomForCountTogether) {
  for (const char* job : {"a", "b", "c", "d"}) series_.Add("team", job, {.count = 1}, absl::Seconds(1));
  EXPECT_THAT(Text(), HasSubstr("greenplan_job_steps_total{job=\"(others)\",tenant=\"(others)\"} 2\n"));
  EXPECT_THAT(Text(), HasSubstr("{job=\"b\",tenant=\"team\"} 1\n"));
  EXPECT_THAT(Text(), Not(HasSubstr("job=\"c\"")));
}

TEST_F(JobSeriesTest, AJobTakesThePlaceOfTheOneThatIsSilentForTheLongest) {
  series_.Add("team", "a", {.count = 1}, absl::ZeroDuration());
  series_.Add("team", "b", {.count = 1}, absl::ZeroDuration());
  series_.Add("team", "a", {.count = 1}, absl::Minutes(30));
  series_.Add("team", "c", {.count = 1}, absl::Minutes(61));
  series_.Add("team", "d", {.count = 1}, absl::Minutes(61));  // "a" was heard of half an hour ago.
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr("greenplan_job_steps_total{job=\"a\",tenant=\"team\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("job=\"b\"")));
  EXPECT_THAT(text, HasSubstr("greenplan_job_energy_joules_total{job=\"c\",tenant=\"team\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_job_steps_total{job=\"(others)\",tenant=\"(others)\"} 1\n"));
}

}  // namespace
}  // namespace greenplan
