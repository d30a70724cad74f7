#include "planner/service/rpc_handlers.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/rpc/grpc_status.h"
#include "planner/service/call_limits.h"

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

grpc::Status RpcHandlers::CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request, v1::Job* job) {
  return Answer(engine_.CreateJob(request->job()), job);
}

grpc::Status RpcHandlers::GetJob(grpc::ServerContext*, const v1::GetJobRequest* request, v1::Job* job) {
  return Answer(engine_.GetJob(request->name()), job);
}

grpc::Status RpcHandlers::ListJobs(grpc::ServerContext*, const v1::ListJobsRequest*, v1::ListJobsResponse*) {
  return NotBuilt("ListJobs");
}

grpc::Status RpcHandlers::DeleteJob(grpc::ServerContext*, const v1::DeleteJobRequest*, google::protobuf::Empty*) {
  return NotBuilt("DeleteJob");
}

grpc::Status RpcHandlers::UpdateJob(grpc::ServerContext*, const v1::UpdateJobRequest*, v1::Job*) {
  return NotBuilt("UpdateJob");
}

grpc::Status RpcHandlers::PlanRound(grpc::ServerContext* context, const v1::PlanRoundRequest* request, v1::Plan* plan) {
  return Answer(engine_.PlanRound(request->job(), request->report(), LimitsOf(context)), plan);
}

grpc::Status RpcHandlers::GetPlan(grpc::ServerContext*, const v1::GetPlanRequest* request, v1::Plan* plan) {
  return Answer(engine_.GetPlan(request->name()), plan);
}

grpc::Status RpcHandlers::ListPlans(grpc::ServerContext*, const v1::ListPlansRequest*, v1::ListPlansResponse*) {
  return NotBuilt("ListPlans");
}

grpc::Status RpcHandlers::WatchPlans(grpc::ServerContext*, const v1::WatchPlansRequest*,
                                     grpc::ServerWriter<v1::Plan>*) {
  return NotBuilt("WatchPlans");
}

grpc::Status RpcHandlers::WhatIf(grpc::ServerContext*, const v1::WhatIfRequest*, v1::WhatIfResponse*) {
  return NotBuilt("WhatIf");
}

grpc::Status RpcHandlers::Solve(grpc::ServerContext* context, const v1::SolveRequest* request, v1::Plan* plan) {
  return Answer(engine_.Solve(*request, LimitsOf(context)), plan);
}

grpc::Status RpcHandlers::ReportOutcome(grpc::ServerContext*, const v1::ReportOutcomeRequest*,
                                        google::protobuf::Empty*) {
  return NotBuilt("ReportOutcome");
}

}  // namespace greenplan
