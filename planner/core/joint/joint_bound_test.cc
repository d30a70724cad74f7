#include "planner/core/joint/joint_bound.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/joint/joint_rates.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

struct Instance {
  ModelProfile profile;
  std::vector<double> importance;
  JointProblem problem;
};

// is_large: too large for a tree before the stop function is asked.
void FillInstance(TestRandom& random, Instance& instance, bool is_large = false) {
  const GraphShape shape = kAllShapes[random.Below(std::size(kAllShapes))];
  instance.profile = RandomProfile({.shape = shape,
                                    .size = (shape >= GraphShape::kDecoder ? 1 : 8) * (is_large ? 100 : 1),
                                    .max_cost = 1000,
                                    .with_blocks = true,
                                    .max_tensors = is_large ? 1000 : 8},
                                   random);
  instance.importance = RandomImportance(instance.profile, ImportanceKind::kHeavyTailed, random);
  JointProblem& problem = instance.problem;
  problem.selection.importance = &instance.importance;
  problem.selection.pins.assign(instance.importance.size(), Pin::kFree);
  const int64_t full = EvaluateMask(instance.profile, FullMask(instance.profile)).backward_cost;
  problem.selection.backward_budget = static_cast<int64_t>(random.Unit() * static_cast<double>(full));
  for (size_t b = 0; b < instance.profile.blocks.size(); ++b) problem.sensitivity.push_back(random.Unit());
  problem.min_rates.assign(instance.profile.blocks.size(), 0.0);
  problem.max_rates.assign(instance.profile.blocks.size(), 1.0);
  problem.mu = random.Chance(0.3) ? 0 : std::exp(random.Normal());
}

// The best of many random masks and rates that keep the budget; nothing at all keeps it always.
double BestOfRandomTries(const Instance& instance, TestRandom& random) {
  double best = 0;
  for (int i = 0; i < 2000; ++i) {
    std::vector<bool> mask(instance.importance.size());
    for (size_t k = 0; k < mask.size(); ++k) mask[k] = random.Chance(0.5);
    std::vector<double> rates(instance.profile.blocks.size());
    for (double& rate : rates) rate = random.Chance(0.3) ? 0 : random.Unit();
    const int64_t cost = ExpectedBackwardCost(instance.profile, mask, rates);
    if (cost > instance.problem.selection.backward_budget) continue;
    best = std::max(best, JointValue(instance.profile, instance.problem, mask, rates));
  }
  return best;
}

TEST(JointBound, NoMaskAndRatesWithinTheBudgetAreWorthMore) {
  for (int seed = 0; seed < 200; ++seed) {
    TestRandom random(seed);
    Instance instance;
    FillInstance(random, instance);
    WorkMeter unlimited;
    EXPECT_GE(JointBound(instance.profile, instance.problem, unlimited).Run(), BestOfRandomTries(instance, random))
        << seed;
  }
}

TEST(JointBound, IsABoundThoughStoppedAtOnce) {
  for (int seed = 0; seed < 50; ++seed) {
    TestRandom random(seed);
    Instance instance;
    FillInstance(random, instance, /*is_large=*/seed % 2 == 0);
    WorkMeter unlimited;
    const double bound = JointBound(instance.profile, instance.problem, unlimited).Run();
    const StopFunction at_once = [] { return true; };
    WorkMeter stopped(WorkMeter::kNoLimit, at_once);
    stopped.Spend(10000);
    EXPECT_GE(JointBound(instance.profile, instance.problem, stopped).Run(), bound * (1 - 1e-10)) << seed;
  }
}

TEST(JointBound, MasksHoldEveryPinAndNothingForbidden) {
  for (int seed = 0; seed < 50; ++seed) {
    TestRandom random(seed);
    Instance instance;
    FillInstance(random, instance);
    std::vector<Pin>& pins = instance.problem.selection.pins;
    for (Pin& pin : pins) pin = random.Chance(0.3) ? Pin::kAlways : random.Chance(0.3) ? Pin::kNever : Pin::kFree;
    WorkMeter unlimited;
    JointBound bound(instance.profile, instance.problem, unlimited);
    bound.Run();
    for (const std::vector<bool>& mask : bound.BestMasks(3)) {
      for (size_t k = 0; k < mask.size(); ++k) {
        if (pins[k] != Pin::kFree) {
          EXPECT_EQ(mask[k], pins[k] == Pin::kAlways) << "seed " << seed << " tensor " << k;
        }
      }
    }
  }
}

}  // namespace
}  // namespace greenplan
