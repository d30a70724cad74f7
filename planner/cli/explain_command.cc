#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "planner/cli/budget_list.h"
#include "planner/cli/commands.h"
#include "planner/cli/explanation_printer.h"
#include "planner/cli/inputs.h"
#include "planner/cli/output.h"
#include "planner/cli/requested_plan.h"
#include "planner/flags/plan_flags.h"
#include "planner/job/explain.h"

namespace greenplan {
namespace {

struct ExplainCommand {
  explicit ExplainCommand(CLI::App& command) : app(command), flags(command) {
    app.add_option("--profile", profile, "The model's profile (.json or .pb, also .gz).")->required();
    app.add_option("--importance", importance,
                   "What training each tensor is worth: an ImportanceReport (.json or .pb, also .gz).")
        ->required();
    app.add_option("--plan", plan_path,
                   "The plan to explain, as plan --format json prints it; without it, the plan of the other flags.");
    app.add_option(
        "--keep-plan", keep_plan,
        "File of the plan in force, as plan --format json prints it; --churn-threshold says when it is kept.");
    app.add_option("--budgets", budgets,
                   "Where to look for the budget at which a tensor enters: START:END:STEP, or a list of budgets. "
                   "Default: 0.02:1:0.02 of full.")
        ->delimiter(',');
    AddFormatFlag(app, format);
  }

  absl::Status Run() const;

  // Those of the plan that the flags ask for; under --plan, those of the curve alone.
  absl::StatusOr<v1::PlanOptions> Options() const;

  CLI::App& app;
  PlanFlags flags;
  std::string profile;
  std::string importance;
  std::string plan_path;
  std::string keep_plan;
  std::vector<std::string> budgets;
  std::string format = "table";
};

absl::StatusOr<v1::PlanOptions> ExplainCommand::Options() const {
  if (plan_path.empty()) return RequestedOptions(flags);
  for (const char* flag : {"--method", "--budget", "--mean-drop-rate", "--keep-plan"}) {
    if (app.count(flag) == 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--plan is ", plan_path, " beside ", flag, "; allowed: one of them"));
  }
  return OptionsOfList(flags);
}

absl::Status ExplainCommand::Run() const {
  const auto requested = Options();
  if (!requested.ok()) return requested.status();
  auto curve_budgets = ParseBudgets(budgets, flags, Method::kSelection);
  if (!curve_budgets.ok()) return curve_budgets.status();
  const auto prepared = LoadProfile(profile);
  if (!prepared.ok()) return prepared.status();
  const auto options = (*prepared)->ReadOptions(*requested);
  if (!options.ok()) return PlanFlags::NameFlags(options.status());

  // The budgets at which tensors enter are those of method selection, whatever the plan's method is.
  PlanOptions curve_options = *options;
  curve_options.method = Method::kSelection;
  const auto report = LoadReport(importance, **prepared, curve_options);
  if (!report.ok()) return report.status();
  const Measurements& measurements = report->measurements;
  const auto plan = plan_path.empty() ? RequestedPlan(**prepared, *options, &measurements, keep_plan)
                                      : LoadPlan(plan_path, **prepared);
  if (!plan.ok()) return plan.status();
  const auto rows = ExplainPlan(**prepared, *plan, measurements, *options, *std::move(curve_budgets));
  if (!rows.ok()) return NameBudgets(PlanFlags::NameFlags(rows.status()));
  PrintExplanation(*rows, *plan, (*prepared)->profile(), format);
  return absl::OkStatus();
}

}  // namespace

void AddExplainCommand(Program& program) {
  program.AddCommand<ExplainCommand>(
      "explain",
      "Shows for each tensor what it would cost to add or save to leave out, and the budget at which it enters.",
      "greenplan explain --profile opt-2.7b.json --importance opt-2.7b.importance.json --budget 0.5");
}

}  // namespace greenplan
