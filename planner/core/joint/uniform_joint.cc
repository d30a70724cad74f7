#include "planner/core/joint/uniform_joint.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/cost.h"
#include "planner/core/drop/drop_rates.h"
#include "planner/core/joint/joint_bound.h"
#include "planner/core/joint/joint_rates.h"
#include "planner/core/joint/scaled_profile.h"

namespace greenplan {
namespace {

constexpr int kMostIntervals = 96;
// A selection that bounds an interval may take one part in so many of the work of a plan's selection.
constexpr int kSelectionShare = 16;
constexpr int kMasksFromBound = 2;
// Where an interval is split: the part next to the best rate known gets this share of its width.
constexpr double kShareNearBest = 1.0 / 32;
// A bound this close to the best value, relative to it, proves it the best.
constexpr double kTolerance = 1e-12;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Rates from `low` to `high`, and a number that no plan with such a rate is worth more than.
struct Interval {
  double low = 0;
  double high = 0;
  double bound = kInfinity;
  bool is_bounded = false;   // The bound is its own, not that of a larger interval.
  bool is_searched = false;  // joint.h has looked for masks in its piece.
  // Its piece: the widest interval around it within which no block's bound lies.
  double piece_low = 0;
  double piece_high = 0;

  bool operator<(const Interval& other) const { return bound < other.bound; }
};

class UniformJointSearch {
 public:
  UniformJointSearch(const ModelProfile& profile, const JointProblem& problem, WorkMeter& meter)
      : profile_(profile),
        problem_(problem),
        meter_(meter),
        pinned_(profile.tensors.size()),
        gains_(profile.blocks.size(), 0.0) {
    for (size_t k = 0; k < pinned_.size(); ++k) {
      const Pin pin = problem.selection.pins[k];
      const double importance = (*problem.selection.importance)[k];
      pinned_[k] = pin == Pin::kAlways;
      if (pin == Pin::kNever) continue;
      magnitude_ += std::abs(importance);
      const int block = GroupOf(profile, problem, profile.tensors[k]);
      (block == kNone ? gain_outside_ : gains_[block]) += std::max(0.0, importance);
    }
    for (size_t b = 0; b < problem.min_rates.size(); ++b) {
      if (problem.min_rates[b] == problem.max_rates[b]) continue;
      turns_.push_back(problem.min_rates[b]);
      turns_.push_back(problem.max_rates[b]);
    }
    std::sort(turns_.begin(), turns_.end());
    turns_.erase(std::unique(turns_.begin(), turns_.end()), turns_.end());
  }

  std::optional<JointResult> Run() {
    if (!StartFromPinned()) return std::nullopt;
    double upper_bound = -kInfinity;
    std::priority_queue<Interval> open;
    open.push(WholeInterval());
    for (int bounded = 0; !open.empty() && bounded < kMostIntervals;) {
      Interval interval = open.top();
      if (IsClosed(interval) || (has_searched_ && meter_.exhausted())) break;
      open.pop();
      if (const std::optional<double> turn = TurnWithin(interval)) {
        Split(interval, *turn, open);
      } else if (!interval.is_bounded) {
        ++bounded;
        BoundInterval(interval);
        open.push(interval);
      } else if (const std::optional<double> middle = MiddleOf(interval)) {
        Split(interval, *middle, open);
      } else {
        upper_bound = std::max(upper_bound, interval.bound);
      }
    }
    if (!open.empty()) upper_bound = std::max(upper_bound, open.top().bound);
    best_.upper_bound = std::max(best_.value, std::min(upper_bound, std::numeric_limits<double>::max()));
    return best_;
  }

 private:
  Interval WholeInterval() const {
    if (turns_.empty()) return {};
    return {.low = turns_.front(), .high = turns_.back(), .piece_low = turns_.front(), .piece_high = turns_.back()};
  }

  bool IsClosed(const Interval& interval) const {
    return interval.bound <= best_.value + kTolerance * std::abs(best_.value);
  }

  // The pinned tensors alone, at the lowest rate that they allow.
  bool StartFromPinned() {
    const std::optional<DropRateProblem> rates = RatesForMask(profile_, problem_, pinned_);
    if (!rates) return false;
    absl::StatusOr<DropRates> lowest = UniformDropRates(*rates, meter_);
    if (!lowest.ok()) return false;
    const double value = JointValue(profile_, problem_, pinned_, lowest->rates);
    best_ = {pinned_, std::move(lowest->rates), value, 0};
    best_rate_ = RateOf(best_.drop_rates);
    return true;
  }

  // Returns the middle one of the blocks' bounds that lie within the interval; nullopt if none does.
  std::optional<double> TurnWithin(const Interval& interval) const {
    const auto begin = std::upper_bound(turns_.begin(), turns_.end(), interval.low);
    const auto end = std::lower_bound(begin, turns_.end(), interval.high);
    if (begin >= end) return std::nullopt;
    return *(begin + (end - begin) / 2);
  }

  void Split(const Interval& interval, double at, std::priority_queue<Interval>& open) {
    const bool is_piece = interval.is_bounded;
    for (const auto& [low, high] : {std::pair{interval.low, at}, std::pair{at, interval.high}}) {
      Interval part = interval;
      part.low = low;
      part.high = high;
      part.is_bounded = false;
      if (!is_piece) {
        part.piece_low = low;
        part.piece_high = high;
        meter_.Spend(static_cast<int64_t>(problem_.min_rates.size()));
      }
      part.bound = std::min(part.bound, CoarseBound(low));
      open.push(part);
    }
  }

  // Returns where to split: next to the best rate known, because only narrow intervals have tight bounds. Nullopt if
  // the interval cannot be split any more.
  std::optional<double> MiddleOf(const Interval& interval) const {
    const double width = interval.high - interval.low;
    double at = best_rate_;
    if (at <= interval.low) at = interval.low + kShareNearBest * width;
    if (at >= interval.high) at = interval.high - kShareNearBest * width;
    if (at <= interval.low || at >= interval.high) return std::nullopt;
    return at;
  }

  std::vector<double> RatesAt(double rate) const {
    std::vector<double> rates(problem_.min_rates.size());
    for (size_t b = 0; b < rates.size(); ++b) {
      rates[b] = std::clamp(rate, problem_.min_rates[b], problem_.max_rates[b]);
    }
    return rates;
  }

  // The lowest rate that gives `rates` ([num_blocks]).
  double RateOf(const std::vector<double>& rates) const {
    double rate = turns_.empty() ? 0 : turns_.front();
    for (size_t b = 0; b < rates.size(); ++b) {
      if (rates[b] > problem_.min_rates[b]) rate = std::max(rate, rates[b]);
    }
    return rate;
  }

  // Returns a lower bound on the harm of dropping at the rate.
  double HarmAt(double rate) const {
    const std::vector<double> rates = RatesAt(rate);
    double harm = 0;
    for (size_t b = 0; b < rates.size(); ++b) harm += problem_.sensitivity[b] * rates[b] * rates[b];
    return problem_.mu * harm * (1 - Rounding(rates.size()));
  }

  // Returns how far the sum of `count` numbers may be off, relative to the sum of their magnitudes.
  static double Rounding(size_t count) {
    return 4 * static_cast<double>(count + 4) * std::numeric_limits<double>::epsilon();
  }

  // Returns a bound for all rates from `low` on: everything worth selecting, less the harm of the lowest rates.
  double CoarseBound(double low) const {
    const std::vector<double> rates = RatesAt(low);
    double gain = gain_outside_;
    for (size_t b = 0; b < rates.size(); ++b) gain += (1 - rates[b]) * gains_[b];
    return gain + magnitude_ * Rounding(pinned_.size() + rates.size()) - HarmAt(low);
  }

  // Returns the problem for rates in [low, high], within which no block's bound lies: the blocks that follow the rate
  // are one group, and the others keep their own rates.
  JointProblem GroupedProblem(double low, double high) const {
    JointProblem grouped{.selection = problem_.selection, .mu = problem_.mu};
    const double rounding = Rounding(problem_.min_rates.size());
    const auto add_group = [&](double min, double max) {
      grouped.sensitivity.push_back(0);
      grouped.min_rates.push_back(min);
      grouped.max_rates.push_back(max);
      return static_cast<int>(grouped.sensitivity.size()) - 1;
    };
    int following = kNone;
    for (size_t b = 0; b < problem_.min_rates.size(); ++b) {
      const double min = problem_.min_rates[b], max = problem_.max_rates[b];
      const bool follows = min < max && min <= low && high <= max;
      if (follows && following == kNone) following = add_group(low, high);
      const double rate = std::clamp(low, min, max);
      grouped.groups.push_back(follows ? following : add_group(rate, rate));
      // A sum that is rounded up would make the bound too low.
      grouped.sensitivity[grouped.groups.back()] += problem_.sensitivity[b] * (1 - rounding);
    }
    return grouped;
  }

  // Narrows the interval's bound and takes up the masks that come near it.
  void BoundInterval(Interval& interval) {
    interval.is_bounded = true;
    const JointProblem piece = GroupedProblem(interval.piece_low, interval.piece_high);
    if (!interval.is_searched) {
      interval.is_searched = has_searched_ = true;
      WorkMeter share(meter_.left() / 2, meter_);
      std::optional<JointResult> found = SolveJoint(profile_, piece, share);
      if (!found) {
        interval.bound = -kInfinity;  // Not even the pinned tensors keep the budget.
        return;
      }
      interval.bound = std::min(interval.bound, found->upper_bound);
      TakeUp(piece, found->trainable, found->drop_rates);
    } else {
      const JointProblem part = GroupedProblem(interval.low, interval.high);
      JointBound bound(profile_, part, meter_);
      interval.bound = std::min(interval.bound, bound.Run());
      for (const std::vector<bool>& mask : bound.BestMasks(meter_.stopped() ? 0 : kMasksFromBound)) {
        Offer(piece, mask);
      }
    }
    if (!meter_.exhausted() && !IsClosed(interval)) BoundBySelection(piece, interval);
  }

  // A mask that keeps the budget at a rate within the interval keeps it at the highest, and is worth no more than at
  // the lowest; pinned tensors of negative importance harm least at the highest.
  void BoundBySelection(const JointProblem& piece, Interval& interval) {
    const std::vector<double> low = RatesAt(interval.low), high = RatesAt(interval.high);
    const int shift = ScaledProfile::LargestShift(profile_);
    ScaledProfile scaled(profile_, ScaledProfile::Rounding::kDown, shift);
    const ModelProfile& relaxed = scaled.At(high);
    meter_.Spend(static_cast<int64_t>(profile_.ops.size() + profile_.tensors.size()));
    std::vector<double> importance = *problem_.selection.importance;
    for (size_t k = 0; k < importance.size(); ++k) {
      const int block = GroupOf(profile_, problem_, profile_.tensors[k]);
      if (block != kNone) importance[k] *= 1 - (importance[k] > 0 ? low : high)[block];
    }
    const int64_t full = EvaluateMask(profile_, FullMask(profile_)).backward_cost;
    SelectionProblem selection = problem_.selection;
    selection.importance = &importance;
    selection.backward_budget = std::min(selection.backward_budget, full) << shift;
    selection.work_limit /= kSelectionShare;
    if (EvaluateMask(relaxed, pinned_).backward_cost > selection.backward_budget) {
      interval.bound = -kInfinity;
      return;
    }
    const SelectionResult result = SelectionSolver(relaxed).Solve(selection, meter_);
    Offer(piece, result.trainable);
    const double bound = (result.proved ? SelectionValue(result.trainable, importance) : result.upper_bound) +
                         Rounding(importance.size()) * magnitude_ - HarmAt(interval.low);
    interval.bound = std::min(interval.bound, bound);
  }

  // Takes up the mask at its best rate within the piece, if it has one.
  void Offer(const JointProblem& piece, const std::vector<bool>& mask) {
    const std::optional<std::vector<double>> rates = BestRatesForMask(profile_, piece, mask, meter_);
    if (rates) TakeUp(piece, mask, *rates);
  }

  void TakeUp(const JointProblem& piece, const std::vector<bool>& mask, const std::vector<double>& group_rates) {
    std::vector<double> rates = RatesOfBlocks(piece, group_rates);
    const double value = JointValue(profile_, problem_, mask, rates);
    if (value <= best_.value) return;
    best_rate_ = RateOf(rates);
    best_ = {mask, std::move(rates), value, 0};
  }

  const ModelProfile& profile_;
  const JointProblem& problem_;
  WorkMeter& meter_;
  std::vector<bool> pinned_;  // [num_tensors]
  // What is worth selecting, in each block ([num_blocks]) and outside all.
  std::vector<double> gains_;
  double gain_outside_ = 0;
  double magnitude_ = 0;       // The sum of the importance, without signs, of all tensors that may be selected.
  std::vector<double> turns_;  // The blocks' bounds on their rates, each once, in ascending order.
  JointResult best_;
  double best_rate_ = 0;
  bool has_searched_ = false;
};

}  // namespace

std::optional<JointResult> SolveUniformJoint(const ModelProfile& profile, const JointProblem& problem,
                                             WorkMeter& request) {
  WorkMeter meter(problem.work_limit, request);
  return UniformJointSearch(profile, problem, meter).Run();
}

}  // namespace greenplan
