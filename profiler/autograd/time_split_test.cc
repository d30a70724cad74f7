#include "profiler/autograd/time_split.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"

namespace greenplan::profiler {
namespace {

using ::testing::ElementsAre;

// The graph is loss -> product of a hidden state with `upper` -> product of the batch with `lower`. Each weight is
// behind a transpose. The ops are:
//   0 loss; 1 upper product; 2 transpose; 3 upper; 4 lower product; 5 transpose; 6 lower
ModelProfile TwoProducts() {
  ModelProfile profile;
  profile.ops = {{.inputs = {{.op = 1}}},
                 {.inputs = {{.op = 4, .cost = 10}, {.op = 2, .cost = 10}}},
                 {.inputs = {{.op = 3}}},
                 {},
                 {.inputs = {{.op = 5, .cost = 10}}},
                 {.inputs = {{.op = 6}}},
                 {}};
  profile.tensors = {{.name = "lower", .op = 6}, {.name = "upper", .op = 3}};
  return profile;
}

std::vector<int> NoCheckpoints(const ModelProfile& profile) { return std::vector<int>(profile.ops.size(), kNone); }

TEST(TimeSplitTest, MasksGrowFromTheDeepestTensorToAll) {
  EXPECT_THAT(NestedMasks(TwoProducts()), ElementsAre(ElementsAre(true, false), ElementsAre(true, true)));
}

TEST(TimeSplitTest, MasksTellTheTensorsOfOneNodeApart) {
  // loss -> norm of (input from the deep product, scale, shift)
  ModelProfile profile;
  profile.ops = {{.inputs = {{.op = 1}}}, {.inputs = {{.op = 4}, {.op = 2}, {.op = 3}}}, {}, {}, {}};
  profile.tensors = {{.name = "deep", .op = 4}, {.name = "scale", .op = 2}, {.name = "shift", .op = 3}};
  EXPECT_THAT(NestedMasks(profile), ElementsAre(ElementsAre(true, false, false), ElementsAre(true, true, false),
                                                ElementsAre(true, true, true)));
}

TEST(TimeSplitTest, TiedTensorIsOnlyInTheLastMaskAndUnreachedOnesInNone) {
  ModelProfile profile;
  profile.ops = {{.inputs = {{.op = 1}, {.op = 3}}}, {.inputs = {{.op = 2}, {.op = 3}}}, {}, {}};
  profile.tensors = {{.name = "tied", .op = 3}, {.name = "weight", .op = 2}, {.name = "unused"}};
  EXPECT_THAT(NestedMasks(profile), ElementsAre(ElementsAre(false, true, false), ElementsAre(true, true, false)));
}

TEST(TimeSplitTest, ANewGradientCostsTheTimeThatItAdds) {
  ModelProfile profile = TwoProducts();
  const std::vector<std::vector<bool>> masks = NestedMasks(profile);
  SplitTimes(masks,
             {{.mask = 0, .start_nanoseconds = 5, .node_nanoseconds = {1, 30, 0, 0, 40, 2, 3}},
              {.mask = 1, .start_nanoseconds = 5, .node_nanoseconds = {1, 100, 4, 6, 40, 2, 3}}},
             NoCheckpoints(profile), profile);
  EXPECT_EQ(profile.ops[1].inputs[0].cost, 30);  // The two gradients have equal FLOPs but different times.
  EXPECT_EQ(profile.ops[1].inputs[1].cost, 70);
  EXPECT_EQ(profile.ops[1].cost, 0);
  EXPECT_EQ(EvaluateMask(profile, {true, false}).backward_cost, 5 + 1 + 30 + 40 + 2 + 3);
  EXPECT_EQ(EvaluateMask(profile, {false, true}).backward_cost, 5 + 1 + 70 + 4 + 6);
  EXPECT_EQ(EvaluateMask(profile, {true, true}).backward_cost, 5 + 1 + 100 + 4 + 6 + 40 + 2 + 3);
}

TEST(TimeSplitTest, UsesTheMedianOfAllRunsOfTheSameWork) {
  ModelProfile profile = TwoProducts();
  const std::vector<std::vector<bool>> masks = NestedMasks(profile);
  std::vector<TimedBackward> runs;
  for (const int64_t time : {10, 12, 500}) {
    runs.push_back({.mask = 0, .node_nanoseconds = {1, 0, 0, 0, time, 0, 0}});
    runs.push_back({.mask = 1, .node_nanoseconds = {1, 0, 0, 0, time + 1, 0, 0}});
  }
  SplitTimes(masks, runs, NoCheckpoints(profile), profile);
  EXPECT_EQ(profile.ops[4].inputs[0].cost, 13);  // The upper median of 10, 11, 12, 13, 500 and 501.
}

TEST(TimeSplitTest, ANoisyDifferenceIsNeverNegative) {
  ModelProfile profile = TwoProducts();
  SplitTimes(NestedMasks(profile),
             {{.mask = 0, .node_nanoseconds = {0, 30, 0, 0, 0, 0, 0}},
              {.mask = 1, .node_nanoseconds = {0, 20, 0, 0, 0, 0, 0}}},
             NoCheckpoints(profile), profile);
  EXPECT_EQ(profile.ops[1].inputs[0].cost, 30);
  EXPECT_EQ(profile.ops[1].inputs[1].cost, 0);
}

TEST(TimeSplitTest, DividesTheTimeOfGradientsThatAlwaysComeTogetherByFlopsOrEqually) {
  // Op 1 computes two gradients and does work for both. Op 2 computes two gradients of 0 FLOPs. All lead to one tensor.
  ModelProfile profile;
  profile.ops = {{.inputs = {{.op = 1}}},
                 {.cost = 2, .inputs = {{.op = 2, .cost = 1}, {.op = 3, .cost = 7}}},
                 {.inputs = {{.op = 3}, {.op = 4}}},
                 {.inputs = {{.op = 4}}},
                 {}};
  profile.tensors = {{.name = "weight", .op = 4}};
  SplitTimes(NestedMasks(profile), {{.node_nanoseconds = {0, 100, 50, 8, 9}}}, NoCheckpoints(profile), profile);
  EXPECT_EQ(profile.ops[1].cost, 20);
  EXPECT_EQ(profile.ops[1].inputs[0].cost, 10);
  EXPECT_EQ(profile.ops[1].inputs[1].cost, 70);
  EXPECT_EQ(profile.ops[2].inputs[0].cost, 25);
  EXPECT_EQ(profile.ops[2].inputs[1].cost, 25);
  EXPECT_EQ(profile.ops[4].cost, 9);
}

TEST(TimeSplitTest, DividesTheTimeOfACheckpointByFlops) {
  // Op 1 is a checkpoint that costs 20 FLOPs to run again. Op 2 within it computes two gradients of 10 FLOPs each.
  ModelProfile profile;
  profile.ops = {{.inputs = {{.op = 1}}},
                 {.cost = 20, .inputs = {{.op = 2}}},
                 {.inputs = {{.op = 3, .cost = 10}, {.op = 4, .cost = 10}}},
                 {},
                 {}};
  profile.tensors = {{.name = "a", .op = 3}, {.name = "b", .op = 4}};
  const std::vector<std::vector<bool>> masks = {{true, true}};
  SplitTimes(masks, {{.node_nanoseconds = {0, 400, 0, 5, 6}}}, {kNone, kNone, 1, kNone, kNone}, profile);
  EXPECT_EQ(profile.ops[1].cost, 200);
  EXPECT_EQ(profile.ops[1].inputs[0].cost, 0);
  EXPECT_EQ(profile.ops[2].inputs[0].cost, 100);
  EXPECT_EQ(profile.ops[2].inputs[1].cost, 100);
  EXPECT_EQ(profile.ops[3].cost, 5);
}

TEST(TimeSplitTest, CalibrationMultipliesEveryCostByOneConstant) {
  ModelProfile profile;
  profile.ops = {{.cost = 10, .inputs = {{.op = 1, .cost = 30}}}, {.cost = 60}};
  profile.tensors = {{.name = "weight", .op = 1}};
  Calibrate(250, profile);
  EXPECT_EQ(profile.ops[0].cost, 25);
  EXPECT_EQ(profile.ops[0].inputs[0].cost, 75);
  EXPECT_EQ(profile.ops[1].cost, 150);
}

TEST(TimeSplitTest, CalibrationDoesNotChangeAProfileThatCostsNothing) {
  ModelProfile profile;
  profile.ops = {{.inputs = {{.op = 1}}}, {}};
  profile.tensors = {{.name = "weight", .op = 1}};
  Calibrate(250, profile);
  EXPECT_EQ(EvaluateMask(profile, {true}).backward_cost, 0);
}

}  // namespace
}  // namespace greenplan::profiler
