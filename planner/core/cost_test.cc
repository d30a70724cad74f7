#include "planner/core/cost.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

Op MakeOp(int64_t cost, std::vector<Edge> inputs, int block = kNone, int64_t saved_bytes = 0) {
  return Op{.name = "", .cost = cost, .inputs = std::move(inputs), .block = block, .saved_bytes = saved_bytes};
}

Tensor MakeTensor(int op, int64_t weight_grad_cost, int64_t saved_bytes = 0) {
  return Tensor{.name = "", .shape = {}, .op = op, .weight_grad_cost = weight_grad_cost, .saved_bytes = saved_bytes};
}

// loss -> 1 -> 3, loss -> 2 -> 3 twice; tensor 0 on op 1, 1 on op 2, 2 on op 3, 3 reached by nothing.
ModelProfile Diamond() {
  ModelProfile profile;
  profile.ops = {MakeOp(1, {{1, 10}, {2, 20}}), MakeOp(100, {{3, 1000}}, 0, 7),
                 MakeOp(200, {{3, 2000}, {3, 3000}}, 1, 11), MakeOp(10000, {}, 1, 13)};
  profile.tensors = {MakeTensor(1, 100000, 17), MakeTensor(2, 200000, 19), MakeTensor(3, 400000, 23),
                     MakeTensor(kNone, 0)};
  profile.blocks = {"a", "b"};
  return profile;
}

TEST(EvaluateMask, PaysForLiveOpsAndEdgesIntoThemAlone) {
  const ModelProfile profile = Diamond();
  const struct {
    std::vector<bool> trainable;
    int64_t cost, bytes;
  } cases[] = {
      {{false, false, false, false}, 0, 0},
      {{true, false, false, false}, 1 + 10 + 100 + 100000, 7 + 17},
      {{false, true, false, false}, 1 + 20 + 200 + 200000, 11 + 19},
      {{false, false, true, false}, 1 + 30 + 300 + 6000 + 10000 + 400000, 31 + 23},
      {{true, true, true, false}, 1 + 30 + 300 + 6000 + 10000 + 700000, 31 + 59},
  };
  for (const auto& c : cases) {
    const MaskCost cost = EvaluateMask(profile, c.trainable);
    EXPECT_EQ(cost.backward_cost, c.cost);
    EXPECT_EQ(cost.saved_bytes, c.bytes);
  }
}

TEST(LiveOps, HoldsWhatLiesAboveASelectedTensor) {
  EXPECT_EQ(LiveOps(Diamond(), {true, false, false, false}), (std::vector<bool>{true, true, false, false}));
  EXPECT_EQ(LiveOps(Diamond(), {false, false, true, false}), (std::vector<bool>{true, true, true, true}));
}

TEST(FullMask, LeavesOutWhatTheLossDoesNotReach) {
  EXPECT_EQ(FullMask(Diamond()), (std::vector<bool>{true, true, true, false}));
}

TEST(BlockCosts, HoldsOpsTheirEdgesAndTheirTensors) {
  EXPECT_EQ(BlockCosts(Diamond(), {true, true, true, false}),
            (std::vector<int64_t>{100 + 1000 + 100000, 200 + 5000 + 10000 + 600000}));
  EXPECT_EQ(BlockCosts(Diamond(), {true, false, false, false}), (std::vector<int64_t>{100100, 0}));
}

ModelProfile OneBlock(int64_t cost) {
  ModelProfile profile;
  profile.ops = {MakeOp(0, {{1, 0}}), MakeOp(cost, {}, 0)};
  profile.tensors = {MakeTensor(1, 0)};
  profile.blocks = {"b"};
  return profile;
}

TEST(ExpectedBackwardCost, RoundsUpExactly) {
  const int64_t most = int64_t{1} << 62;
  const struct {
    int64_t cost;
    double rate;
    int64_t expected;
  } cases[] = {
      {10, 0, 10},
      {10, 1, 0},
      {10, 0.5, 5},
      {11, 0.5, 6},
      {10, 0.1, 9},  // The double 0.1 is a little above 1/10: 10 - 1.
      {10, 0.3, 8},  // And 0.3 a little below: 10 - 2.
      {most, std::ldexp(1, -62), most - 1},
      {most, std::ldexp(1, -63), most},
      {most, 1 - std::ldexp(1, -53), 512},
      {most, std::numeric_limits<double>::denorm_min(), most},
      {most - 1, 0.5, most / 2},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ExpectedBackwardCost(OneBlock(c.cost), {true}, {c.rate}), c.expected) << c.cost << " at " << c.rate;
  }
}

TEST(ExpectedBackwardCost, AddsFractionsOfManyBlocksBeforeRounding) {
  ModelProfile profile;
  profile.ops = {MakeOp(3, {})};
  for (int b = 0; b < 4; ++b) {
    profile.ops[0].inputs.push_back({b + 1, 0});
    profile.ops.push_back(MakeOp(1, {}, b));
    profile.tensors.push_back(MakeTensor(b + 1, 0));
    profile.blocks.push_back(std::to_string(b));
  }
  // 0.25 + 0.25 + 0.5 + the smallest double: one and a trace is skipped of seven.
  const double trace = std::numeric_limits<double>::denorm_min();
  EXPECT_EQ(ExpectedBackwardCost(profile, {true, true, true, true}, {0.25, 0.25, 0.5, 0}), 6);
  EXPECT_EQ(ExpectedBackwardCost(profile, {true, true, true, true}, {0.25, 0.25, 0.5 - trace, trace}), 6);
  EXPECT_EQ(ExpectedBackwardCost(profile, {true, true, true, true}, {0.25, 0.25, std::nextafter(0.5, 0), trace}), 7);
}

// The block costs by the definition, op by op, against the pass that sums up both.
TEST(EvaluateMaskByBlock, AgreesWithTheSumOverTheBlocks) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    TestRandom random(seed);
    const ModelProfile profile = RandomProfile({.shape = GraphShape::kDag, .size = 12, .with_blocks = true}, random);
    std::vector<bool> mask(profile.tensors.size());
    for (size_t k = 0; k < mask.size(); ++k) mask[k] = random.Chance(0.3);
    const CostByBlock costs = EvaluateMaskByBlock(profile, mask);
    const std::vector<bool> live = LiveOps(profile, mask);
    std::vector<int64_t> blocks(profile.blocks.size(), 0);
    int64_t outside = 0, saved_bytes = 0;
    const auto add = [&](int block, int64_t cost) { (block == kNone ? outside : blocks[block]) += cost; };
    for (size_t j = 0; j < profile.ops.size(); ++j) {
      const Op& op = profile.ops[j];
      if (live[j]) add(op.block, op.cost);
      if (live[j]) saved_bytes += op.saved_bytes;
      for (const Edge& edge : op.inputs) add(op.block, live[edge.op] ? edge.cost : 0);
    }
    for (size_t k = 0; k < mask.size(); ++k) {
      const Tensor& tensor = profile.tensors[k];
      if (!mask[k] || tensor.op == kNone) continue;
      add(profile.ops[tensor.op].block, tensor.weight_grad_cost);
      saved_bytes += tensor.saved_bytes;
    }
    SCOPED_TRACE(seed);
    EXPECT_EQ(costs.blocks, blocks);
    EXPECT_EQ(costs.total.backward_cost, std::accumulate(blocks.begin(), blocks.end(), outside));
    EXPECT_EQ(costs.total.saved_bytes, saved_bytes);
    EXPECT_EQ(EvaluateMask(profile, mask).backward_cost, costs.total.backward_cost);
  }
}

TEST(EvaluateStep, WithoutDroppedBlocksIsTheMasksCost) {
  const ModelProfile profile = Diamond();
  for (const std::vector<bool>& mask : {std::vector<bool>{true, false, false, false}, {true, true, true, false}}) {
    const StepCost step = EvaluateStep(profile, mask, {false, false});
    EXPECT_EQ(step.backward_cost, EvaluateMask(profile, mask).backward_cost);
    EXPECT_EQ(step.reached, mask);
  }
}

TEST(EvaluateStep, SkipsTheOpsAndTensorsOfDroppedBlocks) {
  const StepCost step = EvaluateStep(Diamond(), {true, true, true, false}, {false, true});
  EXPECT_EQ(step.backward_cost, 1 + 10 + 100 + 100000) << "op 1 keeps no edge into the dropped op 3";
  EXPECT_EQ(step.reached, (std::vector<bool>{true, false, false, false}));
}

TEST(EvaluateStep, CostsNothingIfOnlyTensorsOfDroppedBlocksAreSelected) {
  const StepCost step = EvaluateStep(Diamond(), {true, false, false, false}, {true, false});
  EXPECT_EQ(step.backward_cost, 0);
  EXPECT_EQ(step.reached, std::vector<bool>(4, false));
}

TEST(EvaluateStep, SkipsWhatIsReachedOnlyThroughADroppedBlock) {
  // loss -> 1 (block) -> 2 with the tensor, loss -> 3 with another one.
  ModelProfile profile;
  profile.ops = {MakeOp(1, {{1, 2}, {3, 4}}), MakeOp(8, {{2, 16}}, 0), MakeOp(32, {}), MakeOp(64, {})};
  profile.tensors = {MakeTensor(2, 128), MakeTensor(3, 256)};
  profile.blocks = {"b"};
  const StepCost step = EvaluateStep(profile, {true, true}, {true});
  EXPECT_EQ(step.backward_cost, 1 + 4 + 64 + 256);
  EXPECT_EQ(step.reached, (std::vector<bool>{false, true}));
  EXPECT_LT(step.backward_cost, ExpectedBackwardCost(profile, {true, true}, {1.0}));
}

}  // namespace
}  // namespace greenplan
