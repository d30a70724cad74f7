#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "planner/cli/commands.h"
#include "planner/cli/inputs.h"
#include "planner/cli/output.h"
#include "planner/core/cost.h"

namespace greenplan {
namespace {

struct CostCommand {
  explicit CostCommand(CLI::App& app) {
    app.add_option("--profile", profile, "The model's profile (.json or .pb, also .gz).")->required();
    app.add_option("--trainable", trainable, "Names of the tensors that train, or @FILE with one name a line.")
        ->required();
    app.add_option("--drop-rates", drop_rates, "JSON file {block: rate}; without it no block is dropped.");
    AddFormatFlag(app, format);
  }

  absl::Status Run() const;

  std::string profile;
  std::vector<std::string> trainable;
  std::string drop_rates;
  std::string format = "table";
};

std::string CostTable(const nlohmann::ordered_json& cost, CostUnit unit) {
  const auto value = [&cost](const char* key) { return cost[key].get<int64_t>(); };
  const int64_t full = value("forward_cost") + value("full_backward_cost");
  TextTable table({"", "cost", "of full"});
  const auto add = [&](const char* label, int64_t part, int64_t whole) {
    table.AddRow({label, HumanCost(part, unit), Percent(static_cast<double>(part), static_cast<double>(whole))});
  };
  add("forward", value("forward_cost"), value("forward_cost"));
  add("backward", value("backward_cost"), value("full_backward_cost"));
  add("forward + backward", value("predicted_cost"), full);
  table.AddRow({"saved activations", HumanBytes(value("saved_bytes")), ""});
  return table.ToString();
}

absl::Status CostCommand::Run() const {
  const auto prepared = LoadProfile(profile);
  if (!prepared.ok()) return prepared.status();
  const ModelProfile& model = (*prepared)->profile();
  auto mask = LoadMask("--trainable", trainable, model);
  if (!mask.ok()) return mask.status();
  // The loss does not reach these: training them costs nothing, and changes nothing.
  for (size_t k = 0; k < mask->size(); ++k) {
    if (model.tensors[k].op == kNone) (*mask)[k] = false;
  }

  const MaskCost cost = EvaluateMask(model, *mask);
  int64_t backward_cost = cost.backward_cost;
  if (!drop_rates.empty()) {
    const auto rates = LoadDropRates(drop_rates, model);
    if (!rates.ok()) return rates.status();
    backward_cost = ExpectedBackwardCost(model, *mask, *rates);
  }
  const nlohmann::ordered_json json = {
      {"forward_cost", model.forward_cost},
      {"backward_cost", backward_cost},
      {"full_backward_cost", EvaluateMask(model, FullMask(model)).backward_cost},
      {"predicted_cost", model.forward_cost + backward_cost},
      {"saved_bytes", cost.saved_bytes},
  };
  if (format == "table") {
    Print(CostTable(json, model.cost_unit));
  } else {
    Print(format == "json" ? JsonLine(json) : CsvOf({json}));
  }
  return absl::OkStatus();
}

}  // namespace

void AddCostCommand(Program& program) {
  program.AddCommand<CostCommand>("cost", "Counts what a step costs that trains exactly the given tensors.",
                                  "greenplan cost --profile opt-2.7b.json --trainable @names.txt --format json");
}

}  // namespace greenplan
