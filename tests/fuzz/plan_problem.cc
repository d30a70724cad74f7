#include "tests/fuzz/plan_problem.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "planner/convert/validate.h"
#include "planner/core/cost.h"

namespace greenplan {
namespace {

constexpr int kMaxOps = 24;
constexpr int kMaxTensors = 12;
constexpr int kMaxBlocks = 4;

// Small, so that sums coincide; or a small number times a power of two, up to the limit.
int64_t ReadCost(ByteReader& input) {
  const int64_t small = input.Below(64);
  return input.Below(4) == 0 ? small << input.Below(57) : small;
}

// Often a small whole number, so that values coincide; sometimes any double.
double ReadValue(ByteReader& input) {
  const int kind = input.Below(8);
  if (kind == 0) return input.AnyDouble();
  const double small = static_cast<double>(input.Below(32)) - 4;
  return kind == 1 ? std::ldexp(small, input.Below(255) * 8 - 1020) : small;
}

ModelProfile ReadProfile(ByteReader& input) {
  ModelProfile profile;
  profile.forward_cost = ReadCost(input);
  const int num_blocks = input.Below(kMaxBlocks + 1);
  for (int b = 0; b < num_blocks; ++b) profile.blocks.push_back("block" + std::to_string(b));
  profile.ops.resize(1 + input.Below(kMaxOps));
  for (int j = 0; j < static_cast<int>(profile.ops.size()); ++j) {
    Op& op = profile.ops[j];
    op.cost = ReadCost(input);
    op.saved_bytes = ReadCost(input);
    if (num_blocks > 0) op.block = input.Below(num_blocks + 1) - 1;
    // An edge from one earlier op at least, so that the loss reaches every op.
    for (int edges = j == 0 ? 0 : 1 + input.Below(3); edges > 0; --edges) {
      profile.ops[input.Below(j)].inputs.push_back({j, ReadCost(input)});
    }
  }
  const int num_tensors = 1 + input.Below(kMaxTensors);
  for (int k = 0; k < num_tensors; ++k) {
    Tensor& tensor = profile.tensors.emplace_back();
    tensor.name = "tensor" + std::to_string(k);
    tensor.op = input.Below(static_cast<int>(profile.ops.size()) + 1) - 1;
    if (tensor.op == kNone) continue;
    tensor.weight_grad_cost = ReadCost(input);
    tensor.saved_bytes = ReadCost(input);
  }
  return profile;
}

Measurements ReadMeasurements(const ModelProfile& profile, ByteReader& input) {
  Measurements measurements;
  for (int k = 0; k < static_cast<int>(profile.tensors.size()); ++k) {
    if (input.Below(16) == 0) {
      measurements.unmeasured.push_back(k);
      measurements.importance.push_back(0);
    } else {
      measurements.importance.push_back(ReadValue(input));
    }
  }
  if (input.Flag()) {
    for (size_t b = 0; b < profile.blocks.size(); ++b) {
      measurements.sensitivity.push_back(std::abs(ReadValue(input)));
    }
  }
  return measurements;
}

// Often a multiple of 1/16, sometimes any double.
double ReadFraction(ByteReader& input) {
  return input.Below(8) == 0 ? input.AnyDouble() : static_cast<double>(input.Below(17)) / 16;
}

Budget ReadBudget(ByteReader& input) {
  Budget budget;
  budget.kind = static_cast<Budget::Kind>(input.Below(6));
  budget.fraction = ReadFraction(input);
  budget.absolute = ReadCost(input);
  if (input.Below(4) == 0) budget.max_saved_bytes = ReadCost(input);
  return budget;
}

PlanOptions ReadOptions(const ModelProfile& profile, ByteReader& input) {
  PlanOptions options;
  options.method = static_cast<Method>(input.Below(4));
  options.budget = ReadBudget(input);
  if (input.Below(8) == 0) options.algorithm = Algorithm::kDownscaled;
  options.resolution = 1 + input.Byte() * (input.Flag() ? 1 : 1000);
  options.allocation = static_cast<Allocation>(input.Below(2));
  options.drop_objective = static_cast<DropObjective>(input.Below(2));
  if (input.Flag()) options.min_drop_rate = ReadFraction(input);
  if (input.Flag()) options.max_drop_rate = ReadFraction(input);
  if (!profile.blocks.empty() && input.Below(4) == 0) {
    options.drop_rate_bounds.push_back(
        {input.Below(static_cast<int>(profile.blocks.size())), ReadFraction(input), ReadFraction(input)});
  }
  options.mu = input.Flag() ? ReadValue(input) : 0;
  for (int k = 0; k < static_cast<int>(profile.tensors.size()); ++k) {
    const int pin = input.Below(12);
    if (pin == 0) options.never.push_back(k);
    if (pin == 1 && profile.tensors[k].op != kNone) options.always.push_back(k);
  }
  return options;
}

}  // namespace

std::optional<PlanProblem> ReadPlanProblem(ByteReader& input) {
  PlanProblem problem;
  problem.profile = ReadProfile(input);
  problem.measurements = ReadMeasurements(problem.profile, input);
  problem.options = ReadOptions(problem.profile, input);
  const bool is_valid =
      ValidateModelProfile(problem.profile).ok() && ValidateMeasurements(problem.measurements, problem.profile).ok() &&
      ValidatePlanOptions(problem.options).ok() && ValidatePenalty(problem.options, problem.measurements).ok();
  if (!is_valid) return std::nullopt;
  return problem;
}

namespace {

// Calls visit(value, mask) for every selection that keeps the problem's pins.
template <typename Visit>
void ForEachSelection(const PlanProblem& problem, const Visit& visit) {
  const ModelProfile& profile = problem.profile;
  const size_t num_tensors = profile.tensors.size();
  std::vector<bool> may_train(num_tensors, true);
  for (int k : problem.options.never) may_train[k] = false;
  for (int k : problem.measurements.unmeasured) may_train[k] = false;
  for (size_t k = 0; k < num_tensors; ++k) {
    if (profile.tensors[k].op == kNone) may_train[k] = false;
  }
  uint32_t pinned = 0;
  for (int k : problem.options.always) {
    pinned |= uint32_t{1} << k;
    may_train[k] = true;
  }
  for (uint32_t set = 0; set < uint32_t{1} << num_tensors; ++set) {
    if ((set & pinned) != pinned) continue;
    std::vector<bool> mask(num_tensors);
    bool is_allowed = true;
    double value = 0;
    for (size_t k = 0; k < num_tensors; ++k) {
      mask[k] = ((set >> k) & 1) != 0;
      if (!mask[k]) continue;
      is_allowed = is_allowed && may_train[k];
      value += problem.measurements.importance[k];
    }
    if (is_allowed) visit(value, mask);
  }
}

}  // namespace

std::optional<double> BestValueByTryingAll(const PlanProblem& problem, const Plan& plan) {
  std::optional<double> best;
  ForEachSelection(problem, [&](double value, const std::vector<bool>& mask) {
    if (best && value <= *best) return;
    const MaskCost cost = EvaluateMask(problem.profile, mask);
    if (problem.profile.forward_cost + cost.backward_cost > plan.budget) return;
    if (problem.options.budget.max_saved_bytes && cost.saved_bytes > *problem.options.budget.max_saved_bytes) return;
    best = value;
  });
  return best;
}

std::optional<double> BestValuePerCostByTryingAll(const PlanProblem& problem) {
  std::optional<double> best;
  ForEachSelection(problem, [&](double value, const std::vector<bool>& mask) {
    if (value <= 0) return;
    const int64_t cost = problem.profile.forward_cost + EvaluateMask(problem.profile, mask).backward_cost;
    const double ratio = value / static_cast<double>(std::max<int64_t>(1, cost));
    best = std::max(best.value_or(0), ratio);
  });
  return best;
}

}  // namespace greenplan
