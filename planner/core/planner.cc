#include "planner/core/planner.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/core/cost.h"
#include "planner/core/dead_ends.h"
#include "planner/core/drop/drop_rates.h"
#include "planner/core/invalid_argument.h"
#include "planner/core/joint/joint.h"
#include "planner/core/joint/joint_rates.h"
#include "planner/core/joint/uniform_joint.h"
#include "planner/core/plan_check.h"
#include "planner/core/plan_problems.h"
#include "planner/core/plan_writer.h"
#include "planner/core/selection/selection.h"
#include "planner/core/work_meter.h"

namespace greenplan {
namespace {

// The most bytes that planning for one request may hold at a time.
constexpr int64_t kMostBytes = int64_t{256} << 20;
// The most bytes that the plans of a curve may hold together. Sending them takes as much again.
constexpr int64_t kMostCurveBytes = int64_t{64} << 20;
// The points of a curve may take the work of so many plans together.
constexpr int64_t kPlansOfACurve = 64;
// Where they share most of their work, each may take 1/64 of a plan's at most.
constexpr int64_t kLeastPartOfSharedWork = 64;
// The ops, edges and tensors that the points of a curve may look at together. Each look takes a few nanoseconds.
constexpr int64_t kMostLooks = int64_t{1} << 32;
// The gap that rounding alone may leave, relative to the value.
constexpr double kDropTolerance = 1e-9;
constexpr double kJointTolerance = 1e-11;

// Returns whether one rate for all blocks, clamped to each block's bounds, gives `rates`.
bool IsUniform(const std::vector<double>& rates, const PlanLimits& limits) {
  if (rates.size() != limits.min_rates.size()) return false;
  double least = 0, most = 1;
  for (size_t b = 0; b < rates.size(); ++b) {
    if (rates[b] > limits.min_rates[b]) least = std::max(least, rates[b]);
    if (rates[b] < limits.max_rates[b]) most = std::min(most, rates[b]);
  }
  return least <= most;
}

// Returns in how many parts a plan's work is divided, of which each point of a curve may take one.
int64_t PartsOfWork(size_t num_points) {
  return std::max<int64_t>(1, (static_cast<int64_t>(num_points) + kPlansOfACurve - 1) / kPlansOfACurve);
}

void TakePartOfWork(int64_t parts, SelectionProblem& problem) {
  problem.work_limit /= parts;
  problem.downscaled_work_limit /= parts;
}

}  // namespace

class Planner::Impl {
 public:
  explicit Impl(std::shared_ptr<const ModelProfile> profile)
      : profile_(std::move(profile)),
        solved_(WithoutDeadEnds(profile_)),
        problems_(*profile_),
        writer_(*profile_, problems_.full_cost()),
        selection_(*solved_) {}

  const ModelProfile& profile() const { return *profile_; }
  size_t MemoryBytes() const { return selection_.MemoryBytes(); }

  // No plan leaves this class but through here and MakeShared, which check it. The plan may take one part of a plan's
  // work in `parts`.
  absl::StatusOr<Plan> MakePlan(const PlanRequest& request, const Budget& budget, int64_t parts,
                                WorkMeter& meter) const {
    const PlanLimits limits = problems_.Limits(request, budget);
    return Checked(MakeUnchecked(request, budget, limits, parts, meter), limits);
  }

  // What MakePlan finds out before it searches, for measurements of 0.
  absl::Status CheckOptions(const PlanOptions& options, WorkMeter& meter) const {
    const Measurements nothing{.importance = std::vector<double>(profile_->tensors.size())};
    const PlanRequest request{.measurements = &nothing, .options = &options};
    switch (options.method) {
      case Method::kFull:
        return absl::OkStatus();
      case Method::kSelection:
        return options.budget.kind == Budget::Kind::kBestValuePerCost
                   ? problems_.BestRatio(request, options.budget).status()
                   : problems_.Selection(request, options.budget).status();
      case Method::kDrop:
        return DropPlan(request, options.budget, problems_.Limits(request, options.budget), meter).status();
      case Method::kJoint:
        return CheckJointPins(request, meter);
    }
    return absl::InternalError("unknown method");
  }

  absl::StatusOr<std::vector<Plan>> MakeCurve(const PlanRequest& request, const std::vector<Budget>& budgets,
                                              WorkMeter& meter) const {
    if (absl::Status status = CheckCurveSize(budgets.size()); !status.ok()) return status;
    const bool shares_work = request.options->method == Method::kSelection &&
                             request.options->algorithm == Algorithm::kExact && request.previous == nullptr;
    const int64_t parts = PartsOfWork(budgets.size());
    std::vector<Plan> plans(budgets.size());
    // Points that share their work, and points that a stop has left open, by index. All others are planned at once.
    std::vector<size_t> shared, left;
    std::optional<Plan> best_ratio;  // The same for all points that ask for it.
    for (size_t i = 0; i < budgets.size(); ++i) {
      if (budgets[i].kind == Budget::Kind::kBestValuePerCost) {
        if (!best_ratio) {
          absl::StatusOr<Plan> plan = MakePlan(request, budgets[i], parts, meter);
          if (!plan.ok()) return plan.status();
          best_ratio = *std::move(plan);
        }
        plans[i] = *best_ratio;
      } else if (shares_work && !budgets[i].max_saved_bytes) {
        shared.push_back(i);
      } else if (meter.stopped()) {
        left.push_back(i);
      } else {
        absl::StatusOr<Plan> plan = MakePlan(request, budgets[i], parts, meter);
        if (!plan.ok()) return plan.status();
        plans[i] = *std::move(plan);
      }
    }
    if (absl::Status status = MakeAfterStop(request, budgets, left, meter, plans); !status.ok()) return status;
    if (absl::Status status = MakeShared(request, budgets, shared, meter, plans); !status.ok()) return status;
    return plans;
  }

 private:
  absl::Status CheckCurveSize(size_t num_budgets) const {
    const auto refusal = [&](int64_t most, const auto&... why) {
      return WithField(absl::ResourceExhaustedError(
                           absl::StrCat("budgets has ", num_budgets, " entries; allowed: at most ", most, why...)),
                       "budgets");
    };
    const auto num_points = static_cast<int64_t>(num_budgets);
    const auto bytes_per_plan =
        static_cast<int64_t>(sizeof(Plan) + profile_->tensors.size() / 8 + sizeof(double) * profile_->blocks.size());
    if (num_points > kMostCurveBytes / bytes_per_plan) {
      return refusal(kMostCurveBytes / bytes_per_plan, " for ", profile_->tensors.size(), " tensors and ",
                     profile_->blocks.size(), " blocks, whose plans take ", kMostCurveBytes, " bytes");
    }
    size_t num_edges = 0;
    for (const Op& op : profile_->ops) num_edges += op.inputs.size();
    const auto profile_size =
        static_cast<int64_t>(std::max<size_t>(1, profile_->ops.size() + num_edges + profile_->tensors.size()));
    if (num_points <= kMostLooks / profile_size) return absl::OkStatus();
    return refusal(kMostLooks / profile_size, " for ", profile_size, " ops, edges and tensors");
  }

  // Makes the points of a selection's curve without a second limit, which share work.
  absl::Status MakeShared(const PlanRequest& request, const std::vector<Budget>& budgets,
                          const std::vector<size_t>& points, WorkMeter& meter, std::vector<Plan>& plans) const {
    if (points.empty()) return absl::OkStatus();
    std::vector<int64_t> backward_budgets;
    for (size_t i : points) {
      backward_budgets.push_back(problems_.BudgetInCost(budgets[i]) - profile_->forward_cost);
    }
    absl::StatusOr<SelectionProblem> problem = problems_.SelectionCurve(request, backward_budgets);
    if (!problem.ok()) return problem.status();
    TakePartOfWork(std::max(kLeastPartOfSharedWork, PartsOfWork(budgets.size())), *problem);
    PlanLimits limits = problems_.Limits(request, budgets[points.front()]);
    PlanWriter::EmptyPlanCache cache;
    SelectionProblem lowest = *problem;
    absl::Status status;
    selection_.SolveCurve(*problem, backward_budgets, meter, [&](SelectionResult result, const std::vector<int>& of) {
      // The lowest budget, whose plan keeps the others too, comes last.
      lowest.backward_budget = backward_budgets[of.back()];
      const Plan plan = writer_.Selection(*request.options, lowest, std::move(result), meter, cache);
      for (int i : of) {
        Plan& copy = plans[points[i]] = plan;
        limits.budget = copy.budget = problems_.BudgetInCost(budgets[points[i]]);
        status.Update(CheckPlan(*profile_, limits, copy, i != of.front()));
      }
    });
    return status;
  }

  // Makes the points that a stop has left open. A plan keeps every budget above its own, and after a stop its bound
  // does not depend on the budget, so a few plans serve all points.
  absl::Status MakeAfterStop(const PlanRequest& request, const std::vector<Budget>& budgets, std::vector<size_t> points,
                             WorkMeter& meter, std::vector<Plan>& plans) const {
    if (points.empty()) return absl::OkStatus();
    const std::vector<int64_t> costs = problems_.BudgetsInCost(request, budgets);
    std::stable_sort(points.begin(), points.end(), [&](size_t a, size_t b) { return costs[a] < costs[b]; });
    const size_t at_a_time = points.size() / PlansAfterStop(*profile_) + 1;
    const Plan* shared = nullptr;
    for (size_t i = 0; i < points.size(); ++i) {
      Plan& plan = plans[points[i]];
      const std::optional<int64_t>& max_bytes = budgets[points[i]].max_saved_bytes;
      const bool is_served = i % at_a_time != 0 && (!max_bytes || shared->saved_bytes <= *max_bytes) &&
                             (shared->status == PlanStatus::kEmpty) == (costs[points[i]] < profile_->forward_cost);
      if (is_served) {
        plan = *shared;
        plan.budget = costs[points[i]];
        PlanLimits limits{.budget = plan.budget, .max_saved_bytes = max_bytes};
        if (absl::Status status = CheckPlan(*profile_, limits, plan, true); !status.ok()) return status;
        continue;
      }
      absl::StatusOr<Plan> own = MakePlan(request, budgets[points[i]], PartsOfWork(budgets.size()), meter);
      if (!own.ok()) return own.status();
      plan = *std::move(own);
      shared = &plan;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Plan> MakeUnchecked(const PlanRequest& request, const Budget& budget, const PlanLimits& limits,
                                     int64_t parts, WorkMeter& meter) const {
    switch (request.options->method) {
      case Method::kFull:
        return FullPlan(*request.options);
      case Method::kSelection:
        return SelectionPlan(request, budget, limits, parts, meter);
      case Method::kDrop:
        return DropPlan(request, budget, limits, meter);
      case Method::kJoint:
        return JointPlan(request, budget, limits, parts, meter);
    }
    return absl::InternalError("unknown method");
  }

  absl::StatusOr<Plan> Checked(absl::StatusOr<Plan> plan, const PlanLimits& limits) const {
    if (!plan.ok()) return plan;
    if (absl::Status status = CheckPlan(*profile_, limits, *plan); !status.ok()) return status;
    return plan;
  }

  // Returns the mask of what methods full and drop train.
  std::vector<bool> AllButNever(const PlanOptions& options) const {
    std::vector<bool> trainable = FullMask(*profile_);
    for (int k : options.never) trainable[k] = false;
    return trainable;
  }

  Plan FullPlan(const PlanOptions& options) const {
    Plan plan = writer_.Describe(AllButNever(options), options, 0);
    plan.status = PlanStatus::kOptimal;
    if (TrainsNothing(plan)) {
      plan.status = PlanStatus::kEmpty;
      plan.message = "no tensor may train: never names every tensor that the loss reaches";
    }
    return plan;
  }

  absl::StatusOr<Plan> SelectionPlan(const PlanRequest& request, const Budget& budget, const PlanLimits& limits,
                                     int64_t parts, WorkMeter& meter) const {
    const bool is_ratio = budget.kind == Budget::Kind::kBestValuePerCost;
    absl::StatusOr<SelectionProblem> problem =
        is_ratio ? problems_.BestRatio(request, budget) : problems_.Selection(request, budget);
    if (!problem.ok()) return problem.status();
    TakePartOfWork(parts, *problem);
    PlanWriter::EmptyPlanCache cache;
    Plan plan = is_ratio
                    ? writer_.BestRatio(*request.options, *problem,
                                        selection_.SolveBestRatio(*problem, profile_->forward_cost, meter), meter)
                    : writer_.Selection(*request.options, *problem, selection_.Solve(*problem, meter), meter, cache);
    if (plan.status == PlanStatus::kEmpty) return plan;
    return writer_.KeepPrevious(request, limits, std::move(plan), [&](const Plan& previous) {
      return SelectionValue(previous.trainable, *problem->importance);
    });
  }

  // REQUIRES: the budget is of the method's kind.
  absl::StatusOr<Plan> DropPlan(const PlanRequest& request, const Budget& budget, const PlanLimits& limits,
                                WorkMeter& meter) const {
    const PlanOptions& options = *request.options;
    Plan plan = writer_.Describe(AllButNever(options), options, 0);
    const DropRateProblem problem = problems_.DropRates(request, budget, plan.trainable);
    plan.budget = plan.predicted_cost - problem.required_skip;
    if (TrainsNothing(plan)) {
      plan.drop_rates = problem.min_rates;
      plan.message = "no tensor may train: never names every tensor that the loss reaches";
      return plan;
    }
    if (budget.max_saved_bytes && plan.saved_bytes > *budget.max_saved_bytes) {
      return InvalidArgument("budget.max_saved_bytes", " is ", *budget.max_saved_bytes,
                             "; what method drop trains keeps ", plan.saved_bytes, " bytes");
    }
    const bool is_uniform = options.allocation == Allocation::kUniform;
    absl::StatusOr<DropRates> rates = is_uniform ? UniformDropRates(problem, meter) : OptimalDropRates(problem, meter);
    if (!rates.ok()) {
      return WithField(
          absl::InvalidArgumentError(absl::StrCat(rates.status().message(), "; the budget is ", plan.budget)),
          "budget");
    }
    writer_.SetRates(std::move(rates->rates), plan);
    PlanWriter::SetValue(0 - rates->harm, 0 - rates->lower_bound, kDropTolerance, plan);
    if (plan.status == PlanStatus::kFeasible) {
      plan.message = meter.stopped()
                         ? "stopped before the proof"
                         : "rounding keeps the proof open: upper_bound says how far the rates may be from the optimum";
    }
    if (is_uniform && request.previous != nullptr && !IsUniform(request.previous->drop_rates, limits)) return plan;
    return writer_.KeepPrevious(request, limits, std::move(plan),
                                [&](const Plan& previous) { return 0 - HarmOf(problem, previous.drop_rates); });
  }

  absl::StatusOr<Plan> JointPlan(const PlanRequest& request, const Budget& budget, const PlanLimits& limits,
                                 int64_t parts, WorkMeter& meter) const {
    const PlanOptions& options = *request.options;
    absl::StatusOr<JointProblem> problem = problems_.Joint(request, budget);
    if (!problem.ok()) return problem.status();
    problem->work_limit /= parts;
    PlanWriter::EmptyPlanCache cache;
    if (problem->selection.backward_budget < 0 && options.always.empty()) {
      Plan plan = writer_.Nothing(options, problem->selection, meter, cache);
      plan.drop_rates = problem->min_rates;
      return plan;
    }
    const int64_t budget_in_cost = *limits.budget;
    const bool is_uniform = options.allocation == Allocation::kUniform;
    std::optional<JointResult> found =
        is_uniform ? SolveUniformJoint(*solved_, *problem, meter) : SolveJoint(*solved_, *problem, meter);
    if (!found) return PinsExceed(budget_in_cost);
    Plan plan = writer_.Describe(std::move(found->trainable), std::move(found->drop_rates), options, budget_in_cost);
    // An empty plan after a stop does not say that nothing fits.
    if (options.always.empty() && TrainsNothing(plan) && !meter.stopped()) {
      Plan empty = writer_.Nothing(options, problem->selection, meter, cache);
      writer_.SetRates(std::move(plan.drop_rates), empty);
      empty.value = found->value;
      empty.upper_bound = found->upper_bound;
      return empty;
    }
    PlanWriter::SetValue(found->value, found->upper_bound, kJointTolerance, plan);
    if (plan.status == PlanStatus::kFeasible) {
      plan.message = "the best of several starts; upper_bound says how far it may be from the optimum";
    }
    if (is_uniform && request.previous != nullptr && !IsUniform(request.previous->drop_rates, limits)) return plan;
    return writer_.KeepPrevious(request, limits, std::move(plan), [&](const Plan& previous) {
      return JointValue(*profile_, *problem, previous.trainable, previous.drop_rates);
    });
  }

  static absl::Status PinsExceed(int64_t budget_in_cost) {
    return InvalidArgument("always", ": the pinned tensors alone exceed the budget ", budget_in_cost,
                           " or max_saved_bytes at max_drop_rate");
  }

  // Rates that are uniform reach the highest ones too.
  absl::Status CheckJointPins(const PlanRequest& request, WorkMeter& meter) const {
    const PlanOptions& options = *request.options;
    const absl::StatusOr<JointProblem> problem = problems_.Joint(request, options.budget);
    if (!problem.ok()) return problem.status();
    if (options.always.empty()) return absl::OkStatus();
    std::vector<bool> pinned(profile_->tensors.size());
    for (int k : options.always) pinned[k] = true;
    if (BestRatesForMask(*profile_, *problem, pinned, meter).has_value()) return absl::OkStatus();
    return PinsExceed(problems_.BudgetInCost(options.budget));
  }

  const std::shared_ptr<const ModelProfile> profile_;
  const std::shared_ptr<const ModelProfile> solved_;  // What the solvers look at: without dead ends.
  const PlanProblems problems_;
  const PlanWriter writer_;
  const SelectionSolver selection_;
};

Planner::Planner(std::shared_ptr<const ModelProfile> profile) : impl_(std::make_unique<Impl>(std::move(profile))) {}
Planner::~Planner() = default;

const ModelProfile& Planner::profile() const { return impl_->profile(); }

absl::StatusOr<Plan> Planner::MakePlan(const PlanRequest& request) const {
  WorkMeter meter(WorkMeter::kNoLimit, request.should_stop, kMostBytes);
  return impl_->MakePlan(request, request.options->budget, /*parts=*/1, meter);
}

absl::Status Planner::CheckOptions(const PlanOptions& options) const {
  const StopFunction never;
  WorkMeter meter(WorkMeter::kNoLimit, never, kMostBytes);
  return impl_->CheckOptions(options, meter);
}

absl::StatusOr<std::vector<Plan>> Planner::MakeCurve(const PlanRequest& request,
                                                     const std::vector<Budget>& budgets) const {
  WorkMeter meter(WorkMeter::kNoLimit, request.should_stop, kMostBytes);
  return impl_->MakeCurve(request, budgets, meter);
}

size_t Planner::MemoryBytes() const { return impl_->MemoryBytes(); }

}  // namespace greenplan
