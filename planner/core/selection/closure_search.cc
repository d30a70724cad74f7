#include "planner/core/selection/closure_search.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "planner/core/graph/op_graph.h"
#include "planner/core/knapsack/radix_sort.h"
#include "planner/core/selection/minimum_cut.h"

namespace greenplan {
namespace {

constexpr int kPriceSteps = 40;
constexpr double kLevelStep = 16;
// The part of the work left that filling the budget once may take.
constexpr int64_t kTryShare = 8;

class ClosureSearch {
 public:
  ClosureSearch(OpGraph graph, const std::vector<int64_t>& values, int64_t budget, WorkMeter& meter)
      : graph_(std::move(graph)), values_(values), budget_(budget), meter_(meter) {
    std::vector<int> worth;  // Items of value > 0.
    std::vector<uint64_t> keys;
    for (int i = 0; i < static_cast<int>(graph_.items.size()); ++i) {
      const Item& item = graph_.items[i].item;
      total_ += values_[item.tensor];
      if (values_[item.tensor] <= 0) continue;
      worth.push_back(i);
      keys.push_back(FallingKey(RatioOf(item)));
    }
    for (const int k : OrderByKey(keys)) order_.push_back(worth[k]);
  }

  LiveSetResult Run() {
    result_.upper_bound = total_;
    result_.trainable.assign(values_.size(), false);
    Try(std::vector<bool>(graph_.size(), true));
    HeldBytes held(meter_);
    if (meter_.exhausted() || !held.Grow(MinimumCut<int64_t>::BytesFor(graph_))) return std::move(result_);
    cut_.emplace(graph_);
    // Levels between which the budget starts to be kept.
    double low = 1, high = 1;
    if (Probe(1)) {
      while (low > 0x1p-62 && !meter_.exhausted() && Probe(low /= kLevelStep)) high = low;
    } else {
      while (high < 0x1p62 && !meter_.exhausted() && !Probe(high *= kLevelStep)) low = high;
    }
    for (int step = 0; step < kPriceSteps && result_.upper_bound > result_.value && !meter_.exhausted(); ++step) {
      const double middle = std::sqrt(low * high);
      (Probe(middle) ? high : low) = middle;
    }
    result_.upper_bound = std::max(result_.upper_bound, result_.value);
    return std::move(result_);
  }

 private:
  double RatioOf(const Item& item) const {
    return static_cast<double>(values_[item.tensor]) / static_cast<double>(item.cost);
  }

  // What `cost` is worth at `price`, in units of value and rounded down. At most 2^60, so that sums do not overflow.
  static int64_t Priced(int64_t cost, double price) {
    return static_cast<int64_t>(std::min(0x1p60, std::floor(price * static_cast<double>(cost) * (1 - 1e-15))));
  }

  // Looks at one price of cost: its bound, and its closure as a selection. Whether the closure keeps the budget.
  bool Probe(double level) {
    meter_.Spend(static_cast<int64_t>(graph_.size() + graph_.items.size()));
    const double price = level * static_cast<double>(total_) / (1024 * (static_cast<double>(budget_) + 1));
    std::vector<int64_t> gains(graph_.size(), 0), costs(graph_.size());
    int64_t always = 0;
    int64_t spent = 0;
    for (int op = 0; op < graph_.size(); ++op) costs[op] = Priced(graph_.cost[op], price);
    for (const OpGraph::HungItem& hung : graph_.items) {
      const int64_t gain = values_[hung.item.tensor] - Priced(hung.item.cost, price);
      if (values_[hung.item.tensor] > 0 && gain > 0) (hung.op == kNone ? always : gains[hung.op]) += gain;
    }
    std::vector<bool> closure;
    const int64_t weight = cut_->MaximumClosure(gains, costs, meter_, closure);
    const double bound =
        static_cast<double>(always) + static_cast<double>(weight) + price * static_cast<double>(budget_);
    if (bound * (1 + 1e-14) + 2 < static_cast<double>(result_.upper_bound)) {
      result_.upper_bound = static_cast<int64_t>(bound * (1 + 1e-14) + 2);
    }
    for (const OpGraph::HungItem& hung : graph_.items) {
      const bool is_live = hung.op == kNone || closure[hung.op];
      if (is_live && values_[hung.item.tensor] > Priced(hung.item.cost, price)) spent += hung.item.cost;
    }
    for (int op = 0; op < graph_.size(); ++op) spent += closure[op] ? graph_.cost[op] : 0;
    Try(closure);
    return spent <= budget_;
  }

  // A selection while the budget is filled.
  struct Filling {
    int64_t room;
    int64_t value = 0;
    std::vector<bool> live;   // [num_ops]
    std::vector<bool> taken;  // [num_items]
  };

  // Fills the budget in ratio order, first within `reach`, then anywhere.
  void Try(const std::vector<bool>& reach) {
    Filling filling{.room = budget_,
                    .live = std::vector<bool>(graph_.size(), false),
                    .taken = std::vector<bool>(graph_.items.size(), false)};
    WorkMeter share(meter_.left() / kTryShare, meter_);  // On dense graphs what does not fit takes long to find out.
    for (const bool anywhere : {false, true}) {
      for (const int i : order_) {
        if (share.exhausted()) break;
        const OpGraph::HungItem& hung = graph_.items[i];
        if (filling.taken[i] || (!anywhere && hung.op != kNone && !reach[hung.op])) continue;
        if (!TakeItem(hung, share, filling)) continue;
        filling.value += values_[hung.item.tensor];
        filling.taken[i] = true;
      }
    }
    if (filling.value <= result_.value) return;
    result_.value = filling.value;
    for (size_t i = 0; i < filling.taken.size(); ++i) {
      result_.trainable[graph_.items[i].item.tensor] = filling.taken[i];
    }
  }

  // Pays for an item and for the ops that it makes live. Changes nothing and returns false if they do not fit.
  bool TakeItem(const OpGraph::HungItem& hung, WorkMeter& share, Filling& filling) {
    int64_t need = hung.item.cost;
    int64_t num_parents = 0;
    fresh_.clear();
    stack_.clear();
    if (hung.op != kNone) stack_.push_back(hung.op);
    while (!stack_.empty() && need <= filling.room && !share.stopped()) {
      const int op = stack_.back();
      stack_.pop_back();
      if (filling.live[op]) continue;
      filling.live[op] = true;
      fresh_.push_back(op);
      need += graph_.cost[op];
      const int64_t num_own = graph_.parents_begin[op + 1] - graph_.parents_begin[op];
      num_parents += num_own;
      share.Pass(1 + num_own / 4);
      for (int p = graph_.parents_begin[op]; p < graph_.parents_begin[op + 1]; ++p) {
        if (!filling.live[graph_.parents[p]]) stack_.push_back(graph_.parents[p]);
      }
    }
    share.Spend(1 + static_cast<int64_t>(fresh_.size()) + num_parents / 4);
    if (need > filling.room || !stack_.empty()) {
      for (const int op : fresh_) filling.live[op] = false;
      return false;
    }
    filling.room -= need;
    return true;
  }

  const OpGraph graph_;
  const std::vector<int64_t>& values_;
  const int64_t budget_;
  WorkMeter& meter_;
  std::optional<MinimumCut<int64_t>> cut_;
  std::vector<int> order_;          // Items of value > 0 by falling value per cost.
  std::vector<int> stack_, fresh_;  // Of TakeItem: ops to be made live, and ops that it has made live.
  int64_t total_ = 0;
  LiveSetResult result_;
};

}  // namespace

LiveSetResult SearchClosures(const ModelProfile& profile, const std::vector<bool>& live,
                             const std::vector<bool>& excluded, const std::vector<int64_t>& values, int64_t budget,
                             WorkMeter& meter) {
  OpGraph graph = MakeOpGraph(profile, live, excluded, {}, meter);
  if (meter.stopped()) return NothingFound(values);
  return ClosureSearch(std::move(graph), values, budget, meter).Run();
}

}  // namespace greenplan
