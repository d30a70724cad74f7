#include "planner/job/prepared_profile.h"

#include <string>

#include "gtest/gtest.h"
#include "planner/convert/digest.h"
#include "planner/convert/test_messages.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/planning.h"

namespace greenplan {
namespace {

class PreparedProfileTest : public testing::Test {
 protected:
  absl::StatusOr<v1::Plan> Plan(const std::string& options_text) {
    const auto options = profile_->ReadOptions(ParseText<v1::PlanOptions>(options_text));
    if (!options.ok()) return options.status();
    const auto measurements = profile_->ReadReport(report_, *options);
    if (!measurements.ok()) return measurements.status();
    const auto plan = MakePlan(profile_->planner(), {.measurements = &*measurements, .options = &*options});
    if (!plan.ok()) return plan.status();
    return profile_->WritePlan(*plan);
  }

  const std::shared_ptr<const PreparedProfile> profile_ =
      *PreparedProfile::Create(SmallProfile(), ProfileDigest(SmallProfile()), /*revision=*/5);
  v1::ImportanceReport report_ = SmallReport();
};

TEST_F(PreparedProfileTest, APlanCarriesEverythingThatItsMessageLists) {
  const auto plan = Plan("budget { absolute: 130 } seed: 9");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->method(), v1::METHOD_SELECTION);
  EXPECT_EQ(plan->status(), v1::PLAN_STATUS_OPTIMAL);
  EXPECT_EQ(plan->trainable(), std::string("\x06", 1));  // b and a: 10 + 10 + 10.
  EXPECT_EQ(plan->predicted_cost(), 130);
  EXPECT_EQ(plan->predicted_backward_cost(), 30);
  EXPECT_EQ(plan->budget(), 130);
  EXPECT_EQ(plan->full_cost(), 160);
  EXPECT_EQ(plan->value(), 3);
  EXPECT_EQ(plan->upper_bound(), 3);
  EXPECT_EQ(plan->seed(), 9);
  EXPECT_EQ(plan->profile_revision(), 5);
  EXPECT_EQ(plan->profile_digest(), ProfileDigest(SmallProfile()));
  EXPECT_EQ(plan->digest(), PlanDigest(*plan));
}

TEST_F(PreparedProfileTest, TheSameRequestGivesTheSameBytes) {
  const auto first = Plan("budget { fraction_of_full: 0.9 }");
  const auto second = Plan("budget { fraction_of_full: 0.9 }");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->SerializeAsString(), second->SerializeAsString());
}

TEST_F(PreparedProfileTest, OutsideAJobItHashesTheProfileItself) {
  const auto profile = PreparedProfile::Create(SmallProfile());
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ((*profile)->digest(), ProfileDigest(SmallProfile()));
}

TEST_F(PreparedProfileTest, AReportOfAnotherProfileIsAFailedPrecondition) {
  report_.set_profile_digest("other");
  const auto plan = Plan("budget { fraction_of_full: 0.9 }");
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(plan.status().message(), "profile_digest is \"other\"; the profile's digest is " + profile_->digest());
  report_.set_profile_digest(profile_->digest());
  EXPECT_TRUE(Plan("budget { fraction_of_full: 0.9 }").ok());
}

TEST_F(PreparedProfileTest, APenaltyThatOverflowsIsRefused) {
  report_ = ParseText<v1::ImportanceReport>("importance: [ 3, 2, 1, 0 ] sensitivity: [ 1e300, 1 ]");
  const absl::Status status = Plan("method: METHOD_JOINT budget { fraction_of_full: 0.9 } mu: 1e300").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(status), "mu") << status;
}

TEST_F(PreparedProfileTest, APlanOfAnotherProfileIsRefused) {
  EXPECT_EQ(profile_->ReadPlan(ParseText<v1::Plan>("trainable: \"\\x01\" profile_digest: \"other\"")).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(profile_->ReadPlan(ParseText<v1::Plan>("trainable: \"\"")).status().message(),
            "trainable has 0 bytes; 4 tensors take 1");
}

TEST_F(PreparedProfileTest, ALargerProfileTakesMoreMemory) {
  v1::ModelProfile larger = SmallProfile();
  larger.mutable_tensors(0)->set_name(std::string(10'000, 'x'));
  EXPECT_GE((*PreparedProfile::Create(larger))->MemoryBytes(),
            profile_->MemoryBytes() + 9'900);  // The short name took some bytes, too.
}

TEST_F(PreparedProfileTest, WhatAPlanLeavesForLaterOnesIsCounted) {
  const size_t before = profile_->MemoryBytes();
  const absl::StatusOr<PlanOptions> options =
      profile_->ReadOptions(ParseText<v1::PlanOptions>("budget { fraction_of_backward: 0.5 }"));
  ASSERT_TRUE(options.ok()) << options.status();
  const absl::StatusOr<Measurements> measurements = profile_->ReadReport(SmallReport(), *options);
  ASSERT_TRUE(measurements.ok()) << measurements.status();
  ASSERT_TRUE(profile_->planner().MakePlan({.measurements = &*measurements, .options = &*options}).ok());
  EXPECT_GT(profile_->MemoryBytes(), before);
}

TEST(PreparedProfileCreateTest, RefusesAMalformedProfile) {
  v1::ModelProfile profile = SmallProfile();
  profile.mutable_tensors(1)->set_weight_grad_cost(-3);
  const absl::Status status = PreparedProfile::Create(profile).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "tensors[1].weight_grad_cost is -3; costs must be >= 0");
  EXPECT_EQ(FieldOf(status), "tensors[1].weight_grad_cost");
}

}  // namespace
}  // namespace greenplan
