#include "planner/core/joint/joint_bound.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "planner/core/cost.h"
#include "planner/core/graph/live_sets.h"
#include "planner/core/work_meter.h"

namespace greenplan {
namespace {

// The prices tried for all live sets are 2^kPriceRoots + 1.
constexpr int kPriceRoots = 7;
// Live sets that get a search of their own for the best price, and its steps.
constexpr int kRefinedLiveSets = 24;
constexpr int kRefineSteps = 40;
constexpr int64_t kNodeWork = 4;
// What the live sets may take, in work and in bytes.
constexpr int64_t kStructureWork = 100'000'000;
constexpr int64_t kStructureBytes = int64_t{88} << 20;

}  // namespace

JointBound::JointBound(const ModelProfile& profile, const JointProblem& problem, WorkMeter& meter)
    : profile_(profile),
      problem_(problem),
      meter_(meter),
      held_(meter),
      importance_(*problem.selection.importance),
      num_groups_(static_cast<int>(problem.min_rates.size())),
      gains_(num_groups_, 0.0) {
  const std::vector<Pin>& pins = problem.selection.pins;
  pinned_.resize(pins.size());
  std::vector<bool> excluded(pins.size());
  for (size_t k = 0; k < pins.size(); ++k) {
    pinned_[k] = pins[k] == Pin::kAlways;
    excluded[k] = pins[k] != Pin::kFree || importance_[k] <= 0;
  }
  {
    WorkMeter structure(kStructureWork, meter, kStructureBytes);
    tree_ = BuildLiveSets(profile, LiveOps(profile, pinned_), excluded, {.use_blocks = true}, structure);
  }
  // This never fails: as much was held while the tree was built.
  held_.Grow(tree_.SearchBytes());
  const size_t most_additions = 2 * (tree_.items.size() + tree_.block_costs.size() + pins.size() + num_groups_ + 8);
  rounding_ = static_cast<double>(most_additions) * std::numeric_limits<double>::epsilon();
  bounds_.assign(tree_.nodes.size(), {std::numeric_limits<double>::infinity(), 0});
}

double JointBound::Run() {
  SweepAt(0);
  const auto [low, high] = PriceRange();
  if (high > 0) {
    // The step comes from square roots, which every machine rounds alike.
    double step = high / low;
    for (int i = 0; i < kPriceRoots; ++i) step = std::sqrt(step);
    double price = low;
    for (int i = 0; i <= 1 << kPriceRoots && !meter_.exhausted(); ++i, price *= step) SweepAt(price);
    Refine();
  }
  double bound = -std::numeric_limits<double>::infinity();
  for (const NodeBound& node : bounds_) bound = std::max(bound, node.bound);
  return bound;
}

std::vector<std::vector<bool>> JointBound::BestMasks(int count) const {
  if (count == 0) return {};
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

std::pair<double, double> JointBound::PriceRange() const {
  double low = std::numeric_limits<double>::infinity(), high = 0, total = 0;
  const auto look_at = [&](double value, int64_t cost) {
    total += value;
    if (cost <= 0 || value <= 0) return;
    low = std::min(low, value / static_cast<double>(cost));
    high = std::max(high, value / static_cast<double>(cost));
  };
  for (const Item& item : tree_.items) {
    if (item.bundle == kNone) {
      look_at(importance_[item.tensor], item.cost);
      continue;
    }
    const Bundle& bundle = tree_.bundles[item.bundle];
    for (const Bundle::Option& option : bundle.options) look_at(ValueOf(bundle, option), option.cost);
  }
  const auto budget = static_cast<double>(problem_.selection.backward_budget);
  return {std::min(low, total / std::max(1.0, budget)) / 64, high};
}

double JointBound::ValueOf(const Bundle& bundle, const Bundle::Option& option) const {
  double value = 0;
  for (size_t i = 0; i < bundle.tensors.size(); ++i) {
    if ((option.tensors >> i) & 1) value += importance_[bundle.tensors[i]];
  }
  return value;
}

JointBound::Gain JointBound::BestOf(const Item& item, double price) const {
  Gain best;
  if (item.bundle == kNone) {
    const double gain = importance_[item.tensor] - price * static_cast<double>(item.cost);
    return gain > 0 ? Gain{gain, 0} : best;
  }
  const Bundle& bundle = tree_.bundles[item.bundle];
  for (int i = 0; i < static_cast<int>(bundle.options.size()); ++i) {
    const double gain = ValueOf(bundle, bundle.options[i]) - price * static_cast<double>(bundle.options[i].cost);
    if (gain > best.value) best = {gain, i};
  }
  return best;
}

double JointBound::GroupGain(int group, double gain) const {
  const double harm = problem_.mu * problem_.sensitivity[group];
  double p = gain >= 0 ? problem_.min_rates[group] : problem_.max_rates[group];
  if (harm > 0) p = std::clamp(-gain / (2 * harm), problem_.min_rates[group], problem_.max_rates[group]);
  return (1 - p) * gain - harm * p * p;
}

void JointBound::Add(int group, double gain) {
  magnitude_ += std::abs(gain);
  if (group == kNone) {
    sum_ += gain;
    return;
  }
  sum_ -= GroupGain(group, gains_[group]);
  gains_[group] += gain;
  sum_ += GroupGain(group, gains_[group]);
}

void JointBound::Enter(int node, double price) {
  meter_.Spend(kNodeWork + (tree_.ItemsEnd(node) - tree_.nodes[node].items_begin) +
               (tree_.BlockCostsEnd(node) - tree_.nodes[node].block_costs_begin));
  for (int i = tree_.nodes[node].block_costs_begin; i < tree_.BlockCostsEnd(node); ++i) {
    Add(GroupOf(problem_, tree_.block_costs[i].block), -price * static_cast<double>(tree_.block_costs[i].cost));
  }
  for (int i = tree_.nodes[node].items_begin; i < tree_.ItemsEnd(node); ++i) {
    const double gain = BestOf(tree_.items[i], price).value;
    if (gain > 0) Add(GroupOf(problem_, tree_.items[i].block), gain);
  }
}

void JointBound::Start(double price) {
  sum_ = price * static_cast<double>(problem_.selection.backward_budget);
  magnitude_ = std::abs(sum_);
  std::fill(gains_.begin(), gains_.end(), 0.0);
  for (int group = 0; group < num_groups_; ++group) {
    sum_ += GroupGain(group, 0);
    magnitude_ += std::abs(GroupGain(group, 0));
  }
  for (size_t k = 0; k < pinned_.size(); ++k) {
    if (!pinned_[k]) continue;
    const Tensor& tensor = profile_.tensors[k];
    Add(GroupOf(profile_, problem_, tensor), importance_[k] - price * static_cast<double>(tensor.weight_grad_cost));
    magnitude_ += std::abs(importance_[k]);
  }
}

double JointBound::Bound() const { return sum_ + rounding_ * magnitude_; }

void JointBound::SweepAt(double price) {
  struct Place {
    int end;
    double sum, magnitude;
    std::vector<std::pair<int, double>> gains;  // To be put back.
  };
  Start(price);
  std::vector<Place> path;
  for (int node = 0; node < static_cast<int>(tree_.nodes.size()); ++node) {
    while (!path.empty() && path.back().end <= node) {
      for (const auto& [group, gain] : path.back().gains) gains_[group] = gain;
      sum_ = path.back().sum;
      magnitude_ = path.back().magnitude;
      path.pop_back();
    }
    // Price 0 gives each live set some bound, unless a stop leaves no time for it.
    if (price > 0 ? meter_.exhausted() : meter_.stopped()) return;
    Place place{tree_.nodes[node].subtree_end, sum_, magnitude_, {}};
    const auto keep = [&](int block) {
      const int group = GroupOf(problem_, block);
      if (group != kNone) place.gains.push_back({group, gains_[group]});
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

double JointBound::BoundAt(int node, double price) {
  Start(price);
  meter_.Spend(node + 1 + num_groups_);
  for (int at = 0; at <= node; ++at) {
    if (tree_.nodes[at].subtree_end > node) Enter(at, price);
  }
  return Bound();
}

// A bound is convex in the price, so golden-section search finds the best one.
void JointBound::Refine() {
  for (int turn = 0; turn < kRefinedLiveSets && !meter_.exhausted(); ++turn) {
    const auto worst = std::max_element(bounds_.begin(), bounds_.end(),
                                        [](const NodeBound& a, const NodeBound& b) { return a.bound < b.bound; });
    const int node = static_cast<int>(worst - bounds_.begin());
    double low = worst->price / 2, high = worst->price * 2;
    const double before = worst->bound;
    for (int step = 0; step < kRefineSteps && !meter_.exhausted(); ++step) {
      const double a = low + (high - low) * 0.382, b = low + (high - low) * 0.618;
      const double at_a = BoundAt(node, a), at_b = BoundAt(node, b);
      if (at_a < worst->bound) *worst = {at_a, a};
      if (at_b < worst->bound) *worst = {at_b, b};
      (at_a < at_b ? high : low) = at_a < at_b ? b : a;
    }
    if (worst->bound >= before - 1e-12 * std::abs(before)) return;
  }
}

std::vector<bool> JointBound::MaskOf(int node, double price) const {
  std::vector<bool> mask = pinned_;
  for (int at = 0; at <= node; ++at) {
    if (tree_.nodes[at].subtree_end <= node) continue;
    for (int i = tree_.nodes[at].items_begin; i < tree_.ItemsEnd(at); ++i) {
      const Item& item = tree_.items[i];
      const int option = BestOf(item, price).option;
      if (option == kNone) continue;
      if (item.bundle == kNone) {
        mask[item.tensor] = true;
        continue;
      }
      const Bundle& bundle = tree_.bundles[item.bundle];
      for (size_t t = 0; t < bundle.tensors.size(); ++t) {
        if ((bundle.options[option].tensors >> t) & 1) mask[bundle.tensors[t]] = true;
      }
    }
  }
  return mask;
}

}  // namespace greenplan
