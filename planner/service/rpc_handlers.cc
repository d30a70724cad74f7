#include "planner/service/rpc_handlers.h"

#include <iterator>
#include <memory>
#include <optional>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "planner/rpc/grpc_status.h"
#include "planner/service/guarded_request.h"
#include "planner/service/solve.h"
#include "planner/service/unary_call.h"

namespace greenplan {
namespace {

// Empty if the call carries none, or several, of which no one could say which counts.
std::optional<absl::string_view> AuthorizationOf(const grpc::CallbackServerContext& context) {
  const auto [first, last] = context.client_metadata().equal_range("authorization");
  if (first == last || std::next(first) != last) return std::nullopt;
  return absl::string_view(first->second.data(), first->second.size());
}

// The report of a call of PlanRound, whose request then has none: it will be in the store, and a rank that waits for
// others need not keep it.
v1::ImportanceReport TakeReport(grpc::CallbackServerContext& context) {
  return std::move(*GuardedMessages<v1::PlanRoundRequest, v1::Plan>::ReleaseShare(context).mutable_report());
}

absl::StatusOr<google::protobuf::Empty> EmptyOr(const absl::Status& status) {
  if (!status.ok()) return status;
  return google::protobuf::Empty();
}

}  // namespace

RpcHandlers::RpcHandlers(JobEngine* engine, Options options)
    : engine_(*engine), options_(std::move(options)), request_memory_(options_.request_memory_bytes), watches_(engine) {
  Guard("CreateJob", &RpcHandlers::CreateJob);
  Guard("GetJob", &RpcHandlers::GetJob);
  Guard("ListJobs", &RpcHandlers::ListJobs);
  Guard("DeleteJob", &RpcHandlers::DeleteJob);
  Guard("UpdateJob", &RpcHandlers::UpdateJob);
  Guard("PlanRound", &RpcHandlers::PlanRound);
  Guard("GetPlan", &RpcHandlers::GetPlan);
  Guard("ListPlans", &RpcHandlers::ListPlans);
  Guard("WhatIf", &RpcHandlers::WhatIf);
  Guard("Solve", &RpcHandlers::Solve);
  Guard("ReportOutcome", &RpcHandlers::ReportOutcome);
  Guard("ListOutcomes", &RpcHandlers::ListOutcomes);
}

// The base class has told gRPC of the same method with a handler that reads whatever comes; this takes its place.
template <typename Request, typename Response>
void RpcHandlers::Guard(absl::string_view name,
                        grpc::ServerUnaryReactor* (RpcHandlers::*handler)(grpc::CallbackServerContext*, const Request*,
                                                                          Response*)) {
  const google::protobuf::MethodDescriptor* method = v1::CreateJobRequest::descriptor()
                                                         ->file()
                                                         ->FindServiceByName("PlannerService")
                                                         ->FindMethodByName(std::string(name));
  const auto messages = std::make_shared<GuardedMessages<Request, Response>>(&request_memory_);
  messages_.push_back(messages);
  auto* guarded = new grpc::internal::CallbackUnaryHandler<GuardedRequest<Request>, Response>(
      [this, handler](grpc::CallbackServerContext* context, const GuardedRequest<Request>* request,
                      Response* response) { return (this->*handler)(context, &request->message, response); });
  guarded->SetMessageAllocator(messages.get());
  MarkMethodCallback(method->index(), guarded);
}

void RpcHandlers::Drain() {
  engine_.rounds().Drain();
  watches_.Drain();
}

absl::StatusOr<Caller> RpcHandlers::Admit(const grpc::CallbackServerContext& context, const Rpc& rpc) {
  absl::StatusOr<Caller> caller = Caller();
  if (options_.access != nullptr) caller = options_.access->Identify(AuthorizationOf(context));
  absl::Status status = caller.ok() ? Access::Authorize(*caller, rpc.method) : caller.status();
  if (status.ok() && options_.quotas != nullptr) {
    status = options_.quotas->AdmitCall(caller->tenant);
    if (status.ok() && rpc.searches) status = options_.quotas->AdmitSolving(caller->tenant);
  }
  if (status.ok()) return caller;
  Audit(context, rpc, caller.ok() ? &*caller : nullptr, status.code());
  return status;
}

void RpcHandlers::Audit(const grpc::CallbackServerContext& context, const Rpc& rpc, const Caller* caller,
                        absl::StatusCode code) const {
  if (options_.audit == nullptr || !IsAudited(rpc.method, code)) return;
  options_.audit({caller, context.peer(), rpc.method, rpc.resource(), code});
}

template <typename Response, typename Start>
grpc::ServerUnaryReactor* RpcHandlers::Begin(grpc::CallbackServerContext* context, const Rpc& rpc, WorkQueue& queue,
                                             Start start, Response* response) {
  auto* call = new UnaryCall<Response>(*context, response);
  const absl::StatusOr<Caller> caller = Admit(*context, rpc);
  if (!caller.ok()) {
    call->Answer(caller.status());
    return call;
  }
  const auto answer = [this, context, rpc, call, caller = *caller](absl::StatusOr<Response> result) {
    Audit(*context, rpc, &caller, result.status().code());
    GuardedCall::Of(*context).Free();
    call->Answer(std::move(result));
  };
  const absl::Status queued = queue.Submit(caller->tenant, GuardedCall::Of(*context).wire_bytes(),
                                           [context, start = std::move(start), call, answer, tenant = caller->tenant] {
                                             if (absl::Status status = GuardedCall::Of(*context).Read(); !status.ok())
                                               return answer(status);
                                             start(tenant, call->limits(), answer);
                                           });
  if (!queued.ok()) answer(queued);
  return call;
}

template <typename Response, typename Compute>
grpc::ServerUnaryReactor* RpcHandlers::Serve(grpc::CallbackServerContext* context, const Rpc& rpc, Compute compute,
                                             Response* response) {
  WorkQueue& queue = rpc.searches ? engine_.searches() : engine_.calls();
  return Begin(
      context, rpc, queue,
      [compute = std::move(compute)](const std::string& tenant, const CallLimits& limits, const Done<Response>& done) {
        done(compute(tenant, limits));
      },
      response);
}

template <typename Compute>
auto RpcHandlers::Charged(const std::string& tenant, const Compute& compute) {
  const absl::Time start = absl::Now();
  auto result = compute();
  if (options_.quotas != nullptr) options_.quotas->ChargeSolving(tenant, absl::Now() - start);
  return result;
}

grpc::ServerUnaryReactor* RpcHandlers::CreateJob(grpc::CallbackServerContext* context,
                                                 const v1::CreateJobRequest* request, v1::Job* job) {
  return Serve(
      context, {.method = "CreateJob", .resource = [request] { return absl::string_view(request->job().name()); }},
      [this, request](const std::string& tenant, const CallLimits&) {
        return engine_.jobs().CreateJob(tenant, *request);
      },
      job);
}

grpc::ServerUnaryReactor* RpcHandlers::GetJob(grpc::CallbackServerContext* context, const v1::GetJobRequest* request,
                                              v1::Job* job) {
  return Serve(
      context, {.method = "GetJob", .resource = [request] { return absl::string_view(request->name()); }},
      [this, request](const std::string& tenant, const CallLimits&) { return engine_.jobs().GetJob(tenant, *request); },
      job);
}

grpc::ServerUnaryReactor* RpcHandlers::ListJobs(grpc::CallbackServerContext* context,
                                                const v1::ListJobsRequest* request, v1::ListJobsResponse* response) {
  return Serve(
      context, {.method = "ListJobs"},
      [this, request](const std::string& tenant, const CallLimits&) {
        return engine_.jobs().ListJobs(tenant, *request);
      },
      response);
}

grpc::ServerUnaryReactor* RpcHandlers::DeleteJob(grpc::CallbackServerContext* context,
                                                 const v1::DeleteJobRequest* request,
                                                 google::protobuf::Empty* response) {
  return Serve(
      context, {.method = "DeleteJob", .resource = [request] { return absl::string_view(request->name()); }},
      [this, request](const std::string& tenant, const CallLimits&) {
        return EmptyOr(engine_.jobs().DeleteJob(tenant, *request));
      },
      response);
}

grpc::ServerUnaryReactor* RpcHandlers::UpdateJob(grpc::CallbackServerContext* context,
                                                 const v1::UpdateJobRequest* request, v1::Job* job) {
  return Serve(
      context, {.method = "UpdateJob", .resource = [request] { return absl::string_view(request->job().name()); }},
      [this, request](const std::string& tenant, const CallLimits&) {
        return engine_.jobs().UpdateJob(tenant, *request);
      },
      job);
}

grpc::ServerUnaryReactor* RpcHandlers::PlanRound(grpc::CallbackServerContext* context,
                                                 const v1::PlanRoundRequest* request, v1::Plan* plan) {
  return Begin(
      context,
      {.method = "PlanRound", .resource = [request] { return absl::string_view(request->job()); }, .searches = true},
      engine_.calls(),
      [this, context, request](const std::string& tenant, const CallLimits& limits, const Done<v1::Plan>& done) {
        engine_.rounds().PlanRound({tenant, request->job()}, TakeReport(*context), limits, done);
      },
      plan);
}

grpc::ServerUnaryReactor* RpcHandlers::GetPlan(grpc::CallbackServerContext* context, const v1::GetPlanRequest* request,
                                               v1::Plan* plan) {
  return Serve(
      context, {.method = "GetPlan", .resource = [request] { return absl::string_view(request->name()); }},
      [this, request](const std::string& tenant, const CallLimits&) {
        return engine_.plans().GetPlan(tenant, *request);
      },
      plan);
}

grpc::ServerUnaryReactor* RpcHandlers::ListPlans(grpc::CallbackServerContext* context,
                                                 const v1::ListPlansRequest* request, v1::ListPlansResponse* response) {
  return Serve(
      context, {.method = "ListPlans", .resource = [request] { return absl::string_view(request->parent()); }},
      [this, request](const std::string& tenant, const CallLimits&) {
        return engine_.plans().ListPlans(tenant, *request);
      },
      response);
}

grpc::ServerWriteReactor<v1::Plan>* RpcHandlers::WatchPlans(grpc::CallbackServerContext* context,
                                                            const v1::WatchPlansRequest* request) {
  const absl::StatusOr<Caller> caller =
      Admit(*context, {.method = "WatchPlans", .resource = [request] { return absl::string_view(request->parent()); }});
  if (!caller.ok()) return PlanWatches::Refuse(caller.status());
  return watches_.Open({caller->tenant, request->parent()}, request->start_round());
}

grpc::ServerUnaryReactor* RpcHandlers::WhatIf(grpc::CallbackServerContext* context, const v1::WhatIfRequest* request,
                                              v1::WhatIfResponse* response) {
  return Serve(
      context,
      {.method = "WhatIf", .resource = [request] { return absl::string_view(request->job()); }, .searches = true},
      [this, request](const std::string& tenant, const CallLimits& limits) {
        return Charged(tenant, [&] { return engine_.what_if().Answer(tenant, *request, limits); });
      },
      response);
}

grpc::ServerUnaryReactor* RpcHandlers::Solve(grpc::CallbackServerContext* context, const v1::SolveRequest* request,
                                             v1::Plan* plan) {
  return Serve(
      context, {.method = "Solve", .searches = true},
      [this, request](const std::string& tenant, const CallLimits& limits) {
        return Charged(tenant, [&] { return greenplan::Solve(*request, limits); });
      },
      plan);
}

grpc::ServerUnaryReactor* RpcHandlers::ReportOutcome(grpc::CallbackServerContext* context,
                                                     const v1::ReportOutcomeRequest* request,
                                                     google::protobuf::Empty* response) {
  return Serve(
      context, {.method = "ReportOutcome", .resource = [request] { return absl::string_view(request->job()); }},
      [this, request](const std::string& tenant, const CallLimits&) {
        return EmptyOr(engine_.plans().ReportOutcome(tenant, *request));
      },
      response);
}

grpc::ServerUnaryReactor* RpcHandlers::ListOutcomes(grpc::CallbackServerContext* context,
                                                    const v1::ListOutcomesRequest* request,
                                                    v1::ListOutcomesResponse* response) {
  return Serve(
      context, {.method = "ListOutcomes", .resource = [request] { return absl::string_view(request->parent()); }},
      [this, request](const std::string& tenant, const CallLimits&) {
        return engine_.plans().ListOutcomes(tenant, *request);
      },
      response);
}

}  // namespace greenplan
