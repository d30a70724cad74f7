#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/numeric/bits.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "planner/cli/budget_list.h"
#include "planner/cli/commands.h"
#include "planner/cli/explanation_printer.h"
#include "planner/cli/inputs.h"
#include "planner/cli/output.h"
#include "planner/cli/plan_printer.h"
#include "planner/cli/remote_jobs.h"
#include "planner/client/server_flags.h"
#include "planner/convert/names.h"
#include "planner/flags/plan_flags.h"
#include "planner/job/explain.h"

namespace greenplan {
namespace {

using nlohmann::ordered_json;

int64_t NumTrainable(const v1::Plan& plan) {
  int64_t count = 0;
  for (const char byte : plan.trainable()) count += absl::popcount(static_cast<uint8_t>(byte));
  return count;
}

// What a list tells of a plan.
ordered_json RowOf(const v1::Plan& plan) {
  return {
      {"round", plan.round()},
      {"method", MethodName(plan.method())},
      {"algorithm", AlgorithmName(plan.algorithm())},
      {"status", StatusName(plan.status())},
      {"message", plan.message()},
      {"trainable_count", NumTrainable(plan)},
      {"predicted_cost", plan.predicted_cost()},
      {"predicted_backward_cost", plan.predicted_backward_cost()},
      {"budget", plan.budget()},
      {"full_cost", plan.full_cost()},
      {"value", plan.value()},
      {"upper_bound", plan.upper_bound()},
      {"saved_bytes", plan.saved_bytes()},
      {"profile_revision", plan.profile_revision()},
      {"digest", plan.digest()},
  };
}

// `units` holds the cost unit of every revision of the job.
std::string PlansTable(const std::vector<v1::Plan>& plans, const absl::flat_hash_map<int64_t, CostUnit>& units) {
  TextTable table({"round", "method", "tensors", "predicted cost", "of full", "budget", "value", "upper bound",
                   "saved activations", "revision", "status"},
                  {1});
  for (const v1::Plan& plan : plans) {
    const CostUnit unit = units.at(plan.profile_revision());
    table.AddRow({absl::StrCat(plan.round()), MethodName(plan.method()), absl::StrCat(NumTrainable(plan)),
                  HumanCost(plan.predicted_cost(), unit), Percent(plan.predicted_cost(), plan.full_cost()),
                  plan.budget() == 0 ? "none" : HumanCost(plan.budget(), unit), absl::StrCat(plan.value()),
                  absl::StrCat(plan.upper_bound()), HumanBytes(plan.saved_bytes()),
                  absl::StrCat(plan.profile_revision()), StatusName(plan.status())});
  }
  return table.ToString();
}

// What the three commands have in common.
struct PlansCommand {
  explicit PlansCommand(CLI::App& app) : server(app) {
    app.add_option("JOB", job, "The job's id.")->required();
    AddFormatFlag(app, format);
  }

  void AddRound(CLI::App& app) { app.add_option("ROUND", round, "The round: 0, 1, 2, ...")->required(); }

  absl::StatusOr<std::string> JobName() const { return JobNameOf("JOB", job); }
  ServerFlags server;
  std::string job;
  int64_t round = 0;
  std::string format = "table";
};

struct ListPlansCommand : PlansCommand {
  explicit ListPlansCommand(CLI::App& app) : PlansCommand(app) {}

  absl::Status Run() const {
    const auto name = JobName();
    if (!name.ok()) return name.status();
    auto jobs = RemoteJobs::Open(server);
    if (!jobs.ok()) return jobs.status();
    const auto plans = jobs->ListPlans(*name);
    if (!plans.ok()) return plans.status();
    if (format == "table") {
      absl::flat_hash_map<int64_t, CostUnit> units;
      for (const v1::Plan& plan : *plans) {
        if (units.contains(plan.profile_revision())) continue;
        const auto job_then = jobs->Get(*name, plan.profile_revision());
        if (!job_then.ok()) return job_then.status();
        units[plan.profile_revision()] = job_then->profile->profile().cost_unit;
      }
      Print(PlansTable(*plans, units));
      return absl::OkStatus();
    }
    std::vector<ordered_json> rows;
    for (const v1::Plan& plan : *plans) rows.push_back(RowOf(plan));
    Print(format == "json" ? JsonLine(rows) : CsvOf(rows, RowOf(v1::Plan())));
    return absl::OkStatus();
  }
};

struct GetPlanCommand : PlansCommand {
  explicit GetPlanCommand(CLI::App& app) : PlansCommand(app) { AddRound(app); }

  absl::Status Run() const {
    const auto name = JobName();
    if (!name.ok()) return name.status();
    auto jobs = RemoteJobs::Open(server);
    if (!jobs.ok()) return jobs.status();
    const auto remote = jobs->GetPlan(*name, round);
    if (!remote.ok()) return remote.status();
    std::vector<double> importance;
    if (format == "table") {
      // Only a column of the table: a plan outlives the reports that it was made from.
      const auto report = jobs->Importance(*name, round);
      if (report.ok()) importance.assign(report->importance().begin(), report->importance().end());
    }
    const ModelProfile& profile = remote->job.profile->profile();
    const bool has_importance = importance.size() == profile.tensors.size();
    PrintPlan(remote->message, profile, has_importance ? &importance : nullptr, format);
    return absl::OkStatus();
  }
};

struct ExplainPlanCommand : PlansCommand {
  explicit ExplainPlanCommand(CLI::App& app) : PlansCommand(app), flags(app, {.has_options = false}) {
    AddRound(app);
    app.add_option("--importance", importance, "An ImportanceReport, instead of what the round's ranks reported.");
    app.add_option("--budgets", budgets,
                   "Where to look for the budget at which a tensor enters: START:END:STEP, or a list of budgets. "
                   "Default: 0.02:1:0.02 of full.")
        ->delimiter(',');
  }

  absl::Status Run() const {
    const auto name = JobName();
    if (!name.ok()) return name.status();
    auto curve_budgets = ParseBudgets(budgets, flags, Method::kSelection);
    if (!curve_budgets.ok()) return curve_budgets.status();
    auto jobs = RemoteJobs::Open(server);
    if (!jobs.ok()) return jobs.status();
    const auto remote = jobs->GetPlan(*name, round);
    if (!remote.ok()) return remote.status();
    const PreparedProfile& profile = *remote->job.profile;
    auto options = profile.ReadOptions(remote->job.job.options());
    if (!options.ok()) return options.status();
    const auto measurements = ReadImportance(*jobs, *name, profile, *options);
    if (!measurements.ok()) return measurements.status();
    const auto rows = ExplainPlan(profile, remote->plan, *measurements, *options, *std::move(curve_budgets));
    if (!rows.ok()) return NameBudgets(PlanFlags::NameFlags(rows.status()));
    PrintExplanation(*rows, remote->plan, profile.profile(), format);
    return absl::OkStatus();
  }

  // The budgets at which tensors enter are those of method selection, whatever the job's method is.
  absl::StatusOr<Measurements> ReadImportance(RemoteJobs& jobs, const std::string& name, const PreparedProfile& profile,
                                              PlanOptions options) const {
    options.method = Method::kSelection;
    if (!importance.empty()) {
      auto report = LoadReport(importance, profile, options);
      if (!report.ok()) return report.status();
      return std::move(report->measurements);
    }
    const auto report = jobs.Importance(name, round);
    if (!report.ok()) return report.status();
    return profile.ReadReport(*report, options);
  }

  PlanFlags flags;
  std::string importance;
  std::vector<std::string> budgets;
};

}  // namespace

void AddPlansCommands(Program& program) {
  Program::Group plans = program.AddGroup("plans", "Shows the plans that a daemon has made for a job.",
                                          "greenplan plans get opt-2.7b 3 --server planner:7437");
  plans.AddCommand<ListPlansCommand>("list", "Lists the plans of a job by round.",
                                     "greenplan plans list opt-2.7b --server planner:7437");
  plans.AddCommand<GetPlanCommand>("get", "Shows the plan of a round.",
                                   "greenplan plans get opt-2.7b 3 --server planner:7437 --format json");
  plans.AddCommand<ExplainPlanCommand>(
      "explain", "Shows why each tensor is in the plan of a round, or not; see greenplan explain --help.",
      "greenplan plans explain opt-2.7b 3 --server planner:7437");
}

}  // namespace greenplan
