#include "planner/core/shallow_selection.h"

#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/random_profiles.h"

namespace greenplan {
namespace {

std::vector<int64_t> DrawValues(const ModelProfile& profile, TestRandom& random) {
  std::vector<int64_t> values;
  for (const Tensor& tensor : profile.tensors) values.push_back(tensor.op == kNone ? 0 : random.Below(20) - 4);
  return values;
}

TEST(SelectShallow, KeepsTheBudgetAndTellsItsValue) {
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
    int64_t pinned_cost = EvaluateMask(profile, pinned).backward_cost;
    int64_t most = 0;
    for (size_t k = 0; k < pinned.size(); ++k) {
      if (pinned[k]) free_values[k] = 0;
      most += std::max<int64_t>(0, free_values[k]);
    }
    const int64_t budget = random.Cost(EvaluateMask(profile, FullMask(profile)).backward_cost + 1);
    const LiveSetResult result = SelectShallow(profile, LiveOps(profile, pinned), free_values, budget);
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
    EXPECT_LE(EvaluateMask(profile, mask).backward_cost, pinned_cost + budget);
  }
  EXPECT_GT(num_selected, 2000);
}

TEST(SelectShallow, TakesEverythingWorthItThatFits) {
  TestRandom random(7);
  const ModelProfile profile = RandomProfile({.shape = GraphShape::kDecoder, .size = 4}, random);
  const std::vector<int64_t> values = DrawValues(profile, random);
  const std::vector<bool> live(profile.ops.size(), false);
  const LiveSetResult all = SelectShallow(profile, live, values, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(all.value, all.upper_bound);
  EXPECT_GT(all.value, 0);
}

TEST(SelectShallow, StopsWhereTheNextOpDoesNotFit) {
  ModelProfile profile;
  profile.ops = {{.cost = 1, .inputs = {{1, 2}}}, {.cost = 3, .inputs = {{2, 0}}}, {.cost = 100}};
  profile.tensors = {
      {.op = 2, .weight_grad_cost = 0}, {.op = 1, .weight_grad_cost = 4}, {.op = 0, .weight_grad_cost = 5}};
  const std::vector<bool> none(3, false);
  const std::vector<int64_t> values = {9, 9, 9};
  EXPECT_EQ(SelectShallow(profile, none, values, 5).trainable, std::vector<bool>({false, false, false}));
  EXPECT_EQ(SelectShallow(profile, none, values, 6).trainable, std::vector<bool>({false, false, true}));
  EXPECT_EQ(SelectShallow(profile, none, values, 15).trainable, std::vector<bool>({false, true, true}));
  EXPECT_EQ(SelectShallow(profile, none, values, 115).trainable, std::vector<bool>({true, true, true}));
}

}  // namespace
}  // namespace greenplan
