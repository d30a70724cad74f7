#include "trainer_client/session/declared_blocks.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ModelProfile Profile() {
  ModelProfile profile;
  for (int block : {kNone, 0, 1, 2, 2}) profile.ops.push_back({.name = "op", .block = block});
  profile.blocks = {"a", "b", "c"};
  return profile;
}

std::vector<int> BlockOfOps(const ModelProfile& profile) {
  std::vector<int> blocks;
  for (const Op& op : profile.ops) blocks.push_back(op.block);
  return blocks;
}

TEST(KeepDeclaredBlocks, LeavesOpsOfOtherBlocksInNone) {
  ModelProfile profile = Profile();
  ASSERT_TRUE(KeepDeclaredBlocks({"c", "a", "without a tensor"}, profile).ok());
  EXPECT_THAT(profile.blocks, ElementsAre("a", "c"));
  EXPECT_THAT(BlockOfOps(profile), ElementsAre(kNone, 0, kNone, 1, 1));
}

TEST(KeepDeclaredBlocks, SaysWhatThereIsIfNothingMatches) {
  ModelProfile profile = Profile();
  const absl::Status status = KeepDeclaredBlocks({"layers.0"}, profile);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("declares these branches: layers.0; the blocks of the profile "
                                                       "are: a, b, c;"));
  EXPECT_THAT(profile.blocks, ElementsAre("a", "b", "c"));
  EXPECT_THAT(std::string(KeepDeclaredBlocks({}, profile).message()), HasSubstr("branches: none"));
}

TEST(KeepDeclaredBlocks, ShortensLongLists) {
  ModelProfile profile;
  for (int b = 0; b < 8; ++b) profile.blocks.push_back(std::to_string(b));
  EXPECT_THAT(std::string(KeepDeclaredBlocks({}, profile).message()), HasSubstr("are: 0, 1, 2, 3, 4 and 3 more;"));
}

}  // namespace
}  // namespace greenplan::trainer
