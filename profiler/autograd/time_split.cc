#include "profiler/autograd/time_split.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "planner/core/cost.h"

namespace greenplan::profiler {
namespace {

// Where the gradient of a tensor is computed: the first op above its leaf that does more than pass that one gradient
// on, or the leaf itself if the tensor is tied.
struct Source {
  int op = kNone;
  bool tied = false;
};

class MaskBuilder {
 public:
  explicit MaskBuilder(const ModelProfile& profile)
      : profile_(profile), only_consumer_(profile.ops.size(), kNone), uses_(profile.ops.size(), 0) {
    for (int op = 0; op < static_cast<int>(profile.ops.size()); ++op) {
      for (const Edge& edge : profile.ops[op].inputs) only_consumer_[edge.op] = uses_[edge.op]++ == 0 ? op : kNone;
    }
    for (const Tensor& tensor : profile.tensors) sources_.push_back(SourceOf(tensor));
  }

  std::vector<std::vector<bool>> Build() const {
    const std::vector<bool> first = Deepest();
    std::vector<bool> second = first;
    std::vector<bool> has_one(profile_.ops.size(), false);
    for (size_t k = 0; k < second.size(); ++k) {
      const Source& source = sources_[k];
      if (source.op == kNone || source.tied || first[k] || has_one[source.op]) continue;
      second[k] = has_one[source.op] = true;
    }
    std::vector<std::vector<bool>> masks = {first, std::move(second), FullMask(profile_)};
    masks.erase(std::unique(masks.begin(), masks.end()), masks.end());
    return masks;
  }

 private:
  Source SourceOf(const Tensor& tensor) const {
    int op = tensor.op;
    if (op == kNone) return {};
    if (uses_[op] > 1) return {.op = op, .tied = true};
    do op = only_consumer_[op];
    while (op > 0 && uses_[op] == 1 && profile_.ops[op].inputs.size() == 1);
    return {.op = op};
  }

  std::vector<bool> Deepest() const {
    std::vector<int> order;
    for (size_t k = 0; k < profile_.tensors.size(); ++k) {
      if (profile_.tensors[k].op != kNone && !sources_[k].tied) order.push_back(static_cast<int>(k));
    }
    std::sort(order.begin(), order.end(),
              [&](int a, int b) { return profile_.tensors[a].op > profile_.tensors[b].op; });
    std::vector<bool> mask(profile_.tensors.size(), false);
    if (order.empty()) return FullMask(profile_);
    std::vector<bool> live(profile_.ops.size(), false);
    for (const int k : order) {
      if (live[sources_[k].op]) continue;
      mask[k] = true;
      live = LiveOps(profile_, mask);
    }
    return mask;
  }

  const ModelProfile& profile_;
  std::vector<int> only_consumer_;  // [num_ops]: the consumer of an op to which one edge leads; otherwise kNone.
  std::vector<int> uses_;           // [num_ops]: how many edges lead to each op.
  std::vector<Source> sources_;     // [num_tensors]
};

int64_t Share(int64_t nanoseconds, double weight, double total) {
  return std::llround(static_cast<double>(nanoseconds) * (weight / total));
}

// Replaces the costs of one op, which are FLOPs at first, by nanoseconds.
class OpSplit {
 public:
  explicit OpSplit(Op& op) : op_(op), flops_(op), charged_(op.inputs.size(), false) {
    op.cost = 0;
    for (Edge& edge : op.inputs) edge.cost = 0;
  }

  // Charges what the op took, `nanoseconds`, when exactly its edges `live` [num_edges] were live: what it took more
  // than in the previous call goes to the edges that were not live then. REQUIRES: the edges live then are live now.
  void Charge(const std::vector<bool>& live, int64_t nanoseconds) {
    const bool first = !started_;
    started_ = true;
    double flops = first ? static_cast<double>(flops_.cost) : 0;
    int count = 0;
    for (size_t e = 0; e < live.size(); ++e) {
      if (!live[e] || charged_[e]) continue;
      flops += static_cast<double>(flops_.inputs[e].cost);
      ++count;
    }
    const int64_t added = std::max<int64_t>(0, nanoseconds - total_);
    if (flops == 0 && count == 0) {
      if (first) op_.cost = total_ = added;
      return;
    }
    for (size_t e = 0; e < live.size(); ++e) {
      if (!live[e] || charged_[e]) continue;
      charged_[e] = true;
      op_.inputs[e].cost =
          flops > 0 ? Share(added, static_cast<double>(flops_.inputs[e].cost), flops) : Share(added, 1, count);
      total_ += op_.inputs[e].cost;
    }
    if (first && flops > 0) total_ += op_.cost = Share(added, static_cast<double>(flops_.cost), flops);
  }

 private:
  Op& op_;
  const Op flops_;
  std::vector<bool> charged_;  // [num_edges]
  int64_t total_ = 0;
  bool started_ = false;
};

// Splits the times of the op `index` under the masks from `first_mask` on. `live_ops` is [num_masks][num_ops].
void SplitOp(int index, size_t first_mask, const std::vector<std::vector<bool>>& live_ops,
             const std::vector<TimedBackward>& runs, ModelProfile& profile) {
  Op& op = profile.ops[index];
  const auto live_edges = [&](size_t mask) {
    std::vector<bool> live;
    for (const Edge& edge : op.inputs) live.push_back(live_ops[mask][edge.op]);
    return live;
  };
  OpSplit split(op);
  for (size_t mask = first_mask; mask < live_ops.size();) {
    if (!live_ops[mask][index]) {
      ++mask;
      continue;
    }
    const std::vector<bool> live = live_edges(mask);
    std::vector<int64_t> times;
    for (; mask < live_ops.size() && live_edges(mask) == live; ++mask) {
      for (const TimedBackward& run : runs) {
        if (run.mask == static_cast<int>(mask)) times.push_back(run.node_nanoseconds[index]);
      }
    }
    split.Charge(live, Median(std::move(times)));
  }
}

// Returns, for each op [num_ops], whether other ops run within it.
std::vector<bool> Checkpoints(const std::vector<int>& belongs_to) {
  std::vector<bool> is_checkpoint(belongs_to.size(), false);
  for (const int checkpoint : belongs_to) {
    if (checkpoint != kNone) is_checkpoint[checkpoint] = true;
  }
  return is_checkpoint;
}

int64_t TotalCost(const Op& op) {
  int64_t cost = op.cost;
  for (const Edge& edge : op.inputs) cost += edge.cost;
  return cost;
}

// A checkpoint was timed as a whole, under its own op. Divides that time by FLOPs among the op and the ops within it.
void SplitCheckpoints(const std::vector<int>& belongs_to, const std::vector<Op>& flops, ModelProfile& profile) {
  const std::vector<bool> is_checkpoint = Checkpoints(belongs_to);
  const auto owner = [&](size_t op) { return belongs_to[op] == kNone ? static_cast<int>(op) : belongs_to[op]; };
  std::vector<double> total_flops(flops.size(), 0);
  std::vector<int64_t> times(flops.size(), 0);
  for (size_t op = 0; op < flops.size(); ++op) {
    total_flops[owner(op)] += static_cast<double>(TotalCost(flops[op]));
    times[op] = TotalCost(profile.ops[op]);
  }
  for (size_t op = 0; op < flops.size(); ++op) {
    const int checkpoint = owner(op);
    if (!is_checkpoint[checkpoint] || total_flops[checkpoint] == 0) continue;
    const auto share = [&](int64_t cost) {
      return Share(times[checkpoint], static_cast<double>(cost), total_flops[checkpoint]);
    };
    profile.ops[op].cost = share(flops[op].cost);
    for (size_t e = 0; e < flops[op].inputs.size(); ++e) {
      profile.ops[op].inputs[e].cost = share(flops[op].inputs[e].cost);
    }
  }
}

}  // namespace

std::vector<std::vector<bool>> NestedMasks(const ModelProfile& profile) { return MaskBuilder(profile).Build(); }

void SplitTimes(const std::vector<std::vector<bool>>& masks, const std::vector<TimedBackward>& runs,
                const std::vector<int>& belongs_to, ModelProfile& profile) {
  const std::vector<Op> flops = profile.ops;
  std::vector<std::vector<bool>> live_ops;
  for (const std::vector<bool>& mask : masks) live_ops.push_back(LiveOps(profile, mask));
  const std::vector<bool> is_checkpoint = Checkpoints(belongs_to);
  for (size_t op = 0; op < profile.ops.size(); ++op) {
    // A checkpoint runs different nodes under every mask, so only its time under the last, full mask is used. It is
    // divided by FLOPs below.
    SplitOp(static_cast<int>(op), is_checkpoint[op] ? masks.size() - 1 : 0, live_ops, runs, profile);
  }
  SplitCheckpoints(belongs_to, flops, profile);
  std::vector<int64_t> starts;
  for (const TimedBackward& run : runs) starts.push_back(run.start_nanoseconds);
  profile.ops[0].cost += Median(std::move(starts));
}

void Calibrate(int64_t full_nanoseconds, ModelProfile& profile) {
  const int64_t predicted = EvaluateMask(profile, FullMask(profile)).backward_cost;
  if (predicted == 0) return;
  const auto scale = [&](int64_t& cost) {
    cost = Share(full_nanoseconds, static_cast<double>(cost), static_cast<double>(predicted));
  };
  for (Op& op : profile.ops) {
    scale(op.cost);
    for (Edge& edge : op.inputs) scale(edge.cost);
  }
}

int64_t Median(std::vector<int64_t> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace greenplan::profiler
