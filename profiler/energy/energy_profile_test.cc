#include "profiler/energy/energy_profile.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"

namespace greenplan::profiler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A step of 0.1 s forward and 3.4 ms full backward.
ModelProfile TimeProfile() {
  return {.model = "m",
          .cost_unit = CostUnit::kNanoseconds,
          .forward_cost = 100'000'000,
          .ops = {{.name = "loss", .inputs = {{.op = 1, .cost = 1'000'000}}},
                  {.name = "first", .cost = 400'000, .block = 0, .saved_bytes = 16}},
          .tensors = {{.name = "w", .shape = {2, 3}, .op = 1, .weight_grad_cost = 2'000'000, .saved_bytes = 8},
                      {.name = "unreached"}},
          .blocks = {"b"}};
}

TEST(EnergyProfileTest, IsTimeMultipliedByPowerInMicrojoules) {
  const absl::StatusOr<ModelProfile> energy = EnergyProfile(TimeProfile(), 50);
  ASSERT_TRUE(energy.ok()) << energy.status();
  EXPECT_EQ(energy->cost_unit, CostUnit::kMicrojoules);
  EXPECT_EQ(energy->forward_cost, 5'000'000);  // 0.1 s at 50 W: 5 J.
  EXPECT_EQ(energy->ops[0].inputs[0].cost, 50'000);
  EXPECT_EQ(energy->ops[1].cost, 20'000);
  EXPECT_EQ(energy->tensors[0].weight_grad_cost, 100'000);
  EXPECT_EQ(EvaluateMask(*energy, FullMask(*energy)).backward_cost, 170'000);
}

TEST(EnergyProfileTest, KeepsEverythingExceptCosts) {
  const ModelProfile time = TimeProfile();
  const absl::StatusOr<ModelProfile> energy = EnergyProfile(time, 50);
  ASSERT_TRUE(energy.ok()) << energy.status();
  EXPECT_EQ(energy->model, "m");
  EXPECT_EQ(energy->ops[1].name, "first");
  EXPECT_EQ(energy->ops[0].inputs[0].op, 1);
  EXPECT_EQ(energy->ops[1].block, 0);
  EXPECT_EQ(energy->ops[1].saved_bytes, 16);
  EXPECT_EQ(energy->tensors[0].saved_bytes, 8);
  EXPECT_EQ(energy->tensors[1].op, kNone);
  EXPECT_THAT(energy->tensors[0].shape, ElementsAre(2, 3));
  EXPECT_THAT(energy->blocks, ElementsAre("b"));
}

TEST(EnergyProfileTest, RoundsToTheNearestMicrojoule) {
  ModelProfile time = TimeProfile();
  time.ops[1].cost = 7;            // 0.455 uJ at 65 W.
  time.ops[0].inputs[0].cost = 8;  // 0.52 uJ.
  time.tensors[0].weight_grad_cost = 0;
  const absl::StatusOr<ModelProfile> energy = EnergyProfile(time, 65);
  ASSERT_TRUE(energy.ok()) << energy.status();
  EXPECT_EQ(energy->ops[1].cost, 0);
  EXPECT_EQ(energy->ops[0].inputs[0].cost, 1);
  EXPECT_EQ(energy->tensors[0].weight_grad_cost, 0);
}

TEST(EnergyProfileTest, StaysWithinTheLimitOfAProfile) {
  ModelProfile time = TimeProfile();
  time.forward_cost = int64_t{1} << 61;
  ASSERT_TRUE(EnergyProfile(time, 1000).ok());  // 1 kW: a microjoule per nanosecond.
  for (double watts : {2000.0, 2001.0, 1e300}) {
    const absl::Status status = EnergyProfile(time, watts).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << watts;
    EXPECT_THAT(status.message(), HasSubstr("more than 2^62 microjoules"));
  }
}

TEST(EnergyProfileTest, RefusesOtherUnitsAndPowersThatAreNotPositiveAndFinite) {
  for (CostUnit unit : {CostUnit::kFlops, CostUnit::kMicrojoules}) {
    ModelProfile profile = TimeProfile();
    profile.cost_unit = unit;
    const absl::Status status = EnergyProfile(profile, 65).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("cost_unit is not nanoseconds"));
  }
  for (double watts : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    const absl::Status status = EnergyProfile(TimeProfile(), watts).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << watts;
    EXPECT_THAT(status.message(), HasSubstr("allowed: a finite number > 0"));
  }
}

}  // namespace
}  // namespace greenplan::profiler
