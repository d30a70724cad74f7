#include "planner/core/selection/shallow_selection.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

std::vector<int64_t> DrawValues(const ModelProfile& profile, TestRandom& random) {
  std::vector<int64_t> values;
  for (const Tensor& tensor : profile.tensors) values.push_back(tensor.op == kNone ? 0 : random.Below(20) - 4);
  return values;
}

TEST(ShallowSelection, KeepsItsLimitsAndTellsItsValue) {
  int num_selected = 0;
  for (int seed = 0; seed < 2000 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    TestRandom random(seed);
    const GraphShape shape = kAllShapes[random.Below(std::size(kAllShapes))];
    const ModelProfile profile = RandomProfile({.shape = shape, .size = 1 + random.Below(8)}, random);
    const std::vector<int64_t> values = DrawValues(profile, random);
    std::vector<bool> pinned(profile.tensors.size());
    for (size_t k = 0; k < pinned.size(); ++k) pinned[k] = profile.tensors[k].op != kNone && random.Chance(0.1);
    std::vector<int64_t> free_values = values;
    const MaskCost of_pinned = EvaluateMask(profile, pinned);
    int64_t most = 0;
    for (size_t k = 0; k < pinned.size(); ++k) {
      if (pinned[k]) free_values[k] = 0;
      most += std::max<int64_t>(0, free_values[k]);
    }
    const MaskCost full = EvaluateMask(profile, FullMask(profile));
    const int64_t budget = random.Cost(full.backward_cost + 1);
    const int64_t max_bytes = random.Chance(0.5) ? full.saved_bytes : random.Cost(full.saved_bytes + 1);
    const LiveSetResult result =
        ShallowSelection(profile, LiveOps(profile, pinned), free_values).Select(budget, max_bytes);
    EXPECT_EQ(result.upper_bound, most);
    int64_t value = 0;
    std::vector<bool> mask = pinned;
    for (size_t k = 0; k < mask.size(); ++k) {
      if (!result.trainable[k]) continue;
      EXPECT_GT(free_values[k], 0);
      value += free_values[k];
      mask[k] = true;
      ++num_selected;
    }
    EXPECT_EQ(result.value, value);
    EXPECT_LE(EvaluateMask(profile, mask).backward_cost, of_pinned.backward_cost + budget);
    EXPECT_LE(EvaluateMask(profile, mask).saved_bytes, of_pinned.saved_bytes + max_bytes);
  }
  EXPECT_GT(num_selected, 2000);
}

TEST(ShallowSelection, TakesEverythingWorthItWithoutLimits) {
  TestRandom random(7);
  const ModelProfile profile = RandomProfile({.shape = GraphShape::kDecoder, .size = 4}, random);
  const std::vector<int64_t> values = DrawValues(profile, random);
  const std::vector<bool> live(profile.ops.size(), false);
  const LiveSetResult all = ShallowSelection(profile, live, values).Select(kNoLimit, kNoLimit);
  EXPECT_EQ(all.value, all.upper_bound);
  EXPECT_GT(all.value, 0);
}

TEST(ShallowSelection, StopsWhereTheNextOpDoesNotFit) {
  ModelProfile profile;
  profile.ops = {{.cost = 1, .inputs = {{1, 2}}}, {.cost = 3, .inputs = {{2, 0}}}, {.cost = 100}};
  profile.tensors = {
      {.op = 2, .weight_grad_cost = 0}, {.op = 1, .weight_grad_cost = 4}, {.op = 0, .weight_grad_cost = 5}};
  const std::vector<int64_t> values = {9, 9, 9};
  const ShallowSelection selection(profile, {false, false, false}, values);
  EXPECT_EQ(selection.Select(5, kNoLimit).trainable, std::vector<bool>({false, false, false}));
  EXPECT_EQ(selection.Select(6, kNoLimit).trainable, std::vector<bool>({false, false, true}));
  EXPECT_EQ(selection.Select(15, kNoLimit).trainable, std::vector<bool>({false, true, true}));
  EXPECT_EQ(selection.Select(115, kNoLimit).trainable, std::vector<bool>({true, true, true}));
}

TEST(ShallowSelection, TakesWhatHangsOnALiveOpThoughOpsBeforeItAreDear) {
  ModelProfile profile;
  profile.ops = {{.cost = 1, .inputs = {{1}, {2}}}, {.cost = 100}, {.cost = 100}};
  profile.tensors = {{.op = 1, .weight_grad_cost = 1}, {.op = 2, .weight_grad_cost = 1}};
  const std::vector<int64_t> values = {9, 9};
  const ShallowSelection selection(profile, {true, false, true}, values);
  EXPECT_EQ(selection.Select(50, kNoLimit).trainable, std::vector<bool>({false, true}));
  EXPECT_EQ(selection.Select(101, kNoLimit).trainable, std::vector<bool>({true, false}));
  EXPECT_EQ(selection.Select(102, kNoLimit).trainable, std::vector<bool>({true, true}));
}

}  // namespace
}  // namespace greenplan
