#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/time_util.h"
#include "nlohmann/json.hpp"
#include "planner/cli/commands.h"
#include "planner/cli/output.h"
#include "planner/cli/remote_jobs.h"
#include "planner/client/server_flags.h"
#include "planner/convert/convert.h"
#include "planner/convert/files.h"
#include "planner/convert/names.h"
#include "planner/convert/plan_json.h"
#include "planner/core/cost.h"
#include "planner/job/explain.h"

namespace greenplan {
namespace {

using google::protobuf::util::TimeUtil;
using nlohmann::ordered_json;

std::string IdOf(const v1::Job& job) { return std::string(absl::StripPrefix(job.name(), "jobs/")); }

// The budget of a job as flags would say it: {number or "auto" or null, what it is a share of}.
std::pair<ordered_json, std::string> BudgetOf(const v1::Budget& budget) {
  switch (budget.limit_case()) {
    case v1::Budget::kFractionOfFull:
      return {budget.fraction_of_full(), "full"};
    case v1::Budget::kFractionOfBackward:
      return {budget.fraction_of_backward(), "backward"};
    case v1::Budget::kAbsolute:
      return {budget.absolute(), "absolute"};
    case v1::Budget::kMeanDropRate:
      return {budget.mean_drop_rate(), "mean_drop_rate"};
    case v1::Budget::kBestValuePerCost:
      return {"auto", ""};
    case v1::Budget::LIMIT_NOT_SET:
      break;
  }
  return {nullptr, ""};
}

// What a list tells of a job.
ordered_json RowOf(const v1::Job& job) {
  auto [budget, budget_of] = BudgetOf(job.options().budget());
  ordered_json row = {
      {"job", IdOf(job)},
      {"method", MethodName(EffectiveMethod(job.options()))},
      {"budget", std::move(budget)},
      {"budget_of", std::move(budget_of)},
      {"world_size", job.world_size()},
      {"profile_revision", job.profile_revision()},
      {"profile_digest", job.profile_digest()},
      {"quorum_timeout_seconds", nullptr},
      {"create_time", TimeUtil::ToString(job.create_time())},
      {"update_time", TimeUtil::ToString(job.update_time())},
  };
  if (job.has_quorum_timeout()) {
    row["quorum_timeout_seconds"] = static_cast<double>(TimeUtil::DurationToNanoseconds(job.quorum_timeout())) / 1e9;
  }
  return row;
}

// What else there is to tell of one job.
ordered_json DetailsOf(const RemoteJob& remote) {
  const ModelProfile& profile = remote.profile->profile();
  ordered_json details = RowOf(remote.job);
  details["model"] = remote.job.profile().model();
  details["cost_unit"] = v1::CostUnit_Name(remote.job.profile().cost_unit());
  details["tensor_count"] = profile.tensors.size();
  details["block_count"] = profile.blocks.size();
  details["parameter_count"] = ShareOf(FullMask(profile), profile).parameters;
  details["forward_cost"] = profile.forward_cost;
  details["full_cost"] = FullCost(profile);
  details["options"] = PlanOptionsToJson(remote.job.options());
  return details;
}

std::string BudgetCell(const ordered_json& row) {
  if (row["budget"].is_null()) return "none";
  const std::string of = row["budget_of"];
  if (of == "mean_drop_rate") return absl::StrCat("mean drop rate ", row["budget"].dump());
  return absl::StrCat(BudgetLabel(row["budget"]), of.empty() || of == "absolute" ? "" : absl::StrCat(" of ", of));
}

std::string JobsTable(const std::vector<ordered_json>& rows) {
  TextTable table({"job", "method", "budget", "ranks", "revision", "created", "updated"}, {1, 2, 5, 6});
  for (const ordered_json& row : rows) {
    table.AddRow({row["job"], row["method"], BudgetCell(row), row["world_size"].dump(), row["profile_revision"].dump(),
                  row["create_time"], row["update_time"]});
  }
  return table.ToString();
}

std::string JobTable(const ordered_json& details, CostUnit unit) {
  const ordered_json& timeout = details["quorum_timeout_seconds"];
  TextTable table({"job", details["job"]}, {1});
  table.AddRow({"model", details["model"]});
  table.AddRow({"ranks", details["world_size"].dump()});
  table.AddRow({"method", details["method"]});
  table.AddRow({"budget", BudgetCell(details)});
  table.AddRow({"tensors", absl::StrFormat("%s, %.0f parameters", details["tensor_count"].dump(),
                                           details["parameter_count"].get<double>())});
  table.AddRow({"blocks", details["block_count"].dump()});
  table.AddRow({"full cost", HumanCost(details["full_cost"], unit)});
  table.AddRow({"quorum timeout", timeout.is_null() ? "the daemon's" : absl::StrCat(timeout.get<double>(), " s")});
  table.AddRow({"profile revision", details["profile_revision"].dump()});
  table.AddRow({"profile digest", details["profile_digest"]});
  table.AddRow({"created", details["create_time"]});
  table.AddRow({"updated", details["update_time"]});
  return table.ToString();
}

// What the three commands have in common.
struct JobsCommand {
  explicit JobsCommand(CLI::App& app) : server(app) { AddFormatFlag(app, format); }

  ServerFlags server;
  std::string format = "table";
};

struct ListJobsCommand : JobsCommand {
  explicit ListJobsCommand(CLI::App& app) : JobsCommand(app) {}

  absl::Status Run() const {
    auto jobs = RemoteJobs::Open(server);
    if (!jobs.ok()) return jobs.status();
    const auto list = jobs->List();
    if (!list.ok()) return list.status();
    std::vector<ordered_json> rows;
    for (const v1::Job& job : *list) rows.push_back(RowOf(job));
    if (format == "table") {
      Print(JobsTable(rows));
    } else {
      Print(format == "json" ? JsonLine(rows) : CsvOf(rows, RowOf(v1::Job())));
    }
    return absl::OkStatus();
  }
};

struct GetJobCommand : JobsCommand {
  explicit GetJobCommand(CLI::App& app) : JobsCommand(app) {
    app.add_option("JOB", job, "The job's id.")->required();
    app.add_option("--output", output, "File that gets the job's profile (.json or .pb, also .gz).");
  }

  absl::Status Run() const {
    const auto name = JobNameOf("JOB", job);
    if (!name.ok()) return name.status();
    auto jobs = RemoteJobs::Open(server);
    if (!jobs.ok()) return jobs.status();
    const auto remote = jobs->Get(*name);
    if (!remote.ok()) return remote.status();
    if (!output.empty()) {
      if (absl::Status status = WriteMessageFile(output, remote->job.profile()); !status.ok()) return status;
    }
    const ordered_json details = DetailsOf(*remote);
    if (format == "table") {
      Print(JobTable(details, remote->profile->profile().cost_unit));
    } else {
      Print(format == "json" ? JsonLine(details) : CsvOf({details}));
    }
    return absl::OkStatus();
  }

  std::string job;
  std::string output;
};

struct DeleteJobCommand : JobsCommand {
  explicit DeleteJobCommand(CLI::App& app) : JobsCommand(app) {
    app.add_option("JOB", job, "The job's id.")->required();
  }

  absl::Status Run() const {
    const auto name = JobNameOf("JOB", job);
    if (!name.ok()) return name.status();
    auto jobs = RemoteJobs::Open(server);
    if (!jobs.ok()) return jobs.status();
    if (absl::Status status = jobs->Delete(*name); !status.ok()) return status;
    const ordered_json result = {{"job", absl::StripPrefix(*name, "jobs/")}, {"deleted", true}};
    if (format == "table") {
      Print(absl::StrCat("deleted ", result["job"].get<std::string>(), "\n"));
    } else {
      Print(format == "json" ? JsonLine(result) : CsvOf({result}));
    }
    return absl::OkStatus();
  }

  std::string job;
};

}  // namespace

void AddJobsCommands(Program& program) {
  Program::Group jobs =
      program.AddGroup("jobs", "Shows or deletes the jobs of a daemon.",
                       "greenplan jobs list --server planner:7437 --tls-ca ca.pem --token-file token");
  jobs.AddCommand<ListJobsCommand>("list", "Lists the jobs.", "greenplan jobs list --server planner:7437");
  jobs.AddCommand<GetJobCommand>("get", "Shows a job, and saves its profile if asked to.",
                                 "greenplan jobs get opt-2.7b --output opt-2.7b.json --server planner:7437");
  jobs.AddCommand<DeleteJobCommand>("delete", "Deletes a job with its reports, plans and outcomes.",
                                    "greenplan jobs delete opt-2.7b --server planner:7437");
}

}  // namespace greenplan
