#include "planner/core/joint/joint.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/joint/joint_rates.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

// The best value of a mask, or minus infinity if no rates fit.
double BestValueOf(const ModelProfile& profile, const JointProblem& problem, const std::vector<bool>& mask) {
  WorkMeter unlimited;
  const std::optional<std::vector<double>> rates = BestRatesForMask(profile, problem, mask, unlimited);
  return rates ? JointValue(profile, problem, mask, *rates) : -INFINITY;
}

class JointOnRandomGraphs : public testing::TestWithParam<GraphShape> {};

TEST_P(JointOnRandomGraphs, IsFeasibleBoundedAndNoWorseThanEitherMethodAlone) {
  const bool is_model = GetParam() >= GraphShape::kDecoder;
  int optimal = 0, cases = 0;
  for (int seed = 0; seed < 250; ++seed) {
    TestRandom random(seed);
    const ModelProfile profile = RandomProfile({.shape = GetParam(),
                                                .size = is_model ? 1 + random.Below(2) : 1 + random.Below(9),
                                                .max_cost = 1000,
                                                .with_blocks = true,
                                                .max_tensors = 8},
                                               random);
    const std::vector<double> importance =
        RandomImportance(profile, kAllImportance[random.Below(std::size(kAllImportance))], random);
    JointProblem problem;
    problem.selection.importance = &importance;
    for (size_t k = 0; k < importance.size(); ++k) {
      problem.selection.pins.push_back(random.Chance(0.1) ? Pin::kNever : Pin::kFree);
    }
    problem.selection.backward_budget = static_cast<int64_t>(
        random.Unit() * static_cast<double>(EvaluateMask(profile, FullMask(profile)).backward_cost));
    for (size_t b = 0; b < profile.blocks.size(); ++b) {
      problem.sensitivity.push_back(random.Unit());
      problem.min_rates.push_back(random.Chance(0.2) ? 0.2 : 0);
      problem.max_rates.push_back(random.Chance(0.2) ? 0.7 : 1);
    }
    problem.mu = random.Chance(0.3) ? 0 : std::exp(2 * random.Normal());
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    WorkMeter unlimited;
    const std::optional<JointResult> result = SolveJoint(profile, problem, unlimited);
    ASSERT_TRUE(result.has_value());

    EXPECT_LE(ExpectedBackwardCost(profile, result->trainable, result->drop_rates), problem.selection.backward_budget);
    EXPECT_EQ(result->value, JointValue(profile, problem, result->trainable, result->drop_rates));
    for (size_t b = 0; b < result->drop_rates.size(); ++b) {
      EXPECT_GE(result->drop_rates[b], problem.min_rates[b]);
      EXPECT_LE(result->drop_rates[b], problem.max_rates[b]);
    }
    double best = -INFINITY;
    for (uint32_t subset = 0; subset < (uint32_t{1} << importance.size()); ++subset) {
      std::vector<bool> mask(importance.size());
      bool allowed = true;
      for (size_t k = 0; k < mask.size(); ++k) {
        mask[k] = (subset >> k) & 1;
        allowed &= !mask[k] || problem.selection.pins[k] == Pin::kFree;
      }
      if (allowed) best = std::max(best, BestValueOf(profile, problem, mask));
    }
    const double tolerance = 1e-9 * (1 + std::abs(best));
    EXPECT_LE(result->value, best + tolerance);
    EXPECT_GE(result->upper_bound, best - tolerance);
    EXPECT_GE(result->value,
              BestValueOf(profile, problem, SelectionSolver(profile).Solve(problem.selection).trainable) - tolerance);
    std::vector<bool> all(importance.size());
    for (size_t k = 0; k < all.size(); ++k) all[k] = problem.selection.pins[k] == Pin::kFree && importance[k] > 0;
    EXPECT_GE(result->value, BestValueOf(profile, problem, all) - tolerance);
    ++cases;
    optimal += result->value >= best - tolerance ? 1 : 0;
    if (HasFailure()) return;
  }
  // A heuristic with a bound; on graphs this small it nearly always finds the optimum.
  EXPECT_GE(optimal, cases * 9 / 10);
}

INSTANTIATE_TEST_SUITE_P(Shapes, JointOnRandomGraphs, testing::ValuesIn(kAllShapes));

}  // namespace
}  // namespace greenplan
