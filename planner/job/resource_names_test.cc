#include "planner/job/resource_names.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

TEST(ResourceNamesTest, JobNamesOfTheAllowedCharactersAreValid) {
  for (const std::string name : {"jobs/a", "jobs/A-Z_09.x", "jobs/.."}) {
    EXPECT_TRUE(ValidateJobName(name, "name").ok()) << name;
  }
  EXPECT_TRUE(ValidateJobName("jobs/" + std::string(128, 'x'), "name").ok());
}

TEST(ResourceNamesTest, OtherJobNamesAreRefusedNamingTheField) {
  const std::string bad[] = {"",
                             "jobs/",
                             "job/a",
                             "a",
                             "jobs/a/b",
                             "jobs/a b",
                             "jobs/\xc3",
                             "jobs/" + std::string(129, 'x'),
                             "jobs/a\n",
                             "jobs//a",
                             std::string("jobs/\0", 6)};
  for (const std::string& name : bad) {
    const absl::Status status = ValidateJobName(name, "job.name");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(status.message(), HasSubstr("job.name is \"")) << name;
    EXPECT_THAT(status.message(), HasSubstr("must be jobs/{job}")) << name;
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos);
  }
}

TEST(ResourceNamesTest, AnErrorDoesNotRepeatAHugeName) {
  const absl::Status status = ValidateJobName(std::string(1 << 20, 'x'), "name");
  EXPECT_LT(status.message().size(), 500u);
  EXPECT_THAT(status.message(), HasSubstr("(1048576 bytes)"));
}

TEST(ResourceNamesTest, PlanNamesRoundTrip) {
  for (const int64_t round : {int64_t{0}, int64_t{17}, std::numeric_limits<int64_t>::max()}) {
    const auto parsed = ParsePlanName(FormatPlanName("jobs/plans", round), "name");
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->job_name, "jobs/plans");
    EXPECT_EQ(parsed->round, round);
  }
}

TEST(ResourceNamesTest, OtherPlanNamesAreRefused) {
  for (const std::string name :
       {"", "jobs/a", "jobs/a/plans/", "jobs/a/plans/x", "jobs/a/plans/-1", "jobs/a/plans/01", "jobs/a/plans/ 1",
        "jobs/a/plans/+1", "jobs/a/plans/9223372036854775808", "jobs//plans/1", "jobs/a/plans/1/plans/1"}) {
    const auto parsed = ParsePlanName(name, "name");
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(parsed.status().message(), HasSubstr("must be jobs/{job}/plans/{round}")) << name;
  }
}

}  // namespace
}  // namespace greenplan
