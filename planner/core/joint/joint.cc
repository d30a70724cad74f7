#include "planner/core/joint/joint.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/status/statusor.h"
#include "planner/core/cost.h"
#include "planner/core/drop/drop_rates.h"
#include "planner/core/joint/joint_bound.h"

namespace greenplan {
namespace {

constexpr int kMaxTurns = 8;
constexpr int kStartsFromBound = 6;

// All that SolveJoint may take: several seconds.
constexpr int64_t kWork = int64_t{1} << 30;

// What remains of `cost` when it is skipped at `rate`, rounded up: cost - floor(rate * cost), without rounding.
int64_t Remaining(int64_t cost, double rate) {
  // rate = mantissa * 2^exponent, exponent <= -52, and mantissa * cost < 2^116.
  int exponent = 0;
  const auto mantissa = static_cast<unsigned __int128>(std::ldexp(std::frexp(rate, &exponent), 53));
  exponent -= 53;
  if (exponent < -120) return cost;
  return cost - static_cast<int64_t>((mantissa * static_cast<uint64_t>(cost)) >> -exponent);
}

// The profile whose selection problem is that of the mask at given rates. One copy serves all rates but 0.
class ScaledProfile {
 public:
  // `profile` must outlive this.
  explicit ScaledProfile(const ModelProfile& profile) : profile_(profile) {}

  // Valid up to the next call.
  const ModelProfile& At(const std::vector<double>& rates) {
    if (std::all_of(rates.begin(), rates.end(), [](double rate) { return rate == 0; })) return profile_;
    if (scaled_.ops.empty()) CopyCosts();
    for (size_t j = 0; j < profile_.ops.size(); ++j) {
      const Op& op = profile_.ops[j];
      if (op.block == kNone) continue;
      const double rate = rates[op.block];
      scaled_.ops[j].cost = Remaining(op.cost, rate);
      for (size_t e = 0; e < op.inputs.size(); ++e) {
        scaled_.ops[j].inputs[e].cost = Remaining(op.inputs[e].cost, rate);
      }
    }
    for (size_t k = 0; k < profile_.tensors.size(); ++k) {
      const Tensor& tensor = profile_.tensors[k];
      const int block = BlockOf(profile_, tensor);
      if (block != kNone) scaled_.tensors[k].weight_grad_cost = Remaining(tensor.weight_grad_cost, rates[block]);
    }
    return scaled_;
  }

 private:
  void CopyCosts() {
    scaled_.forward_cost = profile_.forward_cost;
    scaled_.blocks.resize(profile_.blocks.size());
    scaled_.ops.reserve(profile_.ops.size());
    for (const Op& op : profile_.ops) {
      scaled_.ops.push_back({.cost = op.cost, .inputs = op.inputs, .block = op.block, .saved_bytes = op.saved_bytes});
    }
    scaled_.tensors.reserve(profile_.tensors.size());
    for (const Tensor& tensor : profile_.tensors) {
      scaled_.tensors.push_back(
          {.op = tensor.op, .weight_grad_cost = tensor.weight_grad_cost, .saved_bytes = tensor.saved_bytes});
    }
  }

  const ModelProfile& profile_;
  ModelProfile scaled_;  // Without names and shapes; empty until it is needed.
};

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
      for (const std::vector<bool>& mask : bound.BestMasks(kStartsFromBound)) {
        if (meter_.exhausted()) break;
        if (std::optional<std::vector<double>> rates = Offer(mask)) TakeTurns(*std::move(rates));
      }
    }
    best_->upper_bound = std::max(best_->value, upper_bound);
    return best_;
  }

 private:
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
    // Once even after a stop: a selection can be had at once.
    for (int turn = 0; turn < kMaxTurns && (!has_turned_ || !meter_.exhausted()); ++turn) {
      has_turned_ = true;
      meter_.Spend(static_cast<int64_t>(profile_.ops.size() + profile_.tensors.size()));
      const ModelProfile& scaled = scaled_.At(rates);
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
      std::optional<std::vector<double>> next = Offer(SelectionSolver(scaled).Solve(selection, meter_).trainable);
      if (!next || last_value_ <= before) return;
      before = last_value_;
      rates = *std::move(next);
    }
  }

  // Takes up the mask with its best rates if they keep the limits, and returns them.
  std::optional<std::vector<double>> Offer(const std::vector<bool>& mask) {
    CostByBlock cost = EvaluateMaskByBlock(profile_, mask);
    if (cost.total.saved_bytes > problem_.selection.max_saved_bytes.value_or(cost.total.saved_bytes)) {
      return std::nullopt;
    }
    DropRateProblem rates;
    rates.block_costs = std::move(cost.blocks);
    rates.min_rates = problem_.min_rates;
    rates.max_rates = problem_.max_rates;
    rates.required_skip = cost.total.backward_cost - problem_.selection.backward_budget;
    rates.linear.assign(rates.block_costs.size(), 0.0);
    for (double s : problem_.sensitivity) rates.quadratic.push_back(problem_.mu * s);
    for (size_t k = 0; k < mask.size(); ++k) {
      const int block = BlockOf(profile_, profile_.tensors[k]);
      if (mask[k] && block != kNone) rates.linear[block] += (*problem_.selection.importance)[k];
    }
    absl::StatusOr<DropRates> best = OptimalDropRates(rates, meter_);
    if (!best.ok()) return std::nullopt;
    last_value_ = JointValue(profile_, problem_, mask, best->rates);
    if (!best_ || last_value_ > best_->value) best_ = JointResult{mask, best->rates, last_value_, 0};
    return std::move(best->rates);
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

std::optional<JointResult> SolveJoint(const ModelProfile& profile, const JointProblem& problem, WorkMeter& request) {
  WorkMeter meter(kWork, request);
  return JointSearch(profile, problem, meter).Run();
}

}  // namespace greenplan
