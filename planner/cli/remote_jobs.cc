#include "planner/cli/remote_jobs.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/empty.pb.h"
#include "planner/job/resource_names.h"

namespace greenplan {
namespace {

// A daemon that does not answer is an error after this.
constexpr absl::Duration kTimeout = absl::Seconds(20);
// A curve takes the daemon longer; shortly before this it answers the best plans that it has found.
constexpr absl::Duration kCurveTimeout = absl::Minutes(5);

constexpr int kPageSize = 1000;

// The user has sent nothing that could be wrong with it: the daemon's answer is at fault.
absl::Status BadAnswer(const absl::Status& status) {
  return absl::InternalError(absl::StrCat("the planner's answer cannot be used: ", status.message()));
}

absl::StatusOr<Plan> ReadAnswer(const PreparedProfile& profile, const v1::Plan& message) {
  auto plan = profile.ReadPlan(message);
  if (!plan.ok()) return BadAnswer(plan.status());
  return plan;
}

}  // namespace

absl::StatusOr<RemoteJobs> RemoteJobs::Open(const ServerFlags& flags) {
  auto channel = flags.Open();
  if (!channel.ok()) return channel.status();
  return RemoteJobs(*std::move(channel));
}

absl::StatusOr<std::vector<v1::Job>> RemoteJobs::List() {
  std::vector<v1::Job> jobs;
  v1::ListJobsRequest request;
  request.set_page_size(kPageSize);
  do {
    v1::ListJobsResponse page;
    if (absl::Status status = channel_->Call("ListJobs", request, page, kTimeout); !status.ok()) return status;
    jobs.insert(jobs.end(), page.jobs().begin(), page.jobs().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return jobs;
}

absl::StatusOr<RemoteJob> RemoteJobs::Get(const std::string& job_name, int64_t revision) {
  v1::GetJobRequest request;
  request.set_name(job_name);
  request.set_profile_revision(revision);
  RemoteJob job;
  if (absl::Status status = channel_->Call("GetJob", request, job.job, kTimeout); !status.ok()) return status;
  auto profile = PreparedProfile::Create(job.job.profile());
  if (!profile.ok()) return BadAnswer(profile.status());
  job.profile = *std::move(profile);
  return job;
}

absl::Status RemoteJobs::Delete(const std::string& job_name) {
  v1::DeleteJobRequest request;
  request.set_name(job_name);
  google::protobuf::Empty empty;
  return channel_->Call("DeleteJob", request, empty, kTimeout);
}

absl::StatusOr<std::vector<v1::Plan>> RemoteJobs::ListPlans(const std::string& job_name) {
  std::vector<v1::Plan> plans;
  v1::ListPlansRequest request;
  request.set_parent(job_name);
  request.set_page_size(kPageSize);
  do {
    v1::ListPlansResponse page;
    if (absl::Status status = channel_->Call("ListPlans", request, page, kTimeout); !status.ok()) return status;
    plans.insert(plans.end(), page.plans().begin(), page.plans().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return plans;
}

absl::StatusOr<RemotePlan> RemoteJobs::GetPlan(const std::string& job_name, int64_t round) {
  v1::GetPlanRequest request;
  request.set_name(FormatPlanName(job_name, round));
  RemotePlan remote;
  if (absl::Status status = channel_->Call("GetPlan", request, remote.message, kTimeout); !status.ok()) return status;
  auto job = Get(job_name, remote.message.profile_revision());
  if (!job.ok()) return job.status();
  remote.job = *std::move(job);
  auto plan = ReadAnswer(*remote.job.profile, remote.message);
  if (!plan.ok()) return plan.status();
  remote.plan = *std::move(plan);
  return remote;
}

absl::StatusOr<v1::WhatIfResponse> RemoteJobs::CallWhatIf(const v1::WhatIfRequest& request) {
  v1::WhatIfResponse response;
  if (absl::Status status = channel_->Call("WhatIf", request, response, kCurveTimeout); !status.ok()) return status;
  if (response.plans_size() != request.budgets_size() || !response.has_importance()) {
    return BadAnswer(absl::InternalError(
        absl::StrCat("it has ", response.plans_size(), " plans for ", request.budgets_size(), " budgets, and ",
                     response.has_importance() ? "what they rest on" : "nothing of what they rest on")));
  }
  return response;
}

absl::StatusOr<RemoteCurve> RemoteJobs::WhatIf(const v1::WhatIfRequest& request) {
  const auto response = CallWhatIf(request);
  if (!response.ok()) return response.status();
  auto job = Get(request.job(), response->plans(0).profile_revision());
  if (!job.ok()) return job.status();
  RemoteCurve curve{.job = *std::move(job)};
  const PreparedProfile& profile = *curve.job.profile;
  for (const v1::Plan& message : response->plans()) {
    auto plan = ReadAnswer(profile, message);
    if (!plan.ok()) return plan.status();
    curve.plans.push_back(*std::move(plan));
  }
  const auto options = profile.ReadOptions(request.has_options() ? request.options() : curve.job.job.options());
  if (!options.ok()) return BadAnswer(options.status());
  auto measurements = profile.ReadReport(response->importance(), *options);
  if (!measurements.ok()) return BadAnswer(measurements.status());
  curve.measurements = *std::move(measurements);
  return curve;
}

absl::StatusOr<v1::ImportanceReport> RemoteJobs::Importance(const std::string& job_name, int64_t round) {
  // The cheapest curve, whatever the job's method and pins: one budget, which everything fits into.
  v1::WhatIfRequest request;
  request.set_job(job_name);
  request.set_round(round);
  request.mutable_options()->set_method(v1::METHOD_SELECTION);
  request.mutable_options()->mutable_budget()->set_fraction_of_full(1);
  *request.add_budgets() = request.options().budget();
  auto response = CallWhatIf(request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_importance());
}

absl::StatusOr<std::string> JobNameOf(const std::string& what, const std::string& job) {
  std::string name = absl::StartsWith(job, "jobs/") ? job : absl::StrCat("jobs/", job);
  if (absl::Status status = ValidateJobName(name, what); !status.ok()) return status;
  return name;
}

}  // namespace greenplan
