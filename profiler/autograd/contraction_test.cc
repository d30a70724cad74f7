#include "profiler/autograd/contraction.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"
#include "planner/core/cost.h"

namespace greenplan::profiler {
namespace {

// Looks like the reading of an autograd graph: every tensor is on a leaf op of its own, and most ops and edges are
// free.
ModelProfile RandomGraph(std::mt19937_64& random) {
  const auto cost = [&] { return random() % 3 == 0 ? static_cast<int64_t>(1 + random() % 100) : 0; };
  ModelProfile profile;
  const int num_blocks = static_cast<int>(random() % 3);
  for (int block = 0; block < num_blocks; ++block) profile.blocks.push_back("b" + std::to_string(block));
  const int num_ops = 3 + static_cast<int>(random() % 30);
  const int num_tensors = 1 + static_cast<int>(random() % (num_ops - 1));
  profile.ops.resize(num_ops);
  for (int i = 1; i < num_ops; ++i) {
    const bool is_leaf = i >= num_ops - num_tensors;
    Op& op = profile.ops[i];
    if (is_leaf) {
      profile.tensors.push_back({.name = "t" + std::to_string(i), .op = i});
    } else {
      op.cost = random() % 5 == 0 ? cost() : 0;
      if (num_blocks > 0) op.block = static_cast<int>(random() % (num_blocks + 1)) - 1;
    }
    const int first_leaf = num_ops - num_tensors;
    for (int uses = 1 + static_cast<int>(random() % 2); uses > 0; --uses) {
      profile.ops[random() % std::min(i, first_leaf)].inputs.push_back({.op = i, .cost = cost()});
    }
  }
  PruneUnreachingOps(profile);
  return profile;
}

std::vector<bool> RandomMask(size_t size, std::mt19937_64& random) {
  std::bernoulli_distribution selected(std::uniform_real_distribution<double>(0, 1)(random));
  std::vector<bool> mask(size);
  for (size_t i = 0; i < size; ++i) mask[i] = selected(random);
  return mask;
}

// Looks like a profile of time: everything that runs costs something.
ModelProfile RandomTimedGraph(std::mt19937_64& random) {
  ModelProfile profile = RandomGraph(random);
  for (Op& op : profile.ops) {
    op.cost = static_cast<int64_t>(1 + random() % 100);
    for (Edge& edge : op.inputs) edge.cost += static_cast<int64_t>(random() % 100);
  }
  return profile;
}

void Contract(ModelProfile& profile) {
  HangTensors(profile);
  ContractOps(profile);
}

TEST(ContractionTest, ChangesTheCostOfNoMaskAndNoBlock) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    std::mt19937_64 random(seed);
    const ModelProfile before = RandomGraph(random);
    ModelProfile after = before;
    Contract(after);
    ASSERT_LE(after.ops.size(), before.ops.size());
    for (int i = 0; i < 20; ++i) {
      const std::vector<bool> mask = RandomMask(before.tensors.size(), random);
      ASSERT_EQ(EvaluateMask(after, mask).backward_cost, EvaluateMask(before, mask).backward_cost) << "seed " << seed;
      ASSERT_EQ(BlockCosts(after, mask), BlockCosts(before, mask)) << "seed " << seed;
    }
  }
}

TEST(ContractionTest, GatheringChangesTheCostOfNoMaskAndNoBlock) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    std::mt19937_64 random(seed);
    const ModelProfile before = RandomTimedGraph(random);
    ModelProfile after = before;
    GatherCosts(after);
    Contract(after);
    for (int i = 0; i < 20; ++i) {
      const std::vector<bool> mask = RandomMask(before.tensors.size(), random);
      ASSERT_EQ(EvaluateMask(after, mask).backward_cost, EvaluateMask(before, mask).backward_cost) << "seed " << seed;
      ASSERT_EQ(BlockCosts(after, mask), BlockCosts(before, mask)) << "seed " << seed;
    }
  }
}

TEST(ContractionTest, GatheringMakesAChainOfCostlyOpsRemovable) {
  // loss -> sum of: view -> product -> transpose -> weight; bias
  ModelProfile profile;
  profile.ops = {{.cost = 1, .inputs = {{.op = 1, .cost = 2}, {.op = 5, .cost = 3}}},
                 {.cost = 4, .inputs = {{.op = 2, .cost = 5}}},
                 {.cost = 6, .inputs = {{.op = 3, .cost = 7}}},
                 {.cost = 8, .inputs = {{.op = 4, .cost = 9}}},
                 {.cost = 10},
                 {.cost = 11}};
  profile.tensors = {{.name = "weight", .op = 4}, {.name = "bias", .op = 5}};
  GatherCosts(profile);
  Contract(profile);
  ASSERT_EQ(profile.ops.size(), 1);
  EXPECT_EQ(profile.ops[0].cost, 1);
  EXPECT_EQ(profile.tensors[0].weight_grad_cost, 2 + 4 + 5 + 6 + 7 + 8 + 9 + 10);
  EXPECT_EQ(profile.tensors[1].weight_grad_cost, 3 + 11);
}

TEST(ContractionTest, GatheringLeavesATiedTensorOnAnOpOfCostZero) {
  ModelProfile profile;
  profile.ops = {{.inputs = {{.op = 1, .cost = 3}, {.op = 1, .cost = 4}}}, {.cost = 5}};
  profile.tensors = {{.name = "weight", .op = 1}};
  GatherCosts(profile);
  Contract(profile);
  EXPECT_EQ(profile.ops[0].inputs.size(), 2);
  EXPECT_EQ(profile.ops[1].cost, 0);
  EXPECT_EQ(profile.tensors[0].weight_grad_cost, 5);
}

TEST(ContractionTest, KeepsOpsInTopologicalOrderFromTheLoss) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    ModelProfile profile = RandomGraph(random);
    Contract(profile);
    std::vector<bool> reached(profile.ops.size(), false);
    reached[0] = true;
    for (size_t op = 0; op < profile.ops.size(); ++op) {
      EXPECT_TRUE(reached[op]) << "seed " << seed << " op " << op;
      for (const Edge& edge : profile.ops[op].inputs) {
        ASSERT_GT(edge.op, op) << "seed " << seed;
        reached[edge.op] = true;
      }
    }
  }
}

TEST(ContractionTest, RemovesAFreeChainAndHangsTheTensorAtItsEnd) {
  // loss -> view -> product -> transpose -> weight
  ModelProfile profile;
  profile.ops = {{.name = "loss", .inputs = {{.op = 1}}},
                 {.name = "view", .inputs = {{.op = 2}}},
                 {.name = "product", .inputs = {{.op = 3, .cost = 7}}},
                 {.name = "transpose", .inputs = {{.op = 4}}},
                 {.name = "weight"}};
  profile.tensors = {{.name = "weight", .op = 4}};
  Contract(profile);
  ASSERT_EQ(profile.ops.size(), 2);
  EXPECT_EQ(profile.ops[1].name, "product");
  EXPECT_EQ(profile.tensors[0].op, 1);
  EXPECT_EQ(profile.tensors[0].weight_grad_cost, 7);
}

TEST(ContractionTest, KeepsATensorThatIsUsedTwiceOnItsOwnOp) {
  ModelProfile profile;
  profile.ops = {{.inputs = {{.op = 1, .cost = 3}, {.op = 1, .cost = 4}}}, {}};
  profile.tensors = {{.name = "weight", .op = 1}};
  Contract(profile);
  EXPECT_EQ(profile.tensors[0].op, 1);
  EXPECT_EQ(profile.ops[0].inputs.size(), 2);
}

TEST(ContractionTest, CreatesNoPathAroundABlock) {
  // The stream passes only through op 1, which is in the block. If op 1 were removed, the tensor would still be
  // reachable when the block is dropped.
  ModelProfile profile;
  profile.blocks = {"block"};
  profile.ops = {{.inputs = {{.op = 1}}}, {.inputs = {{.op = 2}}, .block = 0}, {.cost = 5}};
  profile.tensors = {{.name = "weight", .op = 2}};
  ContractOps(profile);
  EXPECT_EQ(profile.ops.size(), 3);
  profile.ops[1].block = kNone;
  ContractOps(profile);
  EXPECT_EQ(profile.ops.size(), 2);
}

TEST(ContractionTest, PrunesOpsThatReachNoTensor) {
  ModelProfile profile;
  profile.ops = {{.inputs = {{.op = 1, .cost = 9}, {.op = 2, .cost = 4}}}, {}, {}};
  profile.tensors = {{.name = "weight", .op = 2}, {.name = "unused"}};
  PruneUnreachingOps(profile);
  ASSERT_EQ(profile.ops.size(), 2);
  EXPECT_EQ(profile.ops[0].inputs.size(), 1);
  EXPECT_EQ(profile.tensors[0].op, 1);
  EXPECT_EQ(profile.tensors[1].op, kNone);
}

}  // namespace
}  // namespace greenplan::profiler
