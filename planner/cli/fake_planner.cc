#include "planner/cli/fake_planner.h"

#include "absl/time/clock.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "planner/convert/convert.h"
#include "planner/job/planning.h"
#include "planner/job/resource_names.h"

namespace greenplan {
namespace {

grpc::Status Refuse(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

}  // namespace

FakePlanner::FakePlanner() {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

grpc::Status FakePlanner::CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request, v1::Job* response) {
  const auto job = PreparedJob::Create(NewJob(request->job(), absl::Now()));
  if (!job.ok()) return Refuse(job.status());
  absl::MutexLock lock(&mutex_);
  jobs_[request->job().name()].revisions = {*job};
  *response = (*job)->job();
  return grpc::Status::OK;
}

grpc::Status FakePlanner::UpdateJob(grpc::ServerContext*, const v1::UpdateJobRequest* request, v1::Job* response) {
  absl::MutexLock lock(&mutex_);
  auto& revisions = jobs_[request->job().name()].revisions;
  const auto next = NextRevision(revisions.back()->job(), request->job(), absl::Now());
  if (!next.ok()) return Refuse(next.status());
  revisions.push_back(*PreparedJob::Create(**next));
  *response = revisions.back()->job();
  return grpc::Status::OK;
}

grpc::Status FakePlanner::GetJob(grpc::ServerContext*, const v1::GetJobRequest* request, v1::Job* response) {
  absl::MutexLock lock(&mutex_);
  const auto it = jobs_.find(request->name());
  if (it == jobs_.end()) return Refuse(DoesNotExist(request->name()));
  const auto& revisions = it->second.revisions;
  *response = (request->profile_revision() == 0 ? revisions.back() : revisions[request->profile_revision() - 1])->job();
  return grpc::Status::OK;
}

grpc::Status FakePlanner::ListJobs(grpc::ServerContext*, const v1::ListJobsRequest*, v1::ListJobsResponse* response) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, kept] : jobs_) {
    *response->add_jobs() = kept.revisions.back()->job();
    response->mutable_jobs(response->jobs_size() - 1)->clear_profile();
  }
  return grpc::Status::OK;
}

grpc::Status FakePlanner::DeleteJob(grpc::ServerContext*, const v1::DeleteJobRequest* request,
                                    google::protobuf::Empty*) {
  absl::MutexLock lock(&mutex_);
  return jobs_.erase(request->name()) > 0 ? grpc::Status::OK : Refuse(DoesNotExist(request->name()));
}

grpc::Status FakePlanner::PlanRound(grpc::ServerContext*, const v1::PlanRoundRequest* request, v1::Plan* response) {
  absl::MutexLock lock(&mutex_);
  Kept& kept = jobs_[request->job()];
  const PreparedJob& job = *kept.revisions.back();
  const auto measurements = job.ReadReport(request->report());
  if (!measurements.ok()) return Refuse(measurements.status());
  const auto plan = job.PlanRound(request->report().round(), *measurements, nullptr, {});
  if (!plan.ok()) return Refuse(plan.status());
  kept.rounds[request->report().round()] = {request->report(), *plan};
  *response = *plan;
  return grpc::Status::OK;
}

grpc::Status FakePlanner::GetPlan(grpc::ServerContext*, const v1::GetPlanRequest* request, v1::Plan* response) {
  const auto name = ParsePlanName(request->name(), "name");
  if (!name.ok()) return Refuse(name.status());
  absl::MutexLock lock(&mutex_);
  const auto& rounds = jobs_[name->job_name].rounds;
  const auto it = rounds.find(name->round);
  if (it == rounds.end()) return Refuse(DoesNotExist(request->name()));
  *response = it->second.plan;
  return grpc::Status::OK;
}

grpc::Status FakePlanner::ListPlans(grpc::ServerContext*, const v1::ListPlansRequest* request,
                                    v1::ListPlansResponse* response) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [round, kept] : jobs_[request->parent()].rounds) *response->add_plans() = kept.plan;
  return grpc::Status::OK;
}

grpc::Status FakePlanner::WhatIf(grpc::ServerContext*, const v1::WhatIfRequest* request, v1::WhatIfResponse* response) {
  absl::MutexLock lock(&mutex_);
  const Kept& kept = jobs_[request->job()];
  if (kept.rounds.empty()) return {grpc::StatusCode::FAILED_PRECONDITION, "no report yet"};
  const KeptRound& round = request->has_round() ? kept.rounds.at(request->round()) : kept.rounds.rbegin()->second;
  const PreparedJob& job = *kept.revisions[round.plan.profile_revision() - 1];
  const PreparedProfile& profile = job.profile();
  const auto options = profile.ReadOptions(request->has_options() ? request->options() : job.job().options());
  if (!options.ok()) return Refuse(options.status());
  const auto measurements = profile.ReadReport(round.report, *options);
  if (!measurements.ok()) return Refuse(measurements.status());
  std::vector<Budget> budgets;
  for (const v1::Budget& message : request->budgets()) {
    const auto budget = BudgetFromProto(message, options->method);
    if (!budget.ok()) return Refuse(budget.status());
    budgets.push_back(*budget);
  }
  const auto plans = MakeCurve(profile.planner(), {.measurements = &*measurements, .options = &*options}, budgets);
  if (!plans.ok()) return Refuse(plans.status());
  for (const Plan& plan : *plans) {
    v1::Plan* message = response->add_plans();
    *message = profile.WritePlan(plan);
  }
  *response->mutable_importance() = round.report;
  return grpc::Status::OK;
}

}  // namespace greenplan
