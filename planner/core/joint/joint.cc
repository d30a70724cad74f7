#include "planner/core/joint/joint.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/status/statusor.h"
#include "planner/core/cost.h"
#include "planner/core/drop/drop_rates.h"
#include "planner/core/exact_sum.h"
#include "planner/core/joint/joint_bound.h"

namespace greenplan {
namespace {

constexpr int kMaxTurns = 8;
constexpr int kStartsFromBound = 6;

// What remains of `cost` when it is skipped at `rate`, rounded up.
int64_t Remaining(int64_t cost, double rate) {
  ExactSum skipped;
  skipped.AddProduct(rate, cost);
  return cost - skipped.Floor();
}

// The profile whose selection problem is that of the mask at given rates.
ModelProfile Scaled(const ModelProfile& profile, const std::vector<double>& rates) {
  ModelProfile scaled = profile;
  for (Op& op : scaled.ops) {
    if (op.block == kNone) continue;
    op.cost = Remaining(op.cost, rates[op.block]);
    for (Edge& edge : op.inputs) edge.cost = Remaining(edge.cost, rates[op.block]);
  }
  for (Tensor& tensor : scaled.tensors) {
    const int block = BlockOf(profile, tensor);
    if (block != kNone) tensor.weight_grad_cost = Remaining(tensor.weight_grad_cost, rates[block]);
  }
  return scaled;
}

class JointSearch {
 public:
  JointSearch(const ModelProfile& profile, const JointProblem& problem) : profile_(profile), problem_(problem) {}

  std::optional<JointResult> Run() {
    const SelectionProblem& selection = problem_.selection;
    std::vector<bool> pinned(selection.pins.size()), all(selection.pins.size());
    for (size_t k = 0; k < pinned.size(); ++k) {
      pinned[k] = selection.pins[k] == Pin::kAlways;
      all[k] = pinned[k] || (selection.pins[k] == Pin::kFree && (*selection.importance)[k] > 0);
    }
    if (!Offer(pinned)) return std::nullopt;
    TakeTurns(problem_.min_rates);
    if (std::optional<std::vector<double>> rates = Offer(all)) TakeTurns(*std::move(rates));
    JointBound bound(profile_, problem_);
    const double upper_bound = bound.Run();
    for (const std::vector<bool>& mask : bound.BestMasks(kStartsFromBound)) {
      if (IsStopped()) break;
      if (std::optional<std::vector<double>> rates = Offer(mask)) TakeTurns(*std::move(rates));
    }
    best_->upper_bound = std::max(best_->value, std::min(upper_bound, MostImportance()));
    return best_;
  }

 private:
  bool IsStopped() const { return problem_.selection.should_stop && problem_.selection.should_stop(); }

  // Of all tensors that may be selected, with what adding them up may be off: a bound that is finite even where prices
  // times costs leave a double's range.
  double MostImportance() const {
    const std::vector<double>& importance = *problem_.selection.importance;
    double sum = 0;
    for (size_t k = 0; k < importance.size(); ++k) {
      if (problem_.selection.pins[k] != Pin::kNever) sum += std::max(0.0, importance[k]);
    }
    sum += 2 * static_cast<double>(importance.size()) * std::numeric_limits<double>::epsilon() * sum;
    return std::min(sum, std::numeric_limits<double>::max());
  }

  // Mask for the rates, rates for the mask, until neither helps.
  void TakeTurns(std::vector<double> rates) {
    double before = -std::numeric_limits<double>::infinity();
    for (int turn = 0; turn < kMaxTurns && !IsStopped(); ++turn) {
      const ModelProfile scaled = Scaled(profile_, rates);
      std::vector<double> importance = *problem_.selection.importance;
      std::vector<bool> pinned(importance.size());
      for (size_t k = 0; k < importance.size(); ++k) {
        const int block = BlockOf(profile_, profile_.tensors[k]);
        if (block != kNone) importance[k] *= 1 - rates[block];
        pinned[k] = problem_.selection.pins[k] == Pin::kAlways;
      }
      if (EvaluateMask(scaled, pinned).backward_cost > problem_.selection.backward_budget) return;
      SelectionProblem selection = problem_.selection;
      selection.importance = &importance;
      selection.work_limit /= 16;
      std::optional<std::vector<double>> next = Offer(SelectionSolver(scaled).Solve(selection).trainable);
      if (!next || last_value_ <= before) return;
      before = last_value_;
      rates = *std::move(next);
    }
  }

  // Takes up the mask with its best rates if they keep the limits, and returns them.
  std::optional<std::vector<double>> Offer(const std::vector<bool>& mask) {
    const MaskCost cost = EvaluateMask(profile_, mask);
    if (cost.saved_bytes > problem_.selection.max_saved_bytes.value_or(cost.saved_bytes)) return std::nullopt;
    DropRateProblem rates;
    rates.block_costs = BlockCosts(profile_, mask);
    rates.min_rates = problem_.min_rates;
    rates.max_rates = problem_.max_rates;
    rates.required_skip = cost.backward_cost - problem_.selection.backward_budget;
    rates.linear.assign(rates.block_costs.size(), 0.0);
    for (double s : problem_.sensitivity) rates.quadratic.push_back(problem_.mu * s);
    for (size_t k = 0; k < mask.size(); ++k) {
      const int block = BlockOf(profile_, profile_.tensors[k]);
      if (mask[k] && block != kNone) rates.linear[block] += (*problem_.selection.importance)[k];
    }
    absl::StatusOr<DropRates> best = OptimalDropRates(rates);
    if (!best.ok()) return std::nullopt;
    last_value_ = JointValue(profile_, problem_, mask, best->rates);
    if (!best_ || last_value_ > best_->value) best_ = JointResult{mask, best->rates, last_value_, 0};
    return std::move(best->rates);
  }

  const ModelProfile& profile_;
  const JointProblem& problem_;
  std::optional<JointResult> best_;
  double last_value_ = 0;  // Of the last mask offered.
};

}  // namespace

double JointValue(const ModelProfile& profile, const JointProblem& problem, const std::vector<bool>& trainable,
                  const std::vector<double>& drop_rates) {
  double value = 0;
  for (size_t k = 0; k < trainable.size(); ++k) {
    if (!trainable[k]) continue;
    const int block = BlockOf(profile, profile.tensors[k]);
    value += (block == kNone ? 1.0 : 1.0 - drop_rates[block]) * (*problem.selection.importance)[k];
  }
  double harm = 0;
  for (size_t b = 0; b < drop_rates.size(); ++b) harm += problem.sensitivity[b] * drop_rates[b] * drop_rates[b];
  return value - problem.mu * harm;
}

std::optional<JointResult> SolveJoint(const ModelProfile& profile, const JointProblem& problem) {
  return JointSearch(profile, problem).Run();
}

}  // namespace greenplan
