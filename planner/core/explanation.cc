#include "planner/core/explanation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "planner/core/cost.h"

namespace greenplan {
namespace {

constexpr int64_t kWork = int64_t{1} << 30;

// Tells what changing one tensor does to the live ops, by looking at their neighbours alone.
class Marginals {
 public:
  Marginals(const ModelProfile& profile, const std::vector<bool>& trainable, WorkMeter& meter)
      : profile_(profile),
        meter_(meter),
        live_(LiveOps(profile, trainable)),
        own_(profile.ops.size()),
        parents_(profile.ops.size()),
        support_(profile.ops.size(), 0),
        added_(profile.ops.size()),
        seen_(profile.ops.size(), 0) {
    for (int j = 0; j < static_cast<int>(profile.ops.size()); ++j) {
      own_[j].backward_cost += profile.ops[j].cost;
      own_[j].saved_bytes += profile.ops[j].saved_bytes;
      for (const Edge& edge : profile.ops[j].inputs) {
        own_[edge.op].backward_cost += edge.cost;
        parents_[edge.op].push_back(j);
        if (live_[edge.op]) ++support_[j];
      }
    }
    for (size_t k = 0; k < trainable.size(); ++k) {
      if (trainable[k] && profile.tensors[k].op != kNone) ++support_[profile.tensors[k].op];
    }
    for (int j = 0; j < static_cast<int>(profile.ops.size()) && !meter.exhausted(); ++j) {
      if (!live_[j]) added_[j] = AddedBy(j);
    }
  }

  // Returns what making the op live adds, with all ops that become live with it.
  MaskCost Added(int op) const { return added_[op]; }

  // Returns what is live no longer without a tensor that hangs on the op.
  MaskCost Removed(int op) {
    MaskCost removed;
    std::vector<int> lowered{op};  // The ops that lose something they are live for.
    for (size_t i = 0; i < lowered.size(); ++i) {
      const int at = lowered[i];
      if (--support_[at] > 0) continue;
      Add(own_[at], removed);
      lowered.insert(lowered.end(), parents_[at].begin(), parents_[at].end());
    }
    meter_.Spend(static_cast<int64_t>(lowered.size()));
    for (int at : lowered) ++support_[at];
    return removed;
  }

 private:
  static void Add(const MaskCost& cost, MaskCost& to) {
    to.backward_cost += cost.backward_cost;
    to.saved_bytes += cost.saved_bytes;
  }

  // Returns what making an op live adds that is not live. An op is live with all its ancestors. If one parent has all
  // other parents among its ancestors, the op adds what that parent adds, and itself. REQUIRES: added_ is known for the
  // ops before it.
  MaskCost AddedBy(int op) {
    std::vector<int> dead;
    for (int parent : parents_[op]) {
      if (!live_[parent]) dead.push_back(parent);
    }
    MaskCost added = own_[op];
    if (dead.empty()) return added;
    const auto [first, last] = std::minmax_element(dead.begin(), dead.end());
    const int deepest = *last;
    ++stamp_;
    VisitDeadAncestors(deepest, *first, [](int) {});
    if (std::all_of(dead.begin(), dead.end(), [&](int parent) { return seen_[parent] == stamp_; })) {
      Add(added_[deepest], added);
      return added;
    }
    ++stamp_;
    for (int parent : dead) VisitDeadAncestors(parent, 0, [&](int at) { Add(own_[at], added); });
    return added;
  }

  // Visits each op from `from` upwards that is not live, has an index of at least `least` and has not been seen since
  // stamp_ changed.
  template <typename Visit>
  void VisitDeadAncestors(int from, int least, const Visit& visit) {
    if (seen_[from] == stamp_) return;
    seen_[from] = stamp_;
    stack_.assign(1, from);
    while (!stack_.empty()) {
      const int at = stack_.back();
      stack_.pop_back();
      visit(at);
      if (!meter_.Spend(1 + static_cast<int64_t>(parents_[at].size()) / 4)) return;
      for (int parent : parents_[at]) {
        if (parent < least || live_[parent] || seen_[parent] == stamp_) continue;
        seen_[parent] = stamp_;
        stack_.push_back(parent);
      }
    }
  }

  const ModelProfile& profile_;
  WorkMeter& meter_;
  const std::vector<bool> live_;           // [num_ops]
  std::vector<MaskCost> own_;              // [num_ops] Of an op and the edges into it.
  std::vector<std::vector<int>> parents_;  // [num_ops] One entry for each edge.
  std::vector<int> support_;               // [num_ops] Trainable tensors on an op, and edges to live ops.
  std::vector<MaskCost> added_;            // [num_ops] Of those that are not live.
  std::vector<int> seen_;                  // [num_ops] stamp_ at the last visit.
  int stamp_ = 0;
  std::vector<int> stack_;
};

}  // namespace

absl::StatusOr<std::vector<TensorMarginal>> ExplainMask(const ModelProfile& profile, const std::vector<bool>& trainable,
                                                        const std::vector<double>& importance, WorkMeter& meter) {
  Marginals of_ops(profile, trainable, meter);
  std::vector<TensorMarginal> marginals(trainable.size());
  for (size_t k = 0; k < marginals.size() && !meter.exhausted(); ++k) {
    TensorMarginal& marginal = marginals[k];
    const Tensor& tensor = profile.tensors[k];
    marginal.trainable = trainable[k];
    marginal.importance = importance[k];
    if (tensor.op == kNone) continue;
    const MaskCost ops = trainable[k] ? of_ops.Removed(tensor.op) : of_ops.Added(tensor.op);
    marginal.marginal_cost = tensor.weight_grad_cost + ops.backward_cost;
    marginal.marginal_saved_bytes = tensor.saved_bytes + ops.saved_bytes;
  }
  if (meter.stopped()) return absl::DeadlineExceededError("stopped before the plan was explained");
  if (meter.exhausted()) {
    return absl::ResourceExhaustedError(absl::StrCat("the profile has ", profile.ops.size(),
                                                     " ops, too entangled to explain a plan within ", kWork,
                                                     " units of work"));
  }
  return marginals;
}

absl::StatusOr<std::vector<TensorMarginal>> ExplainMask(const ModelProfile& profile, const std::vector<bool>& trainable,
                                                        const std::vector<double>& importance) {
  const StopFunction never;
  WorkMeter meter(kWork, never);
  return ExplainMask(profile, trainable, importance, meter);
}

std::vector<std::optional<int64_t>> EntryBudgets(const std::vector<Plan>& curve, int num_tensors) {
  std::vector<std::optional<int64_t>> budgets(num_tensors);
  for (const Plan& plan : curve) {
    for (int k = 0; k < num_tensors; ++k) {
      if (plan.trainable[k]) budgets[k] = std::min(budgets[k].value_or(plan.budget), plan.budget);
    }
  }
  return budgets;
}

double ValuePerCost(const ModelProfile& profile, const Plan& plan, const std::vector<double>& importance) {
  double positive = 0;
  double trained = 0;
  for (size_t k = 0; k < importance.size(); ++k) {
    const int op = profile.tensors[k].op;
    if (op == kNone) continue;
    positive += std::max(0.0, importance[k]);
    if (!plan.trainable[k]) continue;
    const int block = profile.ops[op].block;
    trained += importance[k] * (block == kNone || plan.drop_rates.empty() ? 1 : 1 - plan.drop_rates[block]);
  }
  if (positive <= 0 || plan.predicted_cost == 0) return 0;
  return trained / positive / (static_cast<double>(plan.predicted_cost) / static_cast<double>(plan.full_cost));
}

}  // namespace greenplan
