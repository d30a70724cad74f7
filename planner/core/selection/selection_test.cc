#include "planner/core/selection/selection.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

double ValueOf(const std::vector<bool>& mask, const std::vector<double>& importance) {
  double sum = 0;
  for (size_t k = 0; k < mask.size(); ++k) sum += mask[k] ? importance[k] : 0;
  return sum;
}

// A random problem on `profile` with a budget between nothing and everything.
SelectionProblem RandomProblem(const ModelProfile& profile, const std::vector<double>& importance, bool with_pins,
                               TestRandom& random) {
  SelectionProblem problem;
  problem.importance = &importance;
  problem.pins.assign(profile.tensors.size(), Pin::kFree);
  std::vector<bool> pinned(profile.tensors.size(), false);
  for (size_t k = 0; k < pinned.size(); ++k) {
    if (!with_pins) continue;
    if (random.Chance(0.15)) problem.pins[k] = Pin::kNever;
    if (random.Chance(0.1)) problem.pins[k] = Pin::kAlways;
    pinned[k] = problem.pins[k] == Pin::kAlways;
  }
  const int64_t least = EvaluateMask(profile, pinned).backward_cost;
  const int64_t most = EvaluateMask(profile, FullMask(profile)).backward_cost;
  problem.backward_budget = least + static_cast<int64_t>(random.Unit() * static_cast<double>(most - least + 1));
  return problem;
}

// Calls visit(mask) for every subset that the problem's pins allow.
template <typename Visit>
void ForEachAllowedMask(const SelectionProblem& problem, const Visit& visit) {
  const int n = static_cast<int>(problem.pins.size());
  for (uint32_t subset = 0; subset < (uint32_t{1} << n); ++subset) {
    std::vector<bool> mask(n);
    bool allowed = true;
    for (int k = 0; k < n; ++k) {
      mask[k] = (subset >> k) & 1;
      allowed &= problem.pins[k] == Pin::kFree || (problem.pins[k] == Pin::kAlways) == mask[k];
    }
    if (allowed) visit(mask);
  }
}

// The best value over all subsets that the problem allows.
double BestByEnumeration(const ModelProfile& profile, const SelectionProblem& problem) {
  double best = -INFINITY;
  ForEachAllowedMask(problem, [&](const std::vector<bool>& mask) {
    const double value = ValueOf(mask, *problem.importance);
    if (value <= best) return;
    const MaskCost cost = EvaluateMask(profile, mask);
    if (cost.backward_cost > problem.backward_budget) return;
    if (problem.max_saved_bytes && cost.saved_bytes > *problem.max_saved_bytes) return;
    best = value;
  });
  return best;
}

// What every result must satisfy, whatever its status.
void ExpectValid(const ModelProfile& profile, const SelectionProblem& problem, const SelectionResult& result) {
  const MaskCost cost = EvaluateMask(profile, result.trainable);
  EXPECT_LE(cost.backward_cost, problem.backward_budget);
  EXPECT_LE(cost.saved_bytes, problem.max_saved_bytes.value_or(cost.saved_bytes));
  EXPECT_GE(result.upper_bound, ValueOf(result.trainable, *problem.importance));
  if (result.proved) {
    EXPECT_EQ(result.upper_bound, ValueOf(result.trainable, *problem.importance));
  }
  for (size_t k = 0; k < result.trainable.size(); ++k) {
    if (problem.pins[k] != Pin::kFree) {
      EXPECT_EQ(result.trainable[k], problem.pins[k] == Pin::kAlways) << k;
    } else if (result.trainable[k]) {
      EXPECT_GT((*problem.importance)[k], 0) << k;
    }
  }
}

class SelectionOnRandomGraphs : public testing::TestWithParam<GraphShape> {};

TEST_P(SelectionOnRandomGraphs, EqualsEnumerationOfAllSubsets) {
  const bool is_model = GetParam() >= GraphShape::kDecoder;
  for (int seed = 0; seed < 1500; ++seed) {
    TestRandom random(seed);
    RandomProfileOptions options{.shape = GetParam(), .max_tensors = 11};
    options.size = is_model ? 1 + random.Below(3) : 1 + random.Below(12);
    options.max_cost = random.Chance(0.5) ? 10 : 1000;
    options.free_share = random.Chance(0.5) ? 0.1 : 0.5;
    const ModelProfile profile = RandomProfile(options, random);
    const std::vector<double> importance =
        RandomImportance(profile, kAllImportance[random.Below(std::size(kAllImportance))], random);
    const SelectionProblem problem = RandomProblem(profile, importance, random.Chance(0.3), random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const SelectionResult result = SelectionSolver(profile).Solve(problem);
    ExpectValid(profile, problem, result);
    EXPECT_TRUE(result.proved);
    const double best = BestByEnumeration(profile, problem);
    EXPECT_NEAR(ValueOf(result.trainable, importance), best, 1e-14 * (1 + std::abs(best)));
    if (HasFailure()) return;
  }
}

// The value and the cost, `forward_cost` included, of the best ratio over all subsets that the problem allows.
struct BestRatio {
  double value = 0;
  double cost = 1;
};
BestRatio BestRatioByEnumeration(const ModelProfile& profile, const SelectionProblem& problem, int64_t forward_cost) {
  BestRatio best;
  ForEachAllowedMask(problem, [&](const std::vector<bool>& mask) {
    const double value = ValueOf(mask, *problem.importance);
    const auto cost = static_cast<double>(forward_cost + EvaluateMask(profile, mask).backward_cost);
    if (value * best.cost > best.value * cost) best = {value, cost};
  });
  return best;
}

TEST_P(SelectionOnRandomGraphs, TheBestRatioEqualsEnumerationOfAllSubsets) {
  const bool is_model = GetParam() >= GraphShape::kDecoder;
  for (int seed = 0; seed < 600; ++seed) {
    TestRandom random(3000000 + seed);
    RandomProfileOptions options{.shape = GetParam(), .max_tensors = 10};
    options.size = is_model ? 1 + random.Below(3) : 1 + random.Below(12);
    const ModelProfile profile = RandomProfile(options, random);
    const std::vector<double> importance =
        RandomImportance(profile, kAllImportance[random.Below(std::size(kAllImportance))], random);
    const SelectionProblem problem = RandomProblem(profile, importance, random.Chance(0.5), random);
    const int64_t forward_cost = 1 + random.Cost(100);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const BestRatio best = BestRatioByEnumeration(profile, problem, forward_cost);
    const SelectionSolver solver(profile);
    // Stopped at every question first, then not at all.
    for (int questions = 0; questions < 4; ++questions) {
      int left = questions < 3 ? questions : 1 << 30;
      const StopFunction should_stop = [&] { return left-- <= 0; };
      WorkMeter meter(WorkMeter::kNoLimit, should_stop);
      const SelectionResult result = solver.SolveBestRatio(problem, forward_cost, meter);
      const double value = ValueOf(result.trainable, importance);
      const auto cost = static_cast<double>(forward_cost + EvaluateMask(profile, result.trainable).backward_cost);
      for (size_t k = 0; k < result.trainable.size(); ++k) {
        ASSERT_NE(problem.pins[k], result.trainable[k] ? Pin::kNever : Pin::kAlways) << k;
      }
      ASSERT_GE(result.upper_bound, value);
      ASSERT_LE(value * best.cost, best.value * cost * (1 + 1e-12));
      if (best.value > 0) ASSERT_GE(result.upper_bound * best.cost, best.value * cost * (1 - 1e-12));
      if (!result.proved) continue;
      ASSERT_NEAR(value * best.cost, best.value * cost,
                  1e-12 * std::abs(value * best.cost) + (best.value > 0 ? 0 : 1e9));
    }
    WorkMeter unlimited;
    ASSERT_TRUE(solver.SolveBestRatio(problem, forward_cost, unlimited).proved);
  }
}

TEST_P(SelectionOnRandomGraphs, DownscaledIsWithinBudgetAndNeverBetterThanExact) {
  const bool is_model = GetParam() >= GraphShape::kDecoder;
  for (int seed = 0; seed < 150; ++seed) {
    TestRandom random(2000000 + seed);
    RandomProfileOptions options{.shape = GetParam(), .size = is_model ? 1 : 20, .max_cost = 50};
    const ModelProfile profile = RandomProfile(options, random);
    const std::vector<double> importance =
        RandomImportance(profile, kAllImportance[random.Below(std::size(kAllImportance))], random);
    SelectionProblem problem = RandomProblem(profile, importance, random.Chance(0.3), random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const SelectionSolver solver(profile);
    const double exact = ValueOf(solver.Solve(problem).trainable, importance);
    // With as many steps as cost units nothing is rounded.
    const int64_t full = EvaluateMask(profile, FullMask(profile)).backward_cost;
    for (const int resolution : {10, 100, static_cast<int>(full)}) {
      problem.resolution = std::max(1, resolution);
      const SelectionResult result = solver.Solve(problem);
      ExpectValid(profile, problem, result);
      const double value = ValueOf(result.trainable, importance);
      EXPECT_LE(value, exact + 1e-12 * std::abs(exact));
      EXPECT_GE(result.upper_bound, exact - 1e-12 * std::abs(exact));
      if (resolution == full) {
        EXPECT_NEAR(value, exact, 1e-12 * std::abs(exact));
      }
    }
    if (HasFailure()) return;
  }
}

TEST_P(SelectionOnRandomGraphs, KeepsASecondLimitAndEqualsEnumeration) {
  const bool is_model = GetParam() >= GraphShape::kDecoder;
  for (int seed = 0; seed < 600; ++seed) {
    TestRandom random(1000000 + seed);
    RandomProfileOptions options{.shape = GetParam(), .max_tensors = 10};
    options.size = is_model ? 1 + random.Below(3) : 1 + random.Below(12);
    options.max_cost = random.Chance(0.5) ? 10 : 1000;
    const ModelProfile profile = RandomProfile(options, random);
    const std::vector<double> importance =
        RandomImportance(profile, kAllImportance[random.Below(std::size(kAllImportance))], random);
    SelectionProblem problem = RandomProblem(profile, importance, random.Chance(0.3), random);
    std::vector<bool> pinned(profile.tensors.size());
    for (size_t k = 0; k < pinned.size(); ++k) pinned[k] = problem.pins[k] == Pin::kAlways;
    const int64_t least = EvaluateMask(profile, pinned).saved_bytes;
    const int64_t most = EvaluateMask(profile, FullMask(profile)).saved_bytes;
    problem.max_saved_bytes = least + static_cast<int64_t>(random.Unit() * static_cast<double>(most - least + 1));
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const SelectionResult result = SelectionSolver(profile).Solve(problem);
    ExpectValid(profile, problem, result);
    EXPECT_TRUE(result.proved);
    const double best = BestByEnumeration(profile, problem);
    EXPECT_NEAR(ValueOf(result.trainable, importance), best, 1e-14 * (1 + std::abs(best)));
    if (HasFailure()) return;
  }
}

std::vector<SelectionResult> SolveCurve(const SelectionSolver& solver, const SelectionProblem& problem,
                                        const std::vector<int64_t>& budgets) {
  std::vector<SelectionResult> results(budgets.size());
  WorkMeter unlimited;
  solver.SolveCurve(problem, budgets, unlimited, [&](const SelectionResult& result, const std::vector<int>& points) {
    for (int i : points) results[i] = result;
  });
  return results;
}

// Middle-sized models that enumeration cannot check: proofs must agree with the bound of a much coarser search, and a
// stopped search must still bound what the unstopped one proves.
TEST_P(SelectionOnRandomGraphs, AStoppedSearchBoundsTheOptimum) {
  const bool is_model = GetParam() >= GraphShape::kDecoder;
  for (int seed = 0; seed < 40; ++seed) {
    TestRandom random(3000000 + seed);
    const ModelProfile profile =
        RandomProfile({.shape = GetParam(), .size = is_model ? 6 : 40, .max_cost = int64_t{1} << 50}, random);
    const std::vector<double> importance = RandomImportance(profile, ImportanceKind::kHeavyTailed, random);
    SelectionProblem problem = RandomProblem(profile, importance, false, random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const SelectionSolver solver(profile);
    const SelectionResult full = solver.Solve(problem);
    ExpectValid(profile, problem, full);
    const double value = ValueOf(full.trainable, importance);
    int questions = 0;
    const StopFunction at_first = [&] { return ++questions > 0; };
    for (const int64_t work : {1, 100, 1000, 10000}) {
      problem.work_limit = work;
      WorkMeter request(WorkMeter::kNoLimit, at_first);
      const SelectionResult stopped = solver.Solve(problem, request);
      ExpectValid(profile, problem, stopped);
      EXPECT_GE(stopped.upper_bound, value);
      EXPECT_LE(ValueOf(stopped.trainable, importance), full.upper_bound);
    }
    if (HasFailure()) return;
  }
}

// Thousands of live sets share their tensors, so that what hangs on all of them together says nothing.
TEST(SelectionSolver, AStopAmongThousandsOfLiveSetsLeavesABoundOnTheOptimum) {
  for (const GraphShape shape : {GraphShape::kTree, GraphShape::kDag}) {
    TestRandom random(600);
    const ModelProfile profile =
        RandomProfile({.shape = shape, .size = 600, .max_cost = int64_t{1} << 38, .max_tensors = 1000}, random);
    const std::vector<double> importance = RandomImportance(profile, ImportanceKind::kHeavyTailed, random);
    SelectionProblem problem = RandomProblem(profile, importance, false, random);
    const double value = ValueOf(SelectionSolver(profile).Solve(problem).trainable, importance);
    for (const int questions : {1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000}) {
      int asked = 0;
      const StopFunction after_some = [&] { return ++asked >= questions; };
      WorkMeter request(WorkMeter::kNoLimit, after_some);
      const SelectionResult stopped = SelectionSolver(profile).Solve(problem, request);
      ExpectValid(profile, problem, stopped);
      EXPECT_GE(stopped.upper_bound, value) << questions;
    }
  }
}

TEST_P(SelectionOnRandomGraphs, DoesNotDependOnThePlansBefore) {
  for (int seed = 0; seed < 60 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const ModelProfile profile = RandomProfile({.shape = GetParam(), .size = 3 + random.Below(4)}, random);
    const std::vector<double> importances[] = {RandomImportance(profile, ImportanceKind::kHeavyTailed, random),
                                               RandomImportance(profile, ImportanceKind::kWholeNumbers, random)};
    const int64_t full = EvaluateMask(profile, FullMask(profile)).backward_cost;
    const SelectionSolver solver(profile);
    for (int turn = 0; turn < 16; ++turn) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, " turn ", turn));
      SelectionProblem problem;
      problem.importance = &importances[random.Below(2)];
      std::vector<bool> pinned(profile.tensors.size());
      const double pinned_share = random.Chance(0.5) ? 0 : 0.1;
      for (size_t k = 0; k < pinned.size(); ++k) {
        const bool is_never = profile.tensors[k].op == kNone || random.Chance(pinned_share);
        pinned[k] = !is_never && random.Chance(pinned_share);
        problem.pins.push_back(is_never ? Pin::kNever : pinned[k] ? Pin::kAlways : Pin::kFree);
      }
      const int64_t least = EvaluateMask(profile, pinned).backward_cost;
      problem.backward_budget = least + random.Cost(full - least + 1);
      if (random.Chance(0.2)) {
        const StopFunction at_once = [] { return true; };
        WorkMeter request(WorkMeter::kNoLimit, at_once);
        solver.Solve(problem, request);
      }
      const SelectionResult result = random.Chance(0.3)
                                         ? SolveCurve(solver, problem, {full, problem.backward_budget}).back()
                                         : solver.Solve(problem);
      const SelectionResult fresh = SelectionSolver(profile).Solve(problem);
      EXPECT_EQ(result.trainable, fresh.trainable);
      EXPECT_EQ(result.upper_bound, fresh.upper_bound);
    }
  }
}

// Whatever was planned before, and under a second limit too.
TEST(SelectionSolver, AStopBeforeAnythingWasSearchedLeavesASelection) {
  for (const GraphShape shape : {GraphShape::kDag, GraphShape::kDecoder}) {
    TestRandom random(3);
    const ModelProfile profile =
        RandomProfile({.shape = shape, .size = shape == GraphShape::kDag ? 20000 : 400}, random);
    const std::vector<double> importance = RandomImportance(profile, ImportanceKind::kHeavyTailed, random);
    const MaskCost full = EvaluateMask(profile, FullMask(profile));
    SelectionProblem problem;
    problem.importance = &importance;
    for (const Tensor& tensor : profile.tensors) problem.pins.push_back(tensor.op == kNone ? Pin::kNever : Pin::kFree);
    problem.backward_budget = full.backward_cost / 3;
    const SelectionSolver solver(profile);
    double fresh_value = 0;
    for (const bool is_warm : {false, true}) {
      if (is_warm && shape == GraphShape::kDecoder) solver.Solve(problem);
      for (const bool has_byte_limit : {false, true}) {
        SCOPED_TRACE(absl::StrCat("warm ", is_warm, " byte limit ", has_byte_limit));
        SelectionProblem stopped = problem;
        if (has_byte_limit) stopped.max_saved_bytes = full.saved_bytes / 3;
        const StopFunction at_once = [] { return true; };
        WorkMeter request(WorkMeter::kNoLimit, at_once);
        const SelectionResult result = solver.Solve(stopped, request);
        const double value = SelectionValue(result.trainable, importance);
        EXPECT_GT(value, 0);
        EXPECT_GE(result.upper_bound, value);
        const MaskCost cost = EvaluateMask(profile, result.trainable);
        EXPECT_LE(cost.backward_cost, problem.backward_budget);
        EXPECT_LE(cost.saved_bytes, stopped.max_saved_bytes.value_or(cost.saved_bytes));
        if (!has_byte_limit) EXPECT_GE(value, fresh_value);
        if (!has_byte_limit) fresh_value = value;
      }
    }
  }
}

TEST_P(SelectionOnRandomGraphs, APointOfACurveIsThePlanOfItsBudgetThoughValuesTie) {
  const bool is_model = GetParam() >= GraphShape::kDecoder;
  for (int seed = 0; seed < 300; ++seed) {
    TestRandom random(4000000 + seed);
    const ModelProfile profile =
        RandomProfile({.shape = GetParam(), .size = is_model ? 2 : 20, .max_cost = 20}, random);
    const std::vector<double> importance = RandomImportance(profile, ImportanceKind::kWholeNumbers, random);
    SelectionProblem problem = RandomProblem(profile, importance, false, random);
    const int64_t full = EvaluateMask(profile, FullMask(profile)).backward_cost;
    std::vector<int64_t> budgets;
    for (int i = 0; i <= 10; ++i) budgets.push_back(full * i / 10);
    const SelectionSolver solver(profile);
    const std::vector<SelectionResult> curve = SolveCurve(solver, problem, budgets);
    for (size_t i = 0; i < budgets.size(); ++i) {
      problem.backward_budget = budgets[i];
      ASSERT_EQ(curve[i].trainable, solver.Solve(problem).trainable) << "seed " << seed << " budget " << budgets[i];
    }
  }
}

// `count` tensors on the loss, whose importance is nearly proportional to their cost: hard to prove.
ModelProfile HardKnapsack(int count, TestRandom& random, std::vector<double>& importance) {
  ModelProfile profile;
  profile.ops.resize(1);
  for (int k = 0; k < count; ++k) {
    Tensor tensor;
    tensor.op = 0;
    tensor.weight_grad_cost = (int64_t{1} << 38) + random.Cost(int64_t{1} << 38);
    tensor.saved_bytes = 1000;
    importance.push_back(static_cast<double>(tensor.weight_grad_cost + random.Cost(1 << 20)));
    profile.tensors.push_back(std::move(tensor));
  }
  return profile;
}

TEST(SelectionSolver, ASecondLimitHasWorkLeftHoweverHardTheFirstIs) {
  TestRandom random(60);
  std::vector<double> importance;
  const ModelProfile profile = HardKnapsack(60, random, importance);
  SelectionProblem problem = RandomProblem(profile, importance, false, random);
  problem.backward_budget = EvaluateMask(profile, FullMask(profile)).backward_cost / 2;
  const SelectionResult unlimited = SelectionSolver(profile).Solve(problem);
  ExpectValid(profile, problem, unlimited);
  problem.max_saved_bytes = EvaluateMask(profile, unlimited.trainable).saved_bytes - 1;
  const SelectionResult limited = SelectionSolver(profile).Solve(problem);
  ExpectValid(profile, problem, limited);
  EXPECT_GT(ValueOf(limited.trainable, importance), 0.9 * ValueOf(unlimited.trainable, importance));
  EXPECT_LE(limited.upper_bound, unlimited.upper_bound * (1 + 1e-12));
}

// Bundles of six tensors have 64 options each: settling some of them takes more work than is given.
TEST(SelectionSolver, ALimitOnWorkHoldsAmongBundlesToo) {
  TestRandom random(12);
  ModelProfile profile;
  profile.ops.resize(1);
  std::vector<double> importance;
  for (int leaf = 1; leaf <= 12; ++leaf) {
    profile.ops[0].inputs.push_back({leaf, 0});
    profile.ops.push_back({});
    profile.ops.back().cost = 1 + random.Cost(1000);
    for (int i = 0; i < 6; ++i) {
      Tensor tensor;
      tensor.op = leaf;
      tensor.weight_grad_cost = random.Cost(int64_t{1} << 38);
      importance.push_back(static_cast<double>(tensor.weight_grad_cost + random.Cost(1 << 20)));
      profile.tensors.push_back(std::move(tensor));
    }
  }
  SelectionProblem problem = RandomProblem(profile, importance, false, random);
  problem.backward_budget = EvaluateMask(profile, FullMask(profile)).backward_cost / 2;
  problem.work_limit = 1000000;
  ExpectValid(profile, problem, SelectionSolver(profile).Solve(problem));
}

TEST(SelectionSolver, ASecondLimitIsProvedThoughValuesPerByteSpanManyOrdersOfMagnitude) {
  TestRandom random(4);
  ModelProfile profile;
  profile.ops.resize(1);
  std::vector<double> importance;
  for (int k = 0; k < 40; ++k) {
    Tensor tensor;
    tensor.op = 0;
    tensor.weight_grad_cost = k == 0 ? 1 : (int64_t{1} << 44) + random.Cost(int64_t{1} << 44);
    tensor.saved_bytes = k == 0 ? 1 : 100 + random.Below(100);
    importance.push_back(k == 0 ? 0x1p55 : 0x1p30 * (1 + random.Unit()));
    profile.tensors.push_back(std::move(tensor));
  }
  const MaskCost full = EvaluateMask(profile, FullMask(profile));
  SelectionProblem problem = RandomProblem(profile, importance, false, random);
  problem.backward_budget = full.backward_cost / 2;
  problem.max_saved_bytes = full.saved_bytes / 2;
  const SelectionResult result = SelectionSolver(profile).Solve(problem);
  ExpectValid(profile, problem, result);
  EXPECT_TRUE(result.proved);
}

TEST(SelectionSolver, CostsUpToTheLimitDoNotOverflow) {
  ModelProfile profile;
  constexpr int kTensors = 8;
  for (int k = 0; k < kTensors; ++k) {
    Op op;
    op.cost = int64_t{1} << 58;
    if (k + 1 < kTensors) op.inputs = {{k + 1, 0}};
    profile.ops.push_back(op);
    Tensor tensor;
    tensor.op = k;
    tensor.weight_grad_cost = (int64_t{1} << 58) - k;
    profile.tensors.push_back(tensor);
  }
  const std::vector<double> importance = {1e300, 2e300, 3e300, 1e-300, 5e300, 6e299, 7e300, 8e300};
  for (int eighth = 1; eighth <= 8; ++eighth) {
    SelectionProblem problem;
    problem.importance = &importance;
    problem.pins.assign(kTensors, Pin::kFree);
    problem.backward_budget = (int64_t{1} << 59) * eighth;
    const SelectionResult result = SelectionSolver(profile).Solve(problem);
    ExpectValid(profile, problem, result);
    EXPECT_TRUE(result.proved);
    EXPECT_NEAR(ValueOf(result.trainable, importance), BestByEnumeration(profile, problem), 1e286) << eighth;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, SelectionOnRandomGraphs, testing::ValuesIn(kAllShapes));

}  // namespace
}  // namespace greenplan
