#include "profiler/autograd/saved_bytes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"

namespace greenplan::profiler {
namespace {

using ::testing::IsEmpty;

// The graph is loss 0 -> product 1 -> {product 2 -> weight 4, weight 3}. Op 5 reaches no tensor.
ModelProfile TwoLayers() {
  ModelProfile profile;
  profile.ops.resize(6);
  profile.ops[0].inputs = {{.op = 1}, {.op = 5}};
  profile.ops[1].inputs = {{.op = 2, .cost = 10}, {.op = 3, .cost = 10}};
  profile.ops[2].inputs = {{.op = 4, .cost = 10}};
  profile.tensors.resize(2);
  profile.tensors[0].op = 4;
  profile.tensors[1].op = 3;
  return profile;
}

int64_t SavedBytes(const ModelProfile& profile, bool first, bool second) {
  return EvaluateMask(profile, {first, second}).saved_bytes;
}

TEST(BookSavedBytesTest, AddsAStorageToItsOneKeeper) {
  ModelProfile profile = TwoLayers();
  BookSavedBytes({{.bytes = 100, .keepers = {3}}, {.bytes = 7, .keepers = {2, 2}}}, profile);
  EXPECT_EQ(profile.ops.size(), 6);
  EXPECT_EQ(SavedBytes(profile, true, false), 7);
  EXPECT_EQ(SavedBytes(profile, false, true), 100);
  EXPECT_EQ(SavedBytes(profile, true, true), 107);
}

TEST(BookSavedBytesTest, CountsASharedStorageOnce) {
  ModelProfile profile = TwoLayers();
  BookSavedBytes({{.bytes = 100, .keepers = {3, 4}}, {.bytes = 1, .keepers = {4, 3}}}, profile);
  ASSERT_EQ(profile.ops.size(), 7);
  EXPECT_EQ(profile.ops[1].name, "saved");
  EXPECT_EQ(SavedBytes(profile, true, false), 101);
  EXPECT_EQ(SavedBytes(profile, false, true), 101);
  EXPECT_EQ(SavedBytes(profile, true, true), 101);
  EXPECT_EQ(EvaluateMask(profile, {true, true}).backward_cost, 30);
}

TEST(BookSavedBytesTest, LeavesOutKeepersThatOthersImply) {
  ModelProfile profile = TwoLayers();
  BookSavedBytes({{.bytes = 100, .keepers = {4, 1}}, {.bytes = 1, .keepers = {0, 3}}}, profile);
  EXPECT_EQ(profile.ops.size(), 6);
  EXPECT_EQ(profile.ops[1].saved_bytes, 100);
  EXPECT_EQ(profile.ops[0].saved_bytes, 1);
}

TEST(BookSavedBytesTest, LeavesOutStoragesThatNoTensorNeeds) {
  ModelProfile profile = TwoLayers();
  BookSavedBytes({{.bytes = 100, .keepers = {5}}, {.bytes = 1, .keepers = {}}}, profile);
  EXPECT_EQ(SavedBytes(profile, true, true), 0);
}

}  // namespace
}  // namespace greenplan::profiler
