#include "planner/core/plan_problems.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "planner/core/cost.h"
#include "planner/core/exact_sum.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

// The most cells that the table of the downscaled program may have. More would take minutes.
constexpr int64_t kMostCells = int64_t{1} << 31;

struct RateBounds {
  std::vector<double> min_rates, max_rates;  // [num_blocks]
};

RateBounds RateBoundsOf(const PlanOptions& options, size_t num_blocks) {
  RateBounds bounds{.min_rates = std::vector<double>(num_blocks, options.min_drop_rate),
                    .max_rates = std::vector<double>(num_blocks, options.max_drop_rate)};
  for (const DropRateBounds& of_block : options.drop_rate_bounds) {
    bounds.min_rates[of_block.block] = of_block.min_drop_rate;
    bounds.max_rates[of_block.block] = of_block.max_drop_rate;
  }
  return bounds;
}

// Returns the cost that a mean drop rate has to skip, rounded up.
int64_t SkippedAtMeanRate(double rate, const std::vector<int64_t>& block_costs) {
  ExactSum skipped;
  skipped.AddProduct(rate, std::accumulate(block_costs.begin(), block_costs.end(), int64_t{0}));
  return skipped.Ceiling();
}

// Returns the sensitivity of each block. Dropping a block does no harm if nothing was measured.
std::vector<double> SensitivityOf(const Measurements& measurements, size_t num_blocks) {
  return measurements.sensitivity.empty() ? std::vector<double>(num_blocks, 0.0) : measurements.sensitivity;
}

// Returns kNever for the tensors that the loss does not reach, and kFree for the others.
std::vector<Pin> OwnPins(const ModelProfile& profile) {
  std::vector<Pin> pins(profile.tensors.size(), Pin::kFree);
  for (size_t k = 0; k < pins.size(); ++k) {
    if (profile.tensors[k].op == kNone) pins[k] = Pin::kNever;
  }
  return pins;
}

// Returns the error for a request that asks the downscaled program for `what`, which it cannot do.
absl::Status NotDownscaled(absl::string_view what) {
  return WithField(absl::UnimplementedError(absl::StrCat("algorithm is downscaled with ", what, "; allowed: exact")),
                   "algorithm");
}

}  // namespace

PlanProblems::PlanProblems(const ModelProfile& profile)
    : profile_(profile),
      own_pins_(OwnPins(profile)),
      full_backward_cost_(EvaluateMask(profile, FullMask(profile)).backward_cost) {}

int64_t PlanProblems::BudgetInCost(const Budget& budget) const {
  const auto share = [&](int64_t of) {
    return static_cast<int64_t>(std::floor(budget.fraction * static_cast<double>(of)));
  };
  switch (budget.kind) {
    case Budget::Kind::kFractionOfFull:
      return share(full_cost());
    case Budget::Kind::kFractionOfBackward:
      return profile_.forward_cost + share(full_backward_cost_);
    case Budget::Kind::kAbsolute:
      return budget.absolute;
    case Budget::Kind::kNone:
    case Budget::Kind::kMeanDropRate:
    case Budget::Kind::kBestValuePerCost:
      break;
  }
  return 0;
}

std::vector<int64_t> PlanProblems::BudgetsInCost(const PlanRequest& request, const std::vector<Budget>& budgets) const {
  std::vector<int64_t> in_cost;
  std::optional<CostByBlock> of_trained;  // Which takes milliseconds on a large graph.
  for (const Budget& budget : budgets) {
    if (budget.kind != Budget::Kind::kMeanDropRate) {
      in_cost.push_back(BudgetInCost(budget));
      continue;
    }
    if (!of_trained) {
      std::vector<bool> trained = FullMask(profile_);
      for (int k : request.options->never) trained[k] = false;
      of_trained = EvaluateMaskByBlock(profile_, trained);
    }
    in_cost.push_back(profile_.forward_cost + of_trained->total.backward_cost -
                      SkippedAtMeanRate(budget.fraction, of_trained->blocks));
  }
  return in_cost;
}

PlanLimits PlanProblems::Limits(const PlanRequest& request, const Budget& budget) const {
  const PlanOptions& options = *request.options;
  PlanLimits limits{.pins = SelectsTensors(options.method) ? Pins(request) : PinsOfAllButNever(options)};
  if (options.method == Method::kFull) return limits;
  const bool follows_from_plan =
      budget.kind == Budget::Kind::kMeanDropRate || budget.kind == Budget::Kind::kBestValuePerCost;
  if (!follows_from_plan) limits.budget = BudgetInCost(budget);
  limits.max_saved_bytes = budget.max_saved_bytes;
  if (!DropsBlocks(options.method)) return limits;
  RateBounds bounds = RateBoundsOf(options, profile_.blocks.size());
  limits.min_rates = std::move(bounds.min_rates);
  limits.max_rates = std::move(bounds.max_rates);
  return limits;
}

absl::StatusOr<SelectionProblem> PlanProblems::Selection(const PlanRequest& request, const Budget& budget) const {
  SelectionProblem problem = WithoutChecks(request, budget);
  if (request.options->algorithm == Algorithm::kDownscaled) {
    if (budget.max_saved_bytes) return NotDownscaled("budget.max_saved_bytes");
    const auto num_tensors = static_cast<int64_t>(profile_.tensors.size());
    if (num_tensors * request.options->resolution > kMostCells) {
      return WithField(absl::ResourceExhaustedError(
                           absl::StrCat("resolution is ", request.options->resolution, " with ", num_tensors,
                                        " tensors; allowed: a product of at most ", kMostCells)),
                       "resolution");
    }
    problem.resolution = request.options->resolution;
  }
  if (absl::Status status = CheckPins(problem, {problem.backward_budget}); !status.ok()) return status;
  return problem;
}

absl::StatusOr<SelectionProblem> PlanProblems::BestRatio(const PlanRequest& request, const Budget& budget) const {
  if (request.options->algorithm == Algorithm::kDownscaled) {
    return NotDownscaled("budget.best_value_per_cost");
  }
  if (budget.max_saved_bytes) {
    return WithField(absl::UnimplementedError(absl::StrCat(
                         "budget.max_saved_bytes is ", *budget.max_saved_bytes,
                         " with budget.best_value_per_cost; allowed: with a budget that is a share or a cost")),
                     "budget.max_saved_bytes");
  }
  return WithoutChecks(request, budget);
}

absl::StatusOr<SelectionProblem> PlanProblems::SelectionCurve(const PlanRequest& request,
                                                              const std::vector<int64_t>& backward_budgets) const {
  SelectionProblem problem = WithoutChecks(request, {});
  problem.backward_budget = backward_budgets.front();
  if (absl::Status status = CheckPins(problem, backward_budgets); !status.ok()) return status;
  return problem;
}

DropRateProblem PlanProblems::DropRates(const PlanRequest& request, const Budget& budget,
                                        const std::vector<bool>& trainable) const {
  const PlanOptions& options = *request.options;
  const size_t num_blocks = profile_.blocks.size();
  RateBounds bounds = RateBoundsOf(options, num_blocks);
  DropRateProblem problem;
  CostByBlock cost = EvaluateMaskByBlock(profile_, trainable);
  problem.block_costs = std::move(cost.blocks);
  problem.min_rates = std::move(bounds.min_rates);
  problem.max_rates = std::move(bounds.max_rates);
  const bool is_linear = options.drop_objective == DropObjective::kLinear;
  (is_linear ? problem.quadratic : problem.linear).assign(num_blocks, 0.0);
  (is_linear ? problem.linear : problem.quadratic) = SensitivityOf(*request.measurements, num_blocks);
  if (budget.kind == Budget::Kind::kMeanDropRate) {
    problem.required_skip = SkippedAtMeanRate(budget.fraction, problem.block_costs);
  } else {
    const int64_t backward_budget = BudgetInCost(budget) - profile_.forward_cost;
    problem.required_skip = cost.total.backward_cost - backward_budget;
  }
  return problem;
}

absl::StatusOr<JointProblem> PlanProblems::Joint(const PlanRequest& request, const Budget& budget) const {
  if (request.options->algorithm == Algorithm::kDownscaled) {
    return NotDownscaled("method joint");
  }
  const size_t num_blocks = profile_.blocks.size();
  RateBounds bounds = RateBoundsOf(*request.options, num_blocks);
  return JointProblem{.selection = WithoutChecks(request, budget),
                      .sensitivity = SensitivityOf(*request.measurements, num_blocks),
                      .min_rates = std::move(bounds.min_rates),
                      .max_rates = std::move(bounds.max_rates),
                      .mu = request.options->mu};
}

SelectionProblem PlanProblems::WithoutChecks(const PlanRequest& request, const Budget& budget) const {
  SelectionProblem problem;
  problem.importance = &request.measurements->importance;
  problem.pins = Pins(request);
  problem.backward_budget = BudgetInCost(budget) - profile_.forward_cost;
  problem.max_saved_bytes = budget.max_saved_bytes;
  return problem;
}

absl::Status PlanProblems::CheckPins(const SelectionProblem& problem,
                                     const std::vector<int64_t>& backward_budgets) const {
  if (std::find(problem.pins.begin(), problem.pins.end(), Pin::kAlways) == problem.pins.end()) return absl::OkStatus();
  std::vector<bool> pinned(problem.pins.size());
  for (size_t k = 0; k < pinned.size(); ++k) pinned[k] = problem.pins[k] == Pin::kAlways;
  const MaskCost cost = EvaluateMask(profile_, pinned);
  for (int64_t backward_budget : backward_budgets) {
    if (cost.backward_cost <= backward_budget) continue;
    return InvalidArgument("always", ": the pinned tensors alone cost ", profile_.forward_cost + cost.backward_cost,
                           " with the forward pass; the budget is ", profile_.forward_cost + backward_budget);
  }
  if (problem.max_saved_bytes && cost.saved_bytes > *problem.max_saved_bytes) {
    return InvalidArgument("always", ": the pinned tensors alone keep ", cost.saved_bytes,
                           " bytes for backward; max_saved_bytes is ", *problem.max_saved_bytes);
  }
  return absl::OkStatus();
}

std::vector<Pin> PlanProblems::Pins(const PlanRequest& request) const {
  std::vector<Pin> pins = own_pins_;
  for (int k : request.measurements->unmeasured) pins[k] = Pin::kNever;
  for (int k : request.options->always) pins[k] = Pin::kAlways;
  for (int k : request.options->never) pins[k] = Pin::kNever;
  return pins;
}

std::vector<Pin> PlanProblems::PinsOfAllButNever(const PlanOptions& options) const {
  std::vector<Pin> pins(profile_.tensors.size());
  for (size_t k = 0; k < pins.size(); ++k) {
    pins[k] = profile_.tensors[k].op == kNone ? Pin::kNever : Pin::kAlways;
  }
  for (int k : options.never) pins[k] = Pin::kNever;
  return pins;
}

}  // namespace greenplan
