#include "planner/cli/explanation_printer.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "planner/cli/output.h"
#include "planner/convert/names.h"
#include "planner/convert/plan_json.h"
#include "planner/core/cost.h"
#include "planner/job/explain.h"

namespace greenplan {
namespace {

// Which plan it is. What it costs follows from what trains: a file may lack it.
std::string Headline(const Plan& plan, const ModelProfile& profile) {
  const std::vector<bool>& mask = plan.trainable;
  const std::vector<double>& rates = plan.drop_rates;
  const int64_t cost = profile.forward_cost + (rates.empty() ? EvaluateMask(profile, mask).backward_cost
                                                             : ExpectedBackwardCost(profile, mask, rates));
  std::string text =
      absl::StrCat("plan: ", MethodName(plan.method), ", budget ",
                   plan.budget == 0 ? "none" : HumanCost(plan.budget, profile.cost_unit), ", predicted cost ",
                   HumanCost(cost, profile.cost_unit), " (", Percent(cost, FullCost(profile)), " of full), value ",
                   plan.value, ", ", ShareOf(mask, profile).num_trainable, " of ", mask.size(), " tensors\n");
  if (!plan.message.empty()) absl::StrAppend(&text, plan.message, "\n");
  const bool drops = std::any_of(rates.begin(), rates.end(), [](double rate) { return rate > 0; });
  if (drops) absl::StrAppend(&text, "marginals are at full cost: the plan's drop rates do not count in them\n");
  return text;
}

std::string ExplanationTable(const std::vector<nlohmann::ordered_json>& rows, const ModelProfile& profile) {
  const int64_t full_cost = FullCost(profile);
  TextTable table(
      {"tensor", "trains", "importance", "marginal cost", "of full", "marginal saved", "entry budget", "of full"}, {1});
  for (const nlohmann::ordered_json& row : rows) {
    const int64_t cost = row["marginal_cost"];
    const bool enters = !row["entry_budget"].is_null();
    const int64_t entry_budget = enters ? row["entry_budget"].get<int64_t>() : 0;
    table.AddRow({row["tensor"], row["trainable"] ? "*" : "", absl::StrCat(row["importance"].get<double>()),
                  HumanCost(cost, profile.cost_unit), Percent(cost, full_cost), HumanBytes(row["marginal_saved_bytes"]),
                  enters ? HumanCost(entry_budget, profile.cost_unit) : "-",
                  enters ? Percent(entry_budget, full_cost) : "-"});
  }
  return table.ToString();
}

}  // namespace

void PrintExplanation(const std::vector<nlohmann::ordered_json>& rows, const Plan& plan, const ModelProfile& profile,
                      const std::string& format) {
  if (format == "table") {
    Print(absl::StrCat(Headline(plan, profile), "\n", ExplanationTable(rows, profile)));
  } else {
    Print(format == "json" ? JsonLine(rows) : CsvOf(rows));
  }
}

}  // namespace greenplan
