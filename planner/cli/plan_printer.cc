#include "planner/cli/plan_printer.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "planner/cli/output.h"
#include "planner/convert/names.h"
#include "planner/convert/plan_json.h"

namespace greenplan {
namespace {

std::string SummaryTable(const v1::Plan& plan, const ModelProfile& profile) {
  const TrainableShare share = ShareOf(MaskOf(plan, profile), profile);
  const auto cost = [&](int64_t value) {
    return absl::StrCat(HumanCost(value, profile.cost_unit), " (", Percent(value, plan.full_cost()), " of full)");
  };
  TextTable table({"plan", absl::StrCat(MethodName(plan.method()), ", ", AlgorithmName(plan.algorithm()), ", ",
                                        StatusName(plan.status()))},
                  {1});
  if (!plan.message().empty()) table.AddRow({"message", plan.message()});
  table.AddRow(
      {"trainable", absl::StrCat(share.num_trainable, " of ", profile.tensors.size(), " tensors, ",
                                 Percent(share.trainable_parameters, share.parameters), " of the parameters")});
  table.AddRow({"predicted cost", cost(plan.predicted_cost())});
  table.AddRow({"  of it backward", HumanCost(plan.predicted_backward_cost(), profile.cost_unit)});
  table.AddRow({"budget", plan.budget() == 0 ? "none" : cost(plan.budget())});
  table.AddRow({"full cost", HumanCost(plan.full_cost(), profile.cost_unit)});
  table.AddRow({"value", absl::StrCat(plan.value())});
  table.AddRow({"upper bound", absl::StrCat(plan.upper_bound())});
  table.AddRow({"saved activations", HumanBytes(plan.saved_bytes())});
  table.AddRow({"digest", plan.digest()});
  return table.ToString();
}

// [num_tensors] Of each tensor's weight gradient. One with an op of its own, such as a tied one, has it on the edges
// into that op, which costs nothing itself.
std::vector<int64_t> WeightGradientCosts(const ModelProfile& profile) {
  std::vector<int64_t> edges_into(profile.ops.size(), 0);
  for (const Op& op : profile.ops) {
    for (const Edge& edge : op.inputs) edges_into[edge.op] += edge.cost;
  }
  const auto is_own = [&](int op) { return profile.ops[op].cost == 0 && profile.ops[op].inputs.empty(); };
  std::vector<int64_t> costs;
  for (const Tensor& tensor : profile.tensors) {
    const bool is_on_edges = tensor.op != kNone && tensor.weight_grad_cost == 0 && is_own(tensor.op);
    costs.push_back(is_on_edges ? edges_into[tensor.op] : tensor.weight_grad_cost);
  }
  return costs;
}

std::string PlanTable(const v1::Plan& plan, const ModelProfile& profile, const std::vector<double>* importance) {
  std::string text = SummaryTable(plan, profile);
  const std::vector<bool> mask = MaskOf(plan, profile);
  const std::vector<int64_t> costs = WeightGradientCosts(profile);
  TextTable tensors({"trainable tensor", "parameters", "importance", "weight gradient"});
  for (size_t k = 0; k < mask.size(); ++k) {
    if (!mask[k]) continue;
    const Tensor& tensor = profile.tensors[k];
    tensors.AddRow({tensor.name, absl::StrFormat("%.0f", NumParameters(tensor)),
                    importance != nullptr ? absl::StrCat((*importance)[k]) : "-",
                    HumanCost(costs[k], profile.cost_unit)});
  }
  absl::StrAppend(&text, "\n", tensors.ToString());
  if (plan.drop_rates_size() == 0) return text;
  TextTable blocks({"block", "drop rate"});
  for (int b = 0; b < plan.drop_rates_size(); ++b) {
    blocks.AddRow({profile.blocks[b], absl::StrCat(plan.drop_rates(b))});
  }
  return absl::StrCat(text, "\n", blocks.ToString());
}

}  // namespace

void PrintPlan(const v1::Plan& plan, const ModelProfile& profile, const std::vector<double>* importance,
               const std::string& format) {
  if (format == "table") {
    Print(PlanTable(plan, profile, importance));
    return;
  }
  const nlohmann::ordered_json json = PlanToJson(plan, profile);
  Print(format == "json" ? JsonLine(json) : CsvOf({json}));
}

}  // namespace greenplan
