#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "planner/cli/commands.h"
#include "planner/cli/inputs.h"
#include "planner/cli/output.h"
#include "planner/convert/plan_json.h"

namespace greenplan {
namespace {

struct CostCommand {
  explicit CostCommand(CLI::App& app) {
    app.add_option("--profile", profile, "The model's profile (.json or .pb, also .gz).")->required();
    app.add_option("--trainable", trainable, "Names of the tensors that train, or @FILE with one name per line.")
        ->required();
    app.add_option("--drop-rates", drop_rates, "JSON file {block: rate}. Default: no block is dropped.");
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
  const auto mask = LoadMask("--trainable", trainable, model);
  if (!mask.ok()) return mask.status();
  std::vector<double> rates;
  if (!drop_rates.empty()) {
    auto loaded = LoadDropRates(drop_rates, model);
    if (!loaded.ok()) return loaded.status();
    rates = *std::move(loaded);
  }
  const nlohmann::ordered_json json = CostToJson(model, *mask, rates);
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
