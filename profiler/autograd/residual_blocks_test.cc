#include "profiler/autograd/residual_blocks.h"

#include <initializer_list>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::profiler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// One op: its name, the ops that its gradient goes to, and whether it is a tensor's leaf. A leaf has the tensor's name.
struct Node {
  std::string name;
  std::vector<int> inputs;
  std::vector<int64_t> shape = {2, 2};
};

ModelProfile Graph(const std::vector<Node>& nodes) {
  ModelProfile profile;
  for (const Node& node : nodes) {
    Op& op = profile.ops.emplace_back();
    op.name = node.name;
    for (int input : node.inputs) op.inputs.push_back({.op = input});
    if (!node.inputs.empty()) continue;
    Tensor& tensor = profile.tensors.emplace_back();
    tensor.name = node.name;
    tensor.shape = node.shape;
    tensor.op = static_cast<int>(profile.ops.size()) - 1;
  }
  return profile;
}

std::vector<int> BlockOfOps(const ModelProfile& profile) {
  std::vector<int> blocks;
  for (const Op& op : profile.ops) blocks.push_back(op.block);
  return blocks;
}

TEST(FindResidualBlocksTest, FindsTheBranchOfAnAddition) {
  ModelProfile profile =
      Graph({{"Add", {4, 1}}, {"Mm", {2, 3}}, {"a.fc.weight", {}}, {"Norm", {4}}, {"emb.weight", {}}});
  FindResidualBlocks("Add", profile);
  EXPECT_THAT(profile.blocks, ElementsAre("a.fc"));
  EXPECT_THAT(BlockOfOps(profile), ElementsAre(kNone, 0, 0, 0, kNone));
}

TEST(FindResidualBlocksTest, TakesEitherSideOfTheAdditionAsTheStream) {
  ModelProfile profile = Graph({{"Add", {1, 3}}, {"Mm", {2, 3}}, {"a.weight", {}}, {"emb.weight", {}}});
  FindResidualBlocks("Add", profile);
  EXPECT_THAT(BlockOfOps(profile), ElementsAre(kNone, 0, 0, kNone));
}

TEST(FindResidualBlocksTest, ParallelBranchesAreTwoBlocksInForwardOrder) {
  // (x + attention(x)) + mlp(x)
  ModelProfile profile = Graph({{"Add", {3, 1}},
                                {"Mm", {2, 6}},
                                {"layer.mlp.weight", {}},
                                {"Add", {6, 4}},
                                {"Mm", {5, 6}},
                                {"layer.attention.weight", {}},
                                {"emb.weight", {}}});
  FindResidualBlocks("Add", profile);
  EXPECT_THAT(profile.blocks, ElementsAre("layer.attention", "layer.mlp"));
  EXPECT_THAT(BlockOfOps(profile), ElementsAre(kNone, 1, 1, kNone, 0, 0, kNone));
}

TEST(FindResidualBlocksTest, BranchesMayShareANormOfTheStream) {
  // (x + attention(y)) + mlp(y), y = norm(x)
  ModelProfile profile = Graph({{"Add", {3, 1}},
                                {"Mm", {2, 6}},
                                {"layer.mlp.weight", {}},
                                {"Add", {8, 4}},
                                {"Mm", {5, 6}},
                                {"layer.attention.weight", {}},
                                {"Norm", {8, 7}},
                                {"norm.weight", {}, {2}},
                                {"emb.weight", {}}});
  FindResidualBlocks("Add", profile);
  EXPECT_THAT(profile.blocks, ElementsAre("layer.attention", "layer.mlp"));
  EXPECT_THAT(BlockOfOps(profile), ElementsAre(kNone, 1, 1, kNone, 0, 0, kNone, kNone, kNone));
}

TEST(FindResidualBlocksTest, SharedOpsBelongToNoBlock) {
  // The tensor at op 3 is used both by the branch and behind the stream.
  ModelProfile profile =
      Graph({{"Add", {2, 1}}, {"Mm", {2, 3, 4}}, {"Mm", {3}}, {"shared.weight", {}}, {"own.weight", {}}});
  FindResidualBlocks("Add", profile);
  EXPECT_THAT(profile.blocks, ElementsAre("own"));
  EXPECT_THAT(BlockOfOps(profile), ElementsAre(kNone, 0, kNone, kNone, 0));
}

TEST(FindResidualBlocksTest, AnOpOfNestedBlocksBelongsToTheInnermost) {
  // x + outer(y + inner(y)), y = norm(x)
  ModelProfile profile = Graph({{"Add", {7, 1}},
                                {"Mm", {3, 2}},
                                {"outer.weight", {}},
                                {"Add", {6, 4}},
                                {"Mm", {6, 5}},
                                {"outer.inner.weight", {}},
                                {"Norm", {7}},
                                {"emb.weight", {}}});
  FindResidualBlocks("Add", profile);
  EXPECT_THAT(profile.blocks, ElementsAre("outer.inner", "outer"));
  EXPECT_THAT(BlockOfOps(profile), ElementsAre(kNone, 1, 1, 1, 0, 0, 1, kNone));
}

TEST(FindResidualBlocksTest, IgnoresAdditionsThatAreNotResidual) {
  // The first addition adds a bias, the second adds two projections of the same input.
  ModelProfile bias = Graph({{"Add", {1, 3}}, {"Mm", {2}}, {"a.weight", {}}, {"a.bias", {}}});
  FindResidualBlocks("Add", bias);
  EXPECT_THAT(bias.blocks, IsEmpty());
  ModelProfile adapter = Graph(
      {{"Add", {1, 2}}, {"Mm", {3, 5}}, {"Mm", {4, 5}}, {"base.weight", {}}, {"lora.weight", {}}, {"emb.weight", {}}});
  FindResidualBlocks("Add", adapter);
  EXPECT_THAT(adapter.blocks, IsEmpty());
}

TEST(FindResidualBlocksTest, ABranchWithoutTensorsIsNoBlock) {
  ModelProfile profile = Graph({{"Add", {2, 1}}, {"Pow", {2}}, {"Mm", {3}}, {"weight", {}}});
  FindResidualBlocks("Add", profile);
  EXPECT_THAT(profile.blocks, IsEmpty());
  EXPECT_THAT(BlockOfOps(profile), ElementsAre(kNone, kNone, kNone, kNone));
}

TEST(FindResidualBlocksTest, NamesBlocksAfterTheirMatricesAndNumbersEqualNames) {
  ModelProfile profile = Graph({{"Add", {4, 1}},
                                {"Mm", {2, 3}},
                                {"layer.fc2.weight", {}},
                                {"Norm", {4, 9}},
                                {"Add", {8, 5}},
                                {"Mm", {6, 7}},
                                {"layer.fc1.weight", {}},
                                {"Norm", {8, 10}},
                                {"emb.weight", {}},
                                {"norm2.weight", {}, {2}},
                                {"norm1.weight", {}, {2}}});
  profile.tensors[0].name = profile.tensors[1].name = "layer.fc.weight";
  FindResidualBlocks("Add", profile);
  EXPECT_THAT(profile.blocks, ElementsAre("layer.fc", "layer.fc.2"));
}

TEST(FindResidualBlocksTest, NumberingNeverMakesANameThatABlockAlreadyHas) {
  // In forward order the names are a.2, a and a. The second "a" must not become "a.2".
  ModelProfile profile = Graph({{"Add", {3, 1}},
                                {"Mm", {2, 3}},
                                {"a.weight", {}},
                                {"Add", {6, 4}},
                                {"Mm", {5, 6}},
                                {"a.bias", {}},
                                {"Add", {9, 7}},
                                {"Mm", {8, 9}},
                                {"a.2.weight", {}},
                                {"emb.weight", {}}});
  FindResidualBlocks("Add", profile);
  EXPECT_THAT(profile.blocks, ElementsAre("a.2", "a", "a.3"));
}

TEST(MarkBlocksTest, MarksTheOpsReachedOnlyThroughTheOutput) {
  ModelProfile profile = Graph({{"Mm", {1, 4}}, {"Mm", {2, 3}}, {"a.weight", {}}, {"emb.weight", {}}, {"Mm", {3}}});
  MarkBlocks({{.name = "mine", .output_op = 1}}, profile);
  EXPECT_THAT(profile.blocks, ElementsAre("mine"));
  EXPECT_THAT(BlockOfOps(profile), ElementsAre(kNone, 0, 0, kNone, kNone));
}

}  // namespace
}  // namespace greenplan::profiler
