#include "trainer_client/session/cost_by_op.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace greenplan::trainer {
namespace {

// [num_ops]: the cost of the weight gradients on each op, kNone where no reached tensor hangs on it.
std::vector<int64_t> WeightGradCosts(const ModelProfile& profile, const std::vector<bool>& reached) {
  std::vector<int64_t> costs(profile.ops.size(), kNone);
  for (size_t k = 0; k < reached.size(); ++k) {
    if (!reached[k]) continue;
    int64_t& cost = costs[profile.tensors[k].op];
    cost = std::max<int64_t>(cost, 0) + profile.tensors[k].weight_grad_cost;
  }
  return costs;
}

}  // namespace

std::map<std::string, int64_t> CostByOp(const ModelProfile& profile, const StepPlan& step) {
  const std::set<std::string> dropped(step.dropped_blocks.begin(), step.dropped_blocks.end());
  const std::vector<int64_t> weight_grads = WeightGradCosts(profile, step.reached);
  const size_t count = profile.ops.size();
  // Whether a gradient that arrives at the op is needed by a tensor; edges go to higher indices.
  std::vector<bool> is_needed(count), runs(count);
  for (size_t o = count; o-- > 0;) {
    const Op& op = profile.ops[o];
    if (op.block != kNone && dropped.contains(profile.blocks[op.block])) continue;
    is_needed[o] = weight_grads[o] != kNone || std::any_of(op.inputs.begin(), op.inputs.end(),
                                                           [&](const Edge& edge) { return is_needed[edge.op]; });
  }
  std::map<std::string, int64_t> costs;
  runs[0] = is_needed[0];
  for (size_t o = 0; o < count; ++o) {
    if (!runs[o]) continue;
    int64_t cost = profile.ops[o].cost + std::max<int64_t>(weight_grads[o], 0);
    for (const Edge& edge : profile.ops[o].inputs) {
      if (!is_needed[edge.op]) continue;
      runs[edge.op] = true;
      cost += edge.cost;
    }
    const std::string& name = profile.ops[o].name;
    if (cost != 0) costs[name.substr(0, name.find(' '))] += cost;
  }
  return costs;
}

std::map<std::string, int64_t> FlopsByOp(const std::map<std::string, int64_t>& flops_by_node) {
  std::map<std::string, int64_t> flops;
  for (const auto& [node, count] : flops_by_node) {
    const size_t suffix = node.rfind("Backward");
    flops[suffix == std::string::npos || suffix == 0 ? node : node.substr(0, suffix)] += count;
  }
  return flops;
}

std::string Differences(const std::map<std::string, int64_t>& executed,
                        const std::map<std::string, int64_t>& predicted) {
  std::set<std::string> names;
  for (const auto& [name, value] : executed) names.insert(name);
  for (const auto& [name, value] : predicted) names.insert(name);
  const auto value_of = [](const std::map<std::string, int64_t>& values, const std::string& name) {
    const auto entry = values.find(name);
    return entry == values.end() ? 0 : entry->second;
  };
  std::vector<std::string> parts;
  for (const std::string& name : names) {
    const int64_t ran = value_of(executed, name), expected = value_of(predicted, name);
    if (ran != expected) parts.push_back(absl::StrCat(name, " ", ran, " (", expected, " predicted)"));
  }
  return absl::StrJoin(parts, ", ");
}

}  // namespace greenplan::trainer
