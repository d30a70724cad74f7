#include "planner/core/joint/joint.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "planner/core/cost.h"
#include "planner/core/joint/joint_bound.h"
#include "planner/core/joint/joint_rates.h"
#include "planner/core/joint/scaled_profile.h"

namespace greenplan {
namespace {

constexpr int kMaxTurns = 8;
constexpr int kStartsFromBound = 6;

class JointSearch {
 public:
  JointSearch(const ModelProfile& profile, const JointProblem& problem, WorkMeter& meter)
      : profile_(profile), problem_(problem), meter_(meter), scaled_(profile) {}

  std::optional<JointResult> Run() {
    const SelectionProblem& selection = problem_.selection;
    std::vector<bool> pinned(selection.pins.size()), all(selection.pins.size());
    for (size_t k = 0; k < pinned.size(); ++k) {
      pinned[k] = selection.pins[k] == Pin::kAlways;
      all[k] = pinned[k] || (selection.pins[k] == Pin::kFree && (*selection.importance)[k] > 0);
    }
    if (!Offer(pinned)) return std::nullopt;
    TakeTurns(problem_.min_rates);
    double upper_bound = MostImportance();
    if (!meter_.stopped()) {
      if (std::optional<std::vector<double>> rates = Offer(all)) TakeTurns(*std::move(rates));
      JointBound bound(profile_, problem_, meter_);
      upper_bound = std::min(upper_bound, bound.Run());
      for (const std::vector<bool>& mask : bound.BestMasks(meter_.exhausted() ? 0 : kStartsFromBound)) {
        if (meter_.exhausted()) break;
        if (std::optional<std::vector<double>> rates = Offer(mask)) TakeTurns(*std::move(rates));
      }
    }
    best_->upper_bound = std::max(best_->value, upper_bound);
    return best_;
  }

 private:
  // Returns the importance of everything that may be selected, rounded up. This bound is finite even where prices times
  // costs leave the range of a double.
  double MostImportance() const {
    const std::vector<double>& importance = *problem_.selection.importance;
    double sum = 0;
    for (size_t k = 0; k < importance.size(); ++k) {
      if (problem_.selection.pins[k] != Pin::kNever) sum += std::max(0.0, importance[k]);
    }
    sum += 2 * static_cast<double>(importance.size()) * std::numeric_limits<double>::epsilon() * sum;
    return std::min(sum, std::numeric_limits<double>::max());
  }

  // Looks for the best mask for the rates and the best rates for the mask in turn, until neither helps.
  void TakeTurns(std::vector<double> rates) {
    double before = -std::numeric_limits<double>::infinity();
    // The first turn is taken even after a stop, because a selection can be had at once.
    for (int turn = 0; turn < kMaxTurns && (!has_turned_ || !meter_.exhausted()); ++turn) {
      has_turned_ = true;
      meter_.Spend(static_cast<int64_t>(profile_.ops.size() + profile_.tensors.size()));
      const ModelProfile& scaled = scaled_.At(RatesOfBlocks(problem_, rates));
      std::vector<double> importance = *problem_.selection.importance;
      std::vector<bool> pinned(importance.size());
      for (size_t k = 0; k < importance.size(); ++k) {
        const int group = GroupOf(profile_, problem_, profile_.tensors[k]);
        if (group != kNone) importance[k] *= 1 - rates[group];
        pinned[k] = problem_.selection.pins[k] == Pin::kAlways;
      }
      if (EvaluateMask(scaled, pinned).backward_cost > problem_.selection.backward_budget) return;
      SelectionProblem selection = problem_.selection;
      selection.importance = &importance;
      selection.work_limit /= 16;
      std::optional<std::vector<double>> next = Offer(SelectionSolver(scaled).Solve(selection, meter_).trainable);
      if (!next || last_value_ <= before) return;
      before = last_value_;
      rates = *std::move(next);
    }
  }

  // Returns the best rates for the mask, and makes the two the best result if they are. Nullopt if no rates keep the
  // limits.
  std::optional<std::vector<double>> Offer(const std::vector<bool>& mask) {
    std::optional<std::vector<double>> rates = BestRatesForMask(profile_, problem_, mask, meter_);
    if (!rates) return std::nullopt;
    last_value_ = JointValue(profile_, problem_, mask, *rates);
    if (!best_ || last_value_ > best_->value) best_ = JointResult{mask, *rates, last_value_, 0};
    return rates;
  }

  const ModelProfile& profile_;
  const JointProblem& problem_;
  WorkMeter& meter_;
  ScaledProfile scaled_;
  std::optional<JointResult> best_;
  double last_value_ = 0;  // Of the last mask offered.
  bool has_turned_ = false;
};

}  // namespace

std::optional<JointResult> SolveJoint(const ModelProfile& profile, const JointProblem& problem, WorkMeter& request) {
  WorkMeter meter(problem.work_limit, request);
  return JointSearch(profile, problem, meter).Run();
}

}  // namespace greenplan
