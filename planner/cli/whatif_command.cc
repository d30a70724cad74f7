#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "planner/cli/budget_list.h"
#include "planner/cli/commands.h"
#include "planner/cli/curve_printer.h"
#include "planner/cli/inputs.h"
#include "planner/cli/remote_jobs.h"
#include "planner/client/server_flags.h"
#include "planner/convert/convert.h"
#include "planner/core/invalid_argument.h"
#include "planner/flags/plan_flags.h"
#include "planner/job/planning.h"

namespace greenplan {
namespace {

// What is printed: a curve, and the profile that its plans are of.
struct ProfileCurve {
  std::shared_ptr<const PreparedProfile> profile;
  Curve curve;
};

struct WhatIfCommand {
  explicit WhatIfCommand(CLI::App& app)
      : flags(app, {.methods = {"selection", "drop", "joint"}, .has_budget = false}), server(app) {
    app.add_option("--profile", profile, "The model's profile (.json or .pb, also .gz).");
    app.add_option("--importance", importance,
                   "What training each tensor is worth: an ImportanceReport (.json or .pb, also .gz).");
    app.add_option(
        "--job", job,
        "A job of the daemon, instead of both files. Its own options apply unless flags above say what to plan.");
    app.add_option("--round", round, "With --job: the round whose importance counts. Default: the latest with a plan.");
    app.add_option("--budgets", budgets,
                   "START:END:STEP, or a list of budgets; auto is the one of the highest value per cost.")
        ->delimiter(',')
        ->required();
    app.add_option("--format", format, "table (default), json, csv, or html: a page with the curve.")
        ->check(OneOf({"table", "json", "csv", "html"}));
  }

  absl::Status Run() const;

  absl::Status CheckSource() const;
  absl::StatusOr<ProfileCurve> CurveOfFiles() const;
  absl::StatusOr<ProfileCurve> CurveOfJob() const;
  // What the flags change in the job's own options; nothing if they say nothing about what to plan.
  absl::StatusOr<std::optional<v1::PlanOptions>> OptionsBesideJob() const;

  PlanFlags flags;
  ServerFlags server;
  std::string profile;
  std::string importance;
  std::string job;
  std::optional<int64_t> round;
  std::vector<std::string> budgets;
  std::string format = "table";
};

absl::Status WhatIfCommand::CheckSource() const {
  const std::string& file = profile.empty() ? importance : profile;
  const absl::string_view file_flag = profile.empty() ? "--importance" : "--profile";
  if (!job.empty()) {
    if (file.empty()) return absl::OkStatus();
    return InvalidArgument("--job", " is ", job, " beside ", file_flag, "; allowed: a job or files");
  }
  if (round.has_value()) return InvalidArgument("--round", " is ", *round, "; allowed: with --job only");
  if (profile.empty()) return absl::InvalidArgumentError("--profile or --job is required");
  if (importance.empty()) return absl::InvalidArgumentError("--importance is required with --profile");
  return absl::OkStatus();
}

absl::StatusOr<ProfileCurve> WhatIfCommand::CurveOfFiles() const {
  const auto requested = OptionsOfList(flags);
  if (!requested.ok()) return requested.status();
  const auto method = MethodFromProto(*requested);
  if (!method.ok()) return method.status();
  auto parsed = ParseBudgets(budgets, flags, *method);
  if (!parsed.ok()) return parsed.status();
  const auto prepared = LoadProfile(profile);
  if (!prepared.ok()) return prepared.status();
  const auto options = (*prepared)->ReadOptions(*requested);
  if (!options.ok()) return PlanFlags::NameFlags(options.status());
  auto report = LoadReport(importance, **prepared, *options);
  if (!report.ok()) return report.status();
  const PlanRequest request = {.measurements = &report->measurements, .options = &*options};
  auto plans = MakeCurve((*prepared)->planner(), request, *parsed);
  if (!plans.ok()) return NameBudgets(PlanFlags::NameFlags(plans.status()));
  return ProfileCurve{*prepared, {*std::move(parsed), *std::move(plans), std::move(report->measurements.importance)}};
}

absl::StatusOr<std::optional<v1::PlanOptions>> WhatIfCommand::OptionsBesideJob() const {
  if (!flags.HasOptions()) return std::nullopt;
  auto options = OptionsOfList(flags);
  if (!options.ok()) return options.status();
  return *std::move(options);
}

absl::StatusOr<ProfileCurve> WhatIfCommand::CurveOfJob() const {
  v1::WhatIfRequest request;
  const auto name = JobNameOf("--job", job);
  if (!name.ok()) return name.status();
  request.set_job(*name);
  if (round.has_value()) request.set_round(*round);
  auto own_options = OptionsBesideJob();
  if (!own_options.ok()) return own_options.status();
  auto jobs = RemoteJobs::Open(server);
  if (!jobs.ok()) return jobs.status();
  const auto remote = jobs->Get(*name);
  if (!remote.ok()) return remote.status();

  const v1::PlanOptions& options = own_options->has_value() ? **own_options : remote->job.options();
  const auto method = MethodFromProto(options);
  if (!method.ok()) return method.status();
  if (*method == Method::kFull) {
    return InvalidArgument("--method", " is missing, and ", *name,
                           " trains everything; allowed: selection, drop, joint");
  }
  const auto messages = ParseBudgetMessages(budgets, flags, *method);
  if (!messages.ok()) return messages.status();
  ProfileCurve result;
  for (v1::Budget budget : *messages) {
    // The job's second limit holds for every budget that has none of its own.
    if (!own_options->has_value() && options.budget().has_max_saved_bytes() && !budget.has_max_saved_bytes()) {
      budget.set_max_saved_bytes(options.budget().max_saved_bytes());
    }
    result.curve.budgets.push_back(*BudgetFromProto(budget, *method));
    *request.add_budgets() = std::move(budget);
  }
  if (own_options->has_value()) *request.mutable_options() = **own_options;
  auto curve = jobs->WhatIf(request);
  if (!curve.ok()) return curve.status();
  result.profile = curve->job.profile;
  result.curve.plans = std::move(curve->plans);
  result.curve.importance = std::move(curve->measurements.importance);
  return result;
}

absl::Status WhatIfCommand::Run() const {
  if (absl::Status status = CheckSource(); !status.ok()) return status;
  const auto result = job.empty() ? CurveOfFiles() : CurveOfJob();
  if (!result.ok()) return result.status();
  PrintCurve(result->curve, result->profile->profile(), format);
  return absl::OkStatus();
}

}  // namespace

void AddWhatIfCommand(Program& program) {
  program.AddCommand<WhatIfCommand>(
      "whatif", "Shows what every budget of a list would buy, from files or for a job of a daemon.",
      "greenplan whatif --profile opt-2.7b.json --importance opt-2.7b.importance.json --budgets 0.4:1:0.1\n"
      "  greenplan whatif --job opt-2.7b --server planner:7437 --budgets 0.4:1:0.1");
}

}  // namespace greenplan
