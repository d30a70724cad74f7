#include "planner/service/rpc_handlers.h"

#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/rpc/grpc_status.h"
#include "planner/service/call_limits.h"

namespace greenplan {
namespace {

// Empty if the call carries none, or several, of which no one could say which counts.
std::optional<absl::string_view> AuthorizationOf(const grpc::ServerContext& context) {
  const auto [first, last] = context.client_metadata().equal_range("authorization");
  if (first == last || std::next(first) != last) return std::nullopt;
  return absl::string_view(first->second.data(), first->second.size());
}

}  // namespace

template <typename Message, typename Call>
grpc::Status RpcHandlers::Serve(absl::string_view method, const grpc::ServerContext& context,
                                absl::string_view resource, const Call& call, Message* response) const {
  absl::StatusOr<Caller> caller = Caller();
  if (access_ != nullptr) caller = access_->Identify(AuthorizationOf(context));
  absl::Status status = caller.ok() ? Access::Authorize(*caller, method) : caller.status();
  if (status.ok()) {
    absl::StatusOr<Message> result = call();
    status = result.status();
    if (status.ok()) *response = *std::move(result);
  }
  if (audit_ != nullptr && IsAudited(method, status.code())) {
    audit_({caller.ok() ? &*caller : nullptr, context.peer(), method, resource, status.code()});
  }
  return status.ok() ? grpc::Status::OK : ToGrpcStatus(status);
}

grpc::Status RpcHandlers::NotBuilt(absl::string_view method, const grpc::ServerContext& context) const {
  google::protobuf::Empty nothing;
  return Serve(
      method, context, /*resource=*/"",
      [&]() -> absl::StatusOr<google::protobuf::Empty> {
        return absl::UnimplementedError(absl::StrCat(method, " is not implemented"));
      },
      &nothing);
}

grpc::Status RpcHandlers::CreateJob(grpc::ServerContext* context, const v1::CreateJobRequest* request, v1::Job* job) {
  return Serve(
      "CreateJob", *context, request->job().name(), [&] { return engine_.CreateJob(request->job()); }, job);
}

grpc::Status RpcHandlers::GetJob(grpc::ServerContext* context, const v1::GetJobRequest* request, v1::Job* job) {
  return Serve(
      "GetJob", *context, request->name(), [&] { return engine_.GetJob(request->name()); }, job);
}

grpc::Status RpcHandlers::ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest*, v1::ListJobsResponse*) {
  return NotBuilt("ListJobs", *context);
}

grpc::Status RpcHandlers::DeleteJob(grpc::ServerContext* context, const v1::DeleteJobRequest*,
                                    google::protobuf::Empty*) {
  return NotBuilt("DeleteJob", *context);
}

grpc::Status RpcHandlers::UpdateJob(grpc::ServerContext* context, const v1::UpdateJobRequest*, v1::Job*) {
  return NotBuilt("UpdateJob", *context);
}

grpc::Status RpcHandlers::PlanRound(grpc::ServerContext* context, const v1::PlanRoundRequest* request, v1::Plan* plan) {
  return Serve(
      "PlanRound", *context, request->job(),
      [&] { return engine_.PlanRound(request->job(), request->report(), LimitsOf(context)); }, plan);
}

grpc::Status RpcHandlers::GetPlan(grpc::ServerContext* context, const v1::GetPlanRequest* request, v1::Plan* plan) {
  return Serve(
      "GetPlan", *context, request->name(), [&] { return engine_.GetPlan(request->name()); }, plan);
}

grpc::Status RpcHandlers::ListPlans(grpc::ServerContext* context, const v1::ListPlansRequest*, v1::ListPlansResponse*) {
  return NotBuilt("ListPlans", *context);
}

grpc::Status RpcHandlers::WatchPlans(grpc::ServerContext* context, const v1::WatchPlansRequest*,
                                     grpc::ServerWriter<v1::Plan>*) {
  return NotBuilt("WatchPlans", *context);
}

grpc::Status RpcHandlers::WhatIf(grpc::ServerContext* context, const v1::WhatIfRequest*, v1::WhatIfResponse*) {
  return NotBuilt("WhatIf", *context);
}

grpc::Status RpcHandlers::Solve(grpc::ServerContext* context, const v1::SolveRequest* request, v1::Plan* plan) {
  return Serve(
      "Solve", *context, "", [&] { return engine_.Solve(*request, LimitsOf(context)); }, plan);
}

grpc::Status RpcHandlers::ReportOutcome(grpc::ServerContext* context, const v1::ReportOutcomeRequest*,
                                        google::protobuf::Empty*) {
  return NotBuilt("ReportOutcome", *context);
}

grpc::Status RpcHandlers::ListOutcomes(grpc::ServerContext* context, const v1::ListOutcomesRequest*,
                                       v1::ListOutcomesResponse*) {
  return NotBuilt("ListOutcomes", *context);
}

}  // namespace greenplan
