#include "planner/core/graph/contraction.h"

#include <algorithm>
#include <utility>

namespace greenplan {
namespace {

// Bundles grow to 2^kMaxBundle options.
constexpr size_t kMaxBundle = 6;

using Option = Bundle::Option;

struct IntRange {
  const int* first;
  const int* last;
  const int* begin() const { return first; }
  const int* end() const { return last; }
};

// Drops the parents that are ancestors of other parents. `parents` are ascending.
class ParentReducer {
 public:
  ParentReducer(int num_ops, WorkMeter& meter) : meter_(meter), seen_(num_ops, 0) {}

  // parents_of(j) gives the kept parents of an op below the one that `parents` belong to. Leaves `parents` as they are
  // once the meter has run out: that costs later contractions, nothing else.
  template <typename ParentsOf>
  void Reduce(std::vector<int>& parents, const ParentsOf& parents_of) {
    if (parents.size() < 2 || meter_.exhausted()) return;
    const int lowest = parents.front();
    ++stamp_;
    stack_ = parents;
    while (!stack_.empty()) {
      const int op = stack_.back();
      stack_.pop_back();
      const IntRange above = parents_of(op);
      if (!meter_.Spend(1 + (above.last - above.first) / 4)) return;
      for (int parent : above) {
        if (parent < lowest || seen_[parent] == stamp_) continue;
        seen_[parent] = stamp_;
        stack_.push_back(parent);
      }
    }
    parents.erase(std::remove_if(parents.begin(), parents.end(), [&](int p) { return seen_[p] == stamp_; }),
                  parents.end());
  }

 private:
  WorkMeter& meter_;
  std::vector<int> seen_;
  std::vector<int> stack_;
  int stamp_ = 0;
};

// The options of `item` alone.
Bundle AsBundle(const Item& item, const std::vector<Bundle>& bundles) {
  if (item.bundle != kNone) return bundles[item.bundle];
  return Bundle{.tensors = {item.tensor}, .options = {{item.cost, item.saved_bytes, 1}}};
}

// Every combination of options of `a` and `b`.
Bundle Combine(const Bundle& a, const Bundle& b) {
  Bundle result{.tensors = a.tensors, .options = a.options};
  result.tensors.insert(result.tensors.end(), b.tensors.begin(), b.tensors.end());
  for (Option option : b.options) {
    option.tensors <<= a.tensors.size();
    result.options.push_back(option);
    for (const Option& other : a.options) {
      result.options.push_back(
          {option.cost + other.cost, option.saved_bytes + other.saved_bytes, option.tensors | other.tensors});
    }
  }
  return result;
}

// Contracts in two sweeps: from the loss down joining ops that cost nothing, then back up folding last ops.
class Contraction {
 public:
  Contraction(const OpGraph& graph, std::vector<Bundle>& bundles, WorkMeter& meter)
      : graph_(graph),
        bundles_(bundles),
        meter_(meter),
        joined_(graph.size()),
        items_of_(graph.size() + 1),
        gone_(graph.size()) {}

  OpGraph Run() {
    JoinFreeOps();
    if (meter_.stopped()) return {};
    HangItems();
    FoldLastOps();
    if (meter_.stopped()) return {};
    return Compressed();
  }

 private:
  IntRange KeptParents(int op) const {
    return {kept_parents_.data() + kept_begin_[op], kept_parents_.data() + kept_begin_[op + 1]};
  }

  void JoinFreeOps() {
    ParentReducer reducer(graph_.size(), meter_);
    kept_begin_.reserve(graph_.size() + 1);
    kept_begin_.push_back(0);
    std::vector<int> parents;
    for (int op = 0; op < graph_.size() && !meter_.stopped(); ++op) {
      meter_.Spend(1 + (graph_.parents_begin[op + 1] - graph_.parents_begin[op]) / 4);
      parents.clear();
      for (int i = graph_.parents_begin[op]; i < graph_.parents_begin[op + 1]; ++i) {
        const int parent = joined_[graph_.parents[i]];
        if (parent != kNone) parents.push_back(parent);
      }
      if (parents.size() > 1) {
        std::sort(parents.begin(), parents.end());
        parents.erase(std::unique(parents.begin(), parents.end()), parents.end());
        reducer.Reduce(parents, [&](int other) { return KeptParents(other); });
      }
      const bool is_free = graph_.cost[op] == 0 && graph_.saved_bytes[op] == 0;
      if (is_free && parents.size() <= 1) {
        joined_[op] = parents.empty() ? kNone : parents.front();
        parents.clear();
      } else {
        joined_[op] = op;
      }
      kept_parents_.insert(kept_parents_.end(), parents.begin(), parents.end());
      kept_begin_.push_back(static_cast<int>(kept_parents_.size()));
    }
  }

  // Hangs each item on the op that its own op is joined to.
  void HangItems() {
    items_ = graph_.items;
    next_.assign(items_.size(), kNone);
    std::fill(items_of_.begin(), items_of_.end(), kNone);
    for (int i = static_cast<int>(items_.size()); i-- > 0;) {
      const int op = items_[i].op == kNone ? kNone : joined_[items_[i].op];
      Hang(i, op);
    }
  }

  void Hang(int item, int op) {
    items_[item].op = op;
    next_[item] = items_of_[op + 1];
    items_of_[op + 1] = item;
  }

  void FoldLastOps() {
    std::vector<int> children(graph_.size(), 0);
    for (int parent : kept_parents_) ++children[parent];
    for (int op = graph_.size(); op-- > 0 && !meter_.stopped();) {
      meter_.Spend(1);
      if (joined_[op] != op) {
        gone_[op] = true;
        continue;
      }
      const IntRange parents = KeptParents(op);
      const int first = items_of_[op + 1];
      if (children[op] > 0) continue;
      if (first != kNone) {
        if (parents.last - parents.first > 1 || !FoldInto(op)) continue;
        Hang(first, parents.first == parents.last ? kNone : *parents.first);
      }
      gone_[op] = true;
      for (int parent : parents) --children[parent];
    }
  }

  // Makes op's cost part of its first item, which takes up all others. False if they are too many.
  bool FoldInto(int op) {
    const int first = items_of_[op + 1];
    if (graph_.has_blocks() && MixesBlocks(op)) return false;
    if (next_[first] == kNone && items_[first].item.bundle == kNone) {
      items_[first].item.cost += graph_.cost[op];
      items_[first].item.saved_bytes += graph_.saved_bytes[op];
      return true;
    }
    size_t tensors = 0;
    for (int i = first; i != kNone && tensors <= kMaxBundle; i = next_[i]) {
      tensors += items_[i].item.bundle == kNone ? 1 : bundles_[items_[i].item.bundle].tensors.size();
    }
    if (tensors > kMaxBundle) return false;
    Bundle bundle = AsBundle(items_[first].item, bundles_);
    for (int i = next_[first]; i != kNone; i = next_[i]) {
      bundle = Combine(bundle, AsBundle(items_[i].item, bundles_));
      items_[i].op = kGone;
    }
    for (Option& option : bundle.options) {
      option.cost += graph_.cost[op];
      option.saved_bytes += graph_.saved_bytes[op];
    }
    items_[first].item = {
        .tensor = kNone, .bundle = static_cast<int>(bundles_.size()), .block = items_[first].item.block};
    bundles_.push_back(std::move(bundle));
    return true;
  }

  // Whether op's cost and what hangs on it belong to several blocks.
  bool MixesBlocks(int op) const {
    const int block = items_[items_of_[op + 1]].item.block;
    for (int i = items_of_[op + 1]; i != kNone; i = next_[i]) {
      if (items_[i].item.block != block) return true;
    }
    for (const LiveSetTree::BlockCost& part : graph_.BlockCostsOf(op)) {
      if (part.block != block) return true;
    }
    return false;
  }

  OpGraph Compressed() const {
    OpGraph result;
    result.Reserve(graph_.size(), kept_parents_.size(), items_.size());
    std::vector<int> index(graph_.size(), kNone);
    result.parents_begin.push_back(0);
    for (int op = 0; op < graph_.size(); ++op) {
      if (gone_[op]) continue;
      index[op] = result.size();
      result.AddOpOf(graph_, op);
      for (int parent : KeptParents(op)) result.parents.push_back(index[parent]);
      result.parents_begin.push_back(static_cast<int>(result.parents.size()));
    }
    for (const OpGraph::HungItem& hung : items_) {
      if (hung.op == kGone) continue;
      result.items.push_back({hung.item, hung.op == kNone ? kNone : index[hung.op]});
    }
    return result;
  }

  static constexpr int kGone = -2;

  const OpGraph& graph_;
  std::vector<Bundle>& bundles_;
  WorkMeter& meter_;
  std::vector<int> joined_;  // [num_ops] The op that an op is live with: itself, an ancestor, or kNone: always live.
  std::vector<int> kept_begin_;    // [num_ops + 1] Into kept_parents_.
  std::vector<int> kept_parents_;  // Of the ops that are not joined to another, without what other parents imply.
  std::vector<OpGraph::HungItem> items_;
  std::vector<int> items_of_;  // [num_ops + 1] The first item on no op, then the first on each op; next_ has the rest.
  std::vector<int> next_;      // [num_items] The next item on the same op, or kNone.
  std::vector<bool> gone_;     // [num_ops] Joined to another op, folded into its items, or without items.
};

}  // namespace

OpGraph Contract(const OpGraph& graph, std::vector<Bundle>& bundles, WorkMeter& meter) {
  return Contraction(graph, bundles, meter).Run();
}

}  // namespace greenplan
