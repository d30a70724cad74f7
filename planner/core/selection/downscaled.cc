#include "planner/core/selection/downscaled.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "planner/core/graph/item.h"

namespace greenplan {
namespace {

using Row = std::vector<int64_t>;  // [capacity + 1] The highest value within so many steps.

// Cells between two questions to the meter.
constexpr int kCellsBetweenSpends = 4096;

// One way to select from an item: its subset of the item's tensors, in cost steps.
struct Choice {
  int steps = 0;
  int64_t value = 0;
  uint32_t tensors = 0;
};

int64_t BytesOf(int capacity) { return static_cast<int64_t>(sizeof(int64_t)) * (capacity + 1); }

// The choice that an item takes within each number of steps: 0 is none, i the item's choice i - 1. Packed, since a
// table of all items may take most of the memory there is.
class Picks {
 public:
  Picks(size_t num_choices, int capacity)
      : log_width_(LogWidth(num_choices)), words_(NumWords(num_choices, capacity), 0) {}

  static int64_t Bytes(size_t num_choices, int capacity) {
    return static_cast<int64_t>(NumWords(num_choices, capacity) * sizeof(uint64_t));
  }

  void Set(int steps, uint64_t pick) {
    const size_t bit = static_cast<size_t>(steps) << log_width_;
    const uint64_t mask = (uint64_t{1} << (1 << log_width_)) - 1;
    words_[bit / 64] = (words_[bit / 64] & ~(mask << (bit % 64))) | (pick << (bit % 64));
  }
  size_t Get(int steps) const {
    const size_t bit = static_cast<size_t>(steps) << log_width_;
    return (words_[bit / 64] >> (bit % 64)) & ((uint64_t{1} << (1 << log_width_)) - 1);
  }

 private:
  // 1, 2, 4 or 8 bits hold any choice of a bundle.
  static int LogWidth(size_t num_choices) {
    int log_width = 0;
    while (num_choices >> (1 << log_width) != 0) ++log_width;
    return log_width;
  }
  static size_t NumWords(size_t num_choices, int capacity) {
    return ((static_cast<size_t>(capacity) + 1) << LogWidth(num_choices)) / 64 + 1;
  }

  int log_width_;  // A pick takes 2^this bits.
  std::vector<uint64_t> words_;
};

class Downscaled {
 public:
  Downscaled(const LiveSetTree& tree, const std::vector<int64_t>& values, int64_t budget, int64_t full, int resolution,
             WorkMeter& meter, int64_t segment_bytes)
      : tree_(tree),
        values_(values),
        budget_(budget),
        full_(std::max<int64_t>(full, 1)),
        resolution_(resolution),
        meter_(meter),
        segment_bytes_(segment_bytes),
        capacity_(
            static_cast<int>(std::min<__int128>(resolution, static_cast<__int128>(budget) * resolution / full_))) {}

  std::vector<bool> Run() {
    {
      WorkMeter share(meter_.left() / 3, meter_);  // To trace it takes at most twice as much as to find it.
      FindBest(share);
    }
    std::vector<bool> mask(values_.size(), false);
    if (best_node_ == kNone || !TracePath(mask)) mask.assign(values_.size(), false);
    return mask;
  }

 private:
  // Finds the live set of highest value, and the steps that it leaves for its items: the best so far if the meter runs
  // out.
  void FindBest(WorkMeter& meter) {
    HeldBytes held(meter);
    std::vector<int> path;
    std::vector<Row> rows;  // [depth] Those that a node still to come starts from.
    int num_rows = 0, most_rows = 0;
    int64_t best_value = 0;
    for (int node = 0; node < static_cast<int>(tree_.nodes.size()); ++node) {
      while (!path.empty() && tree_.nodes[path.back()].subtree_end <= node) path.pop_back();
      path.push_back(node);
      const size_t depth = path.size() - 1;
      if (rows.size() <= depth) rows.resize(depth + 1);
      if (!meter.Spend(capacity_)) return;
      const bool is_last_child = depth > 0 && tree_.nodes[node].subtree_end == tree_.nodes[path[depth - 1]].subtree_end;
      if (is_last_child) {
        if (!rows[depth].empty()) --num_rows;
        rows[depth] = std::move(rows[depth - 1]);  // Nobody else needs the parent's.
        rows[depth - 1] = {};
      } else {
        if (rows[depth].empty() && ++num_rows > most_rows) {
          if (!held.Grow(BytesOf(capacity_))) return;
          most_rows = num_rows;
        }
        rows[depth] = depth == 0 ? Row(capacity_ + 1, 0) : rows[depth - 1];
      }
      for (int i = tree_.nodes[node].items_begin; i < tree_.ItemsEnd(node); ++i) {
        if (!AddItem(ChoicesOf(i), capacity_, rows[depth], nullptr, meter)) return;
      }
      const int room = capacity_ - Steps(tree_.nodes[node].cost);
      if (tree_.nodes[node].relaxed || tree_.nodes[node].cost > budget_ || room < 0) continue;
      if (rows[depth][room] > best_value) {
        best_value = rows[depth][room];
        best_node_ = node;
        best_room_ = room;
      }
    }
  }

  // Selects into `mask` what gives the best live set its value: goes to it once more, and keeps rows by the way from
  // which the picks of one segment after another are found, the last first. False if the meter runs out.
  bool TracePath(std::vector<bool>& mask) {
    struct Segment {
      size_t begin = 0;  // Into the items on the way.
      Row row;           // Before it.
    };
    HeldBytes held(meter_);
    if (!held.Grow(segment_bytes_ + 2 * BytesOf(best_room_))) return false;
    const std::vector<int> items = ItemsOnTheWay();
    std::vector<Segment> segments;
    Row row(best_room_ + 1, 0);
    int64_t pick_bytes = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      const std::vector<Choice> choices = ChoicesOf(items[i]);
      const int64_t bytes = Picks::Bytes(choices.size(), best_room_);
      pick_bytes += bytes;
      if (segments.empty() || pick_bytes > segment_bytes_) {
        if (!held.Grow(BytesOf(best_room_))) return false;
        segments.push_back({i, row});
        pick_bytes = bytes;
      }
      if (!AddItem(choices, best_room_, row, nullptr, meter_)) return false;
    }
    int room = best_room_;
    size_t end = items.size();
    for (; !segments.empty(); segments.pop_back()) {
      Segment& segment = segments.back();
      std::vector<Picks> picks;
      for (size_t i = segment.begin; i < end; ++i) {
        const std::vector<Choice> choices = ChoicesOf(items[i]);
        picks.emplace_back(choices.size(), room);
        if (!AddItem(choices, room, segment.row, &picks.back(), meter_)) return false;
      }
      for (size_t i = end; i-- > segment.begin;) {
        const size_t pick = picks[i - segment.begin].Get(room);
        if (pick > 0) room -= Select(items[i], pick - 1, mask);
      }
      end = segment.begin;
    }
    return true;
  }

  std::vector<int> ItemsOnTheWay() const {
    std::vector<int> items;
    for (int node = 0; node <= best_node_; ++node) {
      if (tree_.nodes[node].subtree_end <= best_node_) continue;
      for (int i = tree_.nodes[node].items_begin; i < tree_.ItemsEnd(node); ++i) items.push_back(i);
    }
    return items;
  }

  // Puts the tensors of an item's choice into `mask`. Returns the choice's steps.
  int Select(int item, size_t choice, std::vector<bool>& mask) const {
    const Choice selected = ChoicesOf(item)[choice];
    const std::vector<int> tensors = TensorsOf(item);
    for (size_t t = 0; t < tensors.size(); ++t) {
      if ((selected.tensors >> t) & 1) mask[tensors[t]] = true;
    }
    return selected.steps;
  }

  // Rounded up; anything beyond the capacity is as good as infinite.
  int Steps(int64_t cost) const {
    const __int128 steps = (static_cast<__int128>(cost) * resolution_ + full_ - 1) / full_;
    return static_cast<int>(std::min<__int128>(steps, capacity_ + 1));
  }

  std::vector<int> TensorsOf(int item) const {
    if (tree_.items[item].bundle == kNone) return {tree_.items[item].tensor};
    return tree_.bundles[tree_.items[item].bundle].tensors;
  }

  // The ways to select from an item that fit and whose tensors are all worth something.
  std::vector<Choice> ChoicesOf(int item) const {
    std::vector<Choice> choices;
    const auto add = [&](int64_t cost, std::optional<int64_t> value, uint32_t tensors) {
      if (const int steps = Steps(cost); value && steps <= capacity_) choices.push_back({steps, *value, tensors});
    };
    const Item& of = tree_.items[item];
    if (of.bundle == kNone) {
      if (values_[of.tensor] > 0) add(of.cost, values_[of.tensor], 1);
      return choices;
    }
    const Bundle& bundle = tree_.bundles[of.bundle];
    for (const Bundle::Option& option : bundle.options) {
      add(option.cost, WorthOf(bundle, option, values_), option.tensors);
    }
    return choices;
  }

  // Lets the cells up to `top` of `row` take one of the choices; `picks`, if given, says which. False if the meter runs
  // out.
  bool AddItem(const std::vector<Choice>& choices, int top, Row& row, Picks* picks, WorkMeter& meter) const {
    if (choices.empty()) return true;
    for (int end = top; end >= 0; end -= kCellsBetweenSpends) {
      const int begin = std::max(0, end - kCellsBetweenSpends + 1);
      if (!meter.Spend(static_cast<int64_t>(choices.size()) * (end - begin + 1))) return false;
      for (int t = end; t >= begin; --t) {
        const int64_t before = row[t];
        for (size_t c = 0; c < choices.size(); ++c) {
          if (choices[c].steps > t) continue;
          // Cells below t are still those before this item; with zero steps the cell's own value before counts.
          const int64_t base = choices[c].steps == 0 ? before : row[t - choices[c].steps];
          if (base + choices[c].value <= row[t]) continue;
          row[t] = base + choices[c].value;
          if (picks != nullptr) picks->Set(t, c + 1);
        }
      }
    }
    return true;
  }

  const LiveSetTree& tree_;
  const std::vector<int64_t>& values_;
  const int64_t budget_;
  const int64_t full_;
  const int resolution_;
  WorkMeter& meter_;
  const int64_t segment_bytes_;
  const int capacity_;
  int best_node_ = kNone;
  int best_room_ = 0;
};

}  // namespace

std::vector<bool> SelectDownscaled(const LiveSetTree& tree, const std::vector<int64_t>& values, int64_t backward_budget,
                                   int64_t full_backward_cost, int resolution, WorkMeter& meter,
                                   int64_t segment_bytes) {
  return Downscaled(tree, values, backward_budget, full_backward_cost, resolution, meter, segment_bytes).Run();
}

}  // namespace greenplan
