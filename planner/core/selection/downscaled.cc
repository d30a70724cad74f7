#include "planner/core/selection/downscaled.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace greenplan {
namespace {

// One way to select from an item: its subset of the item's tensors, in cost steps.
struct Choice {
  int steps = 0;
  int64_t value = 0;
  uint32_t tensors = 0;
};

class Downscaled {
 public:
  Downscaled(const LiveSetTree& tree, const std::vector<int64_t>& values, int64_t budget, int64_t full, int resolution,
             WorkMeter& meter)
      : tree_(tree),
        values_(values),
        budget_(budget),
        full_(std::max<int64_t>(full, 1)),
        resolution_(resolution),
        meter_(meter),
        capacity_(
            static_cast<int>(std::min<__int128>(resolution, static_cast<__int128>(budget) * resolution / full_))) {}

  std::vector<bool> Run() {
    // best_[depth][t] on the path; picks_[i][t]: the choice that item i takes.
    picks_.resize(tree_.items.size());
    choices_.resize(tree_.items.size());
    std::vector<int> path;
    for (int node = 0; node < static_cast<int>(tree_.nodes.size()); ++node) {
      while (!path.empty() && tree_.nodes[path.back()].subtree_end <= node) path.pop_back();
      path.push_back(node);
      const size_t depth = path.size() - 1;
      if (best_.size() <= depth) best_.resize(depth + 1);
      if (!meter_.Spend(int64_t{capacity_} * (1 + tree_.ItemsEnd(node) - tree_.nodes[node].items_begin))) break;
      if (depth == 0) {
        best_[0].assign(capacity_ + 1, 0);
      } else if (tree_.nodes[node].subtree_end == tree_.nodes[path[depth - 1]].subtree_end) {
        best_[depth] = std::move(best_[depth - 1]);  // A last child: nobody else needs the parent's.
      } else {
        best_[depth] = best_[depth - 1];
      }
      for (int i = tree_.nodes[node].items_begin; i < tree_.ItemsEnd(node); ++i) AddItem(i, best_[depth]);
      const int room = capacity_ - Steps(tree_.nodes[node].cost);
      if (tree_.nodes[node].relaxed || tree_.nodes[node].cost > budget_ || room < 0) continue;
      if (best_[depth][room] > best_value_) {
        best_value_ = best_[depth][room];
        Trace(path, room);
      }
    }
    mask_.resize(values_.size(), false);
    return std::move(mask_);
  }

 private:
  // Rounded up; anything beyond the capacity is as good as infinite.
  int Steps(int64_t cost) const {
    const __int128 steps = (static_cast<__int128>(cost) * resolution_ + full_ - 1) / full_;
    return static_cast<int>(std::min<__int128>(steps, capacity_ + 1));
  }

  const std::vector<int>& TensorsOf(int i, std::vector<int>& single) const {
    if (tree_.items[i].bundle != kNone) return tree_.bundles[tree_.items[i].bundle].tensors;
    single = {tree_.items[i].tensor};
    return single;
  }

  void AddItem(int i, std::vector<int64_t>& best) {
    std::vector<int> single;
    const std::vector<int>& tensors = TensorsOf(i, single);
    std::vector<Choice>& choices = choices_[i];
    choices.clear();
    const auto add = [&](int64_t cost, uint32_t subset) {
      Choice choice{Steps(cost), 0, subset};
      for (size_t t = 0; t < tensors.size(); ++t) {
        if (((subset >> t) & 1) == 0) continue;
        if (values_[tensors[t]] <= 0) return;
        choice.value += values_[tensors[t]];
      }
      if (choice.steps <= capacity_) choices.push_back(choice);
    };
    if (tree_.items[i].bundle == kNone) {
      add(tree_.items[i].cost, 1);
    } else {
      for (const auto& option : tree_.bundles[tree_.items[i].bundle].options) add(option.cost, option.tensors);
    }
    picks_[i].assign(capacity_ + 1, 0);
    if (choices.empty()) return;
    for (int t = capacity_; t >= 0; --t) {
      const int64_t before = best[t];
      for (size_t c = 0; c < choices.size(); ++c) {
        if (choices[c].steps > t) continue;
        // Cells below t are still those before this item; with zero steps the cell's own value before counts.
        const int64_t base = choices[c].steps == 0 ? before : best[t - choices[c].steps];
        if (base + choices[c].value > best[t]) {
          best[t] = base + choices[c].value;
          picks_[i][t] = static_cast<uint8_t>(c + 1);
        }
      }
    }
  }

  void Trace(const std::vector<int>& path, int room) {
    mask_.assign(values_.size(), false);
    for (size_t depth = path.size(); depth-- > 0;) {
      for (int i = tree_.ItemsEnd(path[depth]); i-- > tree_.nodes[path[depth]].items_begin;) {
        const int pick = picks_[i][room];
        if (pick == 0) continue;
        const Choice& choice = choices_[i][pick - 1];
        std::vector<int> single;
        const std::vector<int>& tensors = TensorsOf(i, single);
        for (size_t t = 0; t < tensors.size(); ++t) {
          if ((choice.tensors >> t) & 1) mask_[tensors[t]] = true;
        }
        room -= choice.steps;
      }
    }
  }

  const LiveSetTree& tree_;
  const std::vector<int64_t>& values_;
  const int64_t budget_;
  const int64_t full_;
  const int resolution_;
  WorkMeter& meter_;
  const int capacity_;
  std::vector<std::vector<int64_t>> best_;
  std::vector<std::vector<uint8_t>> picks_;
  std::vector<std::vector<Choice>> choices_;
  int64_t best_value_ = 0;
  std::vector<bool> mask_;
};

}  // namespace

std::vector<bool> SelectDownscaled(const LiveSetTree& tree, const std::vector<int64_t>& values, int64_t backward_budget,
                                   int64_t full_backward_cost, int resolution, WorkMeter& meter) {
  return Downscaled(tree, values, backward_budget, full_backward_cost, resolution, meter).Run();
}

}  // namespace greenplan
