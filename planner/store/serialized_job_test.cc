#include "planner/store/serialized_job.h"

#include "greenplan/v1/job.pb.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(SerializedJobTest, TheTwoPartsAreTheWholeJob) {
  for (const int num_tensors : {0, 1, 100'000}) {
    v1::Job job;
    job.set_name("jobs/a");
    job.mutable_update_time()->set_seconds(7);
    v1::Job without_profile = job;
    for (int k = 0; k < num_tensors; ++k) job.mutable_profile()->add_tensors()->set_name("weight");
    job.mutable_profile();
    v1::Job joined;
    ASSERT_TRUE(
        joined.ParseFromString(JoinJob(without_profile.SerializeAsString(), job.profile().SerializeAsString())));
    EXPECT_EQ(joined.SerializeAsString(), job.SerializeAsString());
  }
}

}  // namespace
}  // namespace greenplan
