#include "planner/core/joint.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/status/statusor.h"
#include "planner/core/cost.h"
#include "planner/core/drop_rates.h"
#include "planner/core/exact_sum.h"
#include "planner/core/live_sets.h"

namespace greenplan {
namespace {

constexpr int kPrices = 96;
constexpr int kMaxTurns = 8;
constexpr int kStartsFromBound = 6;

int BlockOf(const ModelProfile& profile, const Tensor& tensor) {
  return tensor.op == kNone ? kNone : profile.ops[tensor.op].block;
}

// The bound of every live set, and the masks that reach it at its price.
class JointBound {
 public:
  JointBound(const ModelProfile& profile, const JointProblem& problem)
      : profile_(profile),
        problem_(problem),
        importance_(*problem.selection.importance),
        num_blocks_(static_cast<int>(profile.blocks.size())),
        gains_(num_blocks_ + 1, 0.0) {
    const std::vector<Pin>& pins = problem.selection.pins;
    pinned_.resize(pins.size());
    std::vector<bool> excluded(pins.size());
    for (size_t k = 0; k < pins.size(); ++k) {
      pinned_[k] = pins[k] == Pin::kAlways;
      excluded[k] = pins[k] != Pin::kFree || importance_[k] <= 0;
    }
    tree_ = BuildLiveSets(profile, LiveOps(profile, pinned_), excluded, {.use_blocks = true});
    bounds_.assign(tree_.nodes.size(), {std::numeric_limits<double>::infinity(), 0});
  }

  struct NodeBound {
    double bound;
    double price;  // Of cost: the one that gives the bound.
  };

  // The bound on all live sets, at prices between those that matter.
  double Run() {
    double low = std::numeric_limits<double>::infinity(), high = 0, total = 0;
    for (const LiveSetTree::Item& item : tree_.items) {
      const auto look_at = [&](double value, int64_t cost) {
        total += value;
        if (cost <= 0 || value <= 0) return;
        low = std::min(low, value / static_cast<double>(cost));
        high = std::max(high, value / static_cast<double>(cost));
      };
      if (item.bundle == kNone) look_at(importance_[item.tensor], item.cost);
      if (item.bundle != kNone) {
        for (const auto& option : tree_.bundles[item.bundle].options) look_at(ValueOf(item, option), option.cost);
      }
    }
    SweepAt(0);
    if (high > 0) {
      low = std::min(low, total / std::max(1.0, static_cast<double>(problem_.selection.backward_budget))) / 64;
      for (int i = 0; i <= kPrices; ++i) SweepAt(low * std::pow(high / low, static_cast<double>(i) / kPrices));
      Refine();
    }
    double bound = -std::numeric_limits<double>::infinity();
    for (const NodeBound& node : bounds_) bound = std::max(bound, node.bound);
    return bound;
  }

  // Masks of the live sets of highest bound, each at its price.
  std::vector<std::vector<bool>> BestMasks(int count) const {
    std::vector<int> order(bounds_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return bounds_[a].bound > bounds_[b].bound; });
    std::vector<std::vector<bool>> masks;
    for (int node : order) {
      if (static_cast<int>(masks.size()) == count) break;
      masks.push_back(MaskOf(node, bounds_[node].price));
    }
    return masks;
  }

 private:
  double ValueOf(const LiveSetTree::Item& item, const LiveSetTree::Option& option) const {
    double value = 0;
    const std::vector<int>& tensors = tree_.bundles[item.bundle].tensors;
    for (size_t i = 0; i < tensors.size(); ++i) {
      if ((option.tensors >> i) & 1) value += importance_[tensors[i]];
    }
    return value;
  }

  // The best choice of an item at a price: its gain and its option (-1: none; 0 for a single tensor).
  std::pair<double, int> BestOf(const LiveSetTree::Item& item, double price) const {
    if (item.bundle == kNone) {
      const double gain = importance_[item.tensor] - price * static_cast<double>(item.cost);
      return gain > 0 ? std::pair{gain, 0} : std::pair{0.0, -1};
    }
    std::pair<double, int> best{0.0, -1};
    const auto& options = tree_.bundles[item.bundle].options;
    for (int i = 0; i < static_cast<int>(options.size()); ++i) {
      const double gain = ValueOf(item, options[i]) - price * static_cast<double>(options[i].cost);
      if (gain > best.first) best = {gain, i};
    }
    return best;
  }

  // max over p of (1 - p) * gain - mu * S_b * p^2.
  double BlockGain(int block, double gain) const {
    const double harm = problem_.mu * problem_.sensitivity[block];
    double p = gain >= 0 ? problem_.min_rates[block] : problem_.max_rates[block];
    if (harm > 0) p = std::clamp(-gain / (2 * harm), problem_.min_rates[block], problem_.max_rates[block]);
    return (1 - p) * gain - harm * p * p;
  }

  // Adds `gain` to its block's, or to what lies outside all.
  void Add(int block, double gain) {
    magnitude_ += std::abs(gain);
    if (block == kNone) {
      sum_ += gain;
      return;
    }
    sum_ -= BlockGain(block, gains_[block]);
    gains_[block] += gain;
    sum_ += BlockGain(block, gains_[block]);
  }

  void Enter(int node, double price) {
    for (int i = tree_.nodes[node].block_costs_begin; i < tree_.BlockCostsEnd(node); ++i) {
      Add(tree_.block_costs[i].block, -price * static_cast<double>(tree_.block_costs[i].cost));
    }
    for (int i = tree_.nodes[node].items_begin; i < tree_.ItemsEnd(node); ++i) {
      const double gain = BestOf(tree_.items[i], price).first;
      if (gain > 0) Add(tree_.items[i].block, gain);
    }
  }

  void Start(double price) {
    sum_ = price * static_cast<double>(problem_.selection.backward_budget);
    magnitude_ = std::abs(sum_);
    std::fill(gains_.begin(), gains_.end(), 0.0);
    for (int b = 0; b < num_blocks_; ++b) {
      sum_ += BlockGain(b, 0);
      magnitude_ += std::abs(BlockGain(b, 0));
    }
    for (size_t k = 0; k < pinned_.size(); ++k) {
      if (!pinned_[k]) continue;
      const Tensor& tensor = profile_.tensors[k];
      Add(BlockOf(profile_, tensor), importance_[k] - price * static_cast<double>(tensor.weight_grad_cost));
      magnitude_ += std::abs(importance_[k]);
    }
  }

  // The bound with what its sums may be off.
  double Bound() const { return sum_ + 1e-13 * magnitude_; }

  // Every live set's bound at one price.
  void SweepAt(double price) {
    struct Place {
      int end;
      double sum, magnitude;
      std::vector<std::pair<int, double>> gains;  // To be put back.
    };
    Start(price);
    std::vector<Place> path;
    for (int node = 0; node < static_cast<int>(tree_.nodes.size()); ++node) {
      while (!path.empty() && path.back().end <= node) {
        for (const auto& [block, gain] : path.back().gains) gains_[block] = gain;
        sum_ = path.back().sum;
        magnitude_ = path.back().magnitude;
        path.pop_back();
      }
      Place place{tree_.nodes[node].subtree_end, sum_, magnitude_, {}};
      const auto keep = [&](int block) {
        if (block != kNone) place.gains.push_back({block, gains_[block]});
      };
      for (int i = tree_.nodes[node].block_costs_begin; i < tree_.BlockCostsEnd(node); ++i) {
        keep(tree_.block_costs[i].block);
      }
      for (int i = tree_.nodes[node].items_begin; i < tree_.ItemsEnd(node); ++i) keep(tree_.items[i].block);
      Enter(node, price);
      if (Bound() < bounds_[node].bound) bounds_[node] = {Bound(), price};
      path.push_back(std::move(place));
    }
  }

  double BoundAt(int node, double price) {
    Start(price);
    for (int at = 0; at <= node; ++at) {
      if (tree_.nodes[at].subtree_end > node) Enter(at, price);
    }
    return Bound();
  }

  // Searches the best price of the live sets that set the bound, which is convex in the price.
  void Refine() {
    for (int turn = 0; turn < 24; ++turn) {
      const auto worst = std::max_element(bounds_.begin(), bounds_.end(),
                                          [](const NodeBound& a, const NodeBound& b) { return a.bound < b.bound; });
      const int node = static_cast<int>(worst - bounds_.begin());
      double low = worst->price / 2, high = worst->price * 2;
      const double before = worst->bound;
      for (int step = 0; step < 40; ++step) {
        const double a = low + (high - low) * 0.382, b = low + (high - low) * 0.618;
        const double at_a = BoundAt(node, a), at_b = BoundAt(node, b);
        if (at_a < worst->bound) *worst = {at_a, a};
        if (at_b < worst->bound) *worst = {at_b, b};
        (at_a < at_b ? high : low) = at_a < at_b ? b : a;
      }
      if (worst->bound >= before - 1e-12 * std::abs(before)) return;
    }
  }

  std::vector<bool> MaskOf(int node, double price) const {
    std::vector<bool> mask = pinned_;
    for (int at = 0; at <= node; ++at) {
      if (tree_.nodes[at].subtree_end <= node) continue;
      for (int i = tree_.nodes[at].items_begin; i < tree_.ItemsEnd(at); ++i) {
        const LiveSetTree::Item& item = tree_.items[i];
        const int option = BestOf(item, price).second;
        if (option < 0) continue;
        if (item.bundle == kNone) {
          mask[item.tensor] = true;
          continue;
        }
        const LiveSetTree::Bundle& bundle = tree_.bundles[item.bundle];
        for (size_t t = 0; t < bundle.tensors.size(); ++t) {
          if ((bundle.options[option].tensors >> t) & 1) mask[bundle.tensors[t]] = true;
        }
      }
    }
    return mask;
  }

  const ModelProfile& profile_;
  const JointProblem& problem_;
  const std::vector<double>& importance_;
  const int num_blocks_;
  std::vector<bool> pinned_;
  LiveSetTree tree_;
  std::vector<NodeBound> bounds_;  // [num_nodes]

  // Of the live set and price at hand.
  std::vector<double> gains_;  // [num_blocks]
  double sum_ = 0;
  double magnitude_ = 0;
};

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
    best_->upper_bound = std::max(best_->value, upper_bound);
    return best_;
  }

 private:
  bool IsStopped() const { return problem_.selection.should_stop && problem_.selection.should_stop(); }

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
