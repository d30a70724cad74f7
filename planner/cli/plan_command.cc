#include <string>
#include <utility>

#include "planner/cli/commands.h"
#include "planner/cli/inputs.h"
#include "planner/cli/output.h"
#include "planner/cli/plan_printer.h"
#include "planner/cli/requested_plan.h"
#include "planner/flags/plan_flags.h"

namespace greenplan {
namespace {

struct PlanCommand {
  explicit PlanCommand(CLI::App& app) : flags(app) {
    app.add_option("--profile", profile, "The model's profile (.json or .pb, also .gz).")->required();
    app.add_option("--importance", importance,
                   "What training each tensor is worth: an ImportanceReport (.json or .pb, also .gz).");
    app.add_option(
        "--keep-plan", keep_plan,
        "File of the plan in force, as plan --format json prints it; --churn-threshold says when it is kept.");
    AddFormatFlag(app, format);
  }

  absl::Status Run() const;

  PlanFlags flags;
  std::string profile;
  std::string importance;
  std::string keep_plan;
  std::string format = "table";
};

absl::Status PlanCommand::Run() const {
  const auto requested = RequestedOptions(flags);
  if (!requested.ok()) return requested.status();
  const auto prepared = LoadProfile(profile);
  if (!prepared.ok()) return prepared.status();
  const auto options = (*prepared)->ReadOptions(*requested);
  if (!options.ok()) return PlanFlags::NameFlags(options.status());

  LoadedReport report;
  if (!importance.empty()) {
    auto loaded = LoadReport(importance, **prepared, *options);
    if (!loaded.ok()) return loaded.status();
    report = *std::move(loaded);
  } else if (options->method != Method::kFull) {
    return absl::InvalidArgumentError("--importance is missing; every method but full requires it");
  }
  const Measurements* measurements = importance.empty() ? nullptr : &report.measurements;
  const auto planned = RequestedPlan(**prepared, *options, measurements, keep_plan);
  if (!planned.ok()) return planned.status();

  PrintPlan((*prepared)->WritePlan(*planned), (*prepared)->profile(),
            report.has_importance ? &report.measurements.importance : nullptr, format);
  return absl::OkStatus();
}

}  // namespace

void AddPlanCommand(Program& program) {
  program.AddCommand<PlanCommand>(
      "plan", "Plans what to train within a budget.",
      "greenplan plan --profile opt-2.7b.json --importance opt-2.7b.importance.json --budget 0.5 --format json");
}

}  // namespace greenplan
