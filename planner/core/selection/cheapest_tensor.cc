#include "planner/core/selection/cheapest_tensor.h"

#include <algorithm>
#include <utility>

#include "planner/core/cost.h"

namespace greenplan {
namespace {

// Returns a lower bound on what training each tensor alone takes, [num_tensors]. An op is live with all its parents, so
// it takes its own share (with the edges into it) and at least what the dearest of its parents takes.
std::vector<MaskCost> LowerBounds(const ModelProfile& profile) {
  std::vector<MaskCost> own(profile.ops.size()), dearest_parent(profile.ops.size());
  for (size_t j = 0; j < profile.ops.size(); ++j) {
    const Op& op = profile.ops[j];
    own[j].backward_cost += op.cost;
    own[j].saved_bytes += op.saved_bytes;
    // Parents come first, so own[j] holds its edges by now.
    const MaskCost bound{own[j].backward_cost + dearest_parent[j].backward_cost,
                         own[j].saved_bytes + dearest_parent[j].saved_bytes};
    for (const Edge& edge : op.inputs) {
      own[edge.op].backward_cost += edge.cost;
      MaskCost& parent = dearest_parent[edge.op];
      parent.backward_cost = std::max(parent.backward_cost, bound.backward_cost);
      parent.saved_bytes = std::max(parent.saved_bytes, bound.saved_bytes);
    }
  }
  std::vector<MaskCost> bounds(profile.tensors.size());
  for (size_t k = 0; k < bounds.size(); ++k) {
    const Tensor& tensor = profile.tensors[k];
    if (tensor.op == kNone) continue;
    bounds[k].backward_cost =
        own[tensor.op].backward_cost + dearest_parent[tensor.op].backward_cost + tensor.weight_grad_cost;
    bounds[k].saved_bytes = own[tensor.op].saved_bytes + dearest_parent[tensor.op].saved_bytes + tensor.saved_bytes;
  }
  return bounds;
}

int64_t WorkOfEvaluation(const ModelProfile& profile) {
  size_t work = profile.ops.size() + profile.tensors.size();
  for (const Op& op : profile.ops) work += op.inputs.size();
  return static_cast<int64_t>(work);
}

// The least `field` of a tensor alone among the candidates that cost at most `most_cost`, lowest bound first. If the
// meter runs out, the least bound among those left counts and `is_cut_short` is set.
std::optional<int64_t> Least(const ModelProfile& profile, const std::vector<bool>& candidates,
                             const std::vector<MaskCost>& bounds, int64_t MaskCost::*field,
                             std::optional<int64_t> most_cost, WorkMeter& meter, bool& is_cut_short) {
  std::vector<std::pair<int64_t, int>> order;
  for (size_t k = 0; k < candidates.size(); ++k) {
    if (!candidates[k] || (most_cost && bounds[k].backward_cost > *most_cost)) continue;
    order.emplace_back(bounds[k].*field, static_cast<int>(k));
  }
  std::sort(order.begin(), order.end());
  const int64_t work = WorkOfEvaluation(profile);
  std::optional<int64_t> least;
  std::vector<bool> alone(candidates.size(), false);
  for (const auto& [bound, k] : order) {
    if (least && bound >= *least) break;
    if (!meter.Spend(work) || meter.stopped()) {
      is_cut_short = true;
      return bound;
    }
    alone[k] = true;
    const MaskCost cost = EvaluateMask(profile, alone);
    alone[k] = false;
    if (most_cost && cost.backward_cost > *most_cost) continue;
    least = std::min(least.value_or(cost.*field), cost.*field);
  }
  return least;
}

}  // namespace

CheapestTensor FindCheapestTensor(const ModelProfile& profile, const std::vector<bool>& candidates,
                                  int64_t backward_budget, WorkMeter& meter) {
  const std::vector<MaskCost> bounds = LowerBounds(profile);
  CheapestTensor cheapest;
  bool& is_cut_short = cheapest.is_cut_short;
  cheapest.backward_cost =
      Least(profile, candidates, bounds, &MaskCost::backward_cost, std::nullopt, meter, is_cut_short);
  if (cheapest.backward_cost && *cheapest.backward_cost <= backward_budget) {
    cheapest.saved_bytes =
        Least(profile, candidates, bounds, &MaskCost::saved_bytes, backward_budget, meter, is_cut_short);
  }
  return cheapest;
}

}  // namespace greenplan
