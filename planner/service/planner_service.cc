#include "planner/service/planner_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/service/cancellation.h"
#include "planner/service/grpc_status.h"

namespace greenplan {
namespace {

template <typename Message>
grpc::Status Answer(absl::StatusOr<Message> result, Message* response) {
  if (!result.ok()) return ToGrpcStatus(result.status());
  *response = *std::move(result);
  return grpc::Status::OK;
}

grpc::Status NotBuilt(absl::string_view method) {
  return ToGrpcStatus(absl::UnimplementedError(absl::StrCat(method, " is not implemented")));
}

}  // namespace

grpc::Status PlannerService::CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request, v1::Job* job) {
  return Answer(engine_.CreateJob(request->job()), job);
}

grpc::Status PlannerService::GetJob(grpc::ServerContext*, const v1::GetJobRequest* request, v1::Job* job) {
  return Answer(engine_.GetJob(request->name()), job);
}

grpc::Status PlannerService::ListJobs(grpc::ServerContext*, const v1::ListJobsRequest*, v1::ListJobsResponse*) {
  return NotBuilt("ListJobs");
}

grpc::Status PlannerService::DeleteJob(grpc::ServerContext*, const v1::DeleteJobRequest*, google::protobuf::Empty*) {
  return NotBuilt("DeleteJob");
}

grpc::Status PlannerService::UpdateJob(grpc::ServerContext*, const v1::UpdateJobRequest*, v1::Job*) {
  return NotBuilt("UpdateJob");
}

grpc::Status PlannerService::PlanRound(grpc::ServerContext* context, const v1::PlanRoundRequest* request,
                                       v1::Plan* plan) {
  return Answer(engine_.PlanRound(request->job(), request->report(), WhenCancelled(context)), plan);
}

grpc::Status PlannerService::GetPlan(grpc::ServerContext*, const v1::GetPlanRequest* request, v1::Plan* plan) {
  return Answer(engine_.GetPlan(request->name()), plan);
}

grpc::Status PlannerService::ListPlans(grpc::ServerContext*, const v1::ListPlansRequest*, v1::ListPlansResponse*) {
  return NotBuilt("ListPlans");
}

grpc::Status PlannerService::WatchPlans(grpc::ServerContext*, const v1::WatchPlansRequest*,
                                        grpc::ServerWriter<v1::Plan>*) {
  return NotBuilt("WatchPlans");
}

grpc::Status PlannerService::WhatIf(grpc::ServerContext*, const v1::WhatIfRequest*, v1::WhatIfResponse*) {
  return NotBuilt("WhatIf");
}

grpc::Status PlannerService::Solve(grpc::ServerContext* context, const v1::SolveRequest* request, v1::Plan* plan) {
  return Answer(engine_.Solve(*request, WhenCancelled(context)), plan);
}

grpc::Status PlannerService::ReportOutcome(grpc::ServerContext*, const v1::ReportOutcomeRequest*,
                                           google::protobuf::Empty*) {
  return NotBuilt("ReportOutcome");
}

}  // namespace greenplan
