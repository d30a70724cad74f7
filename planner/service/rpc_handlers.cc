#include "planner/service/rpc_handlers.h"

#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/support/slice.h"
#include "planner/rpc/grpc_status.h"
#include "planner/rpc/refused_stream.h"
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

// Returns the name of the job or plan that a request is about; empty if it has not been read, or is about none.
template <typename Request>
absl::string_view ResourceOf(const Request& request) {
  if constexpr (requires { request.job().name(); }) {
    return request.job().name();
  } else if constexpr (requires { request.job(); }) {
    return request.job();
  } else if constexpr (requires { request.parent(); }) {
    return request.parent();
  } else if constexpr (requires { request.name(); }) {
    return request.name();
  } else {
    return "";
  }
}

// The report of a call of PlanRound, whose request then has none: it will be in the store, and a rank that waits for
// others need not keep it.
v1::ImportanceReport TakeReport(grpc::CallbackServerContext& context) {
  return std::move(*GuardedMessages<v1::PlanRoundRequest>::ReleaseShare(context).mutable_report());
}

absl::StatusOr<google::protobuf::Empty> EmptyOr(const absl::Status& status) {
  if (!status.ok()) return status;
  return google::protobuf::Empty();
}

// Without copying them.
grpc::ByteBuffer ToByteBuffer(std::string bytes) {
  auto* owned = new std::string(std::move(bytes));
  const grpc::Slice slice(
      owned->data(), owned->size(), [](void* of_slice) { delete static_cast<std::string*>(of_slice); }, owned);
  return grpc::ByteBuffer(&slice, 1);
}

// Whether anybody waits for the answer of a call whose turn has come.
absl::Status CheckCallerWaits(const CallLimits& limits) {
  if (limits.cancelled()) return absl::CancelledError("the call was cancelled before its turn came; nothing was done");
  if (limits.clock() < limits.deadline) return absl::OkStatus();
  return absl::DeadlineExceededError("the call's deadline passed before its turn came; nothing was done");
}

// In wire format. Internal beyond 2 GiB, which no answer has.
template <typename Message>
absl::StatusOr<grpc::ByteBuffer> Serialize(const Message& message) {
  grpc::ByteBuffer wire;
  bool owns_wire = false;
  const grpc::Status status = grpc::SerializationTraits<Message>::Serialize(message, &wire, &owns_wire);
  if (!status.ok()) return FromGrpcStatus(status);
  return wire;
}

// Returns the place of an RPC within the service.
int IndexOf(absl::string_view method) {
  return v1::CreateJobRequest::descriptor()
      ->file()
      ->FindServiceByName("PlannerService")
      ->FindMethodByName(std::string(method))
      ->index();
}

}  // namespace

RpcHandlers::RpcHandlers(JobEngine* engine, Options options)
    : engine_(*engine),
      options_(std::move(options)),
      request_memory_(options_.request_memory_bytes),
      answer_memory_(options_.answer_memory),
      watches_(engine, &answer_memory_) {
  AddChange("CreateJob", &JobDirectory::CreateJob);
  Add<v1::GetJobRequest>({.method = "GetJob"}, engine_.calls(),
                         [this](const Call& call, const v1::GetJobRequest& request, const WireDone& done) {
                           done(ReadJob(call.tenant, request));
                         });
  AddQuery("ListJobs", engine_.jobs(), &JobDirectory::ListJobs);
  AddQuery("DeleteJob", engine_.jobs(), &JobDirectory::DeleteJob);
  AddChange("UpdateJob", &JobDirectory::UpdateJob);
  Add<v1::PlanRoundRequest>(
      {.method = "PlanRound", .searches = true}, engine_.calls(),
      [this](const Call& call, const v1::PlanRoundRequest& request, const Done<v1::Plan>& done) {
        engine_.rounds().PlanRound({call.tenant, request.job()}, TakeReport(call.context), call.limits, done);
      });
  AddQuery("GetPlan", engine_.plans(), &PlanHistory::GetPlan);
  AddQuery("ListPlans", engine_.plans(), &PlanHistory::ListPlans);
  AddSearch<v1::WhatIfRequest, v1::WhatIfResponse>("WhatIf",
                                                   [this](const Call& call, const v1::WhatIfRequest& request) {
                                                     return engine_.what_if().Answer(call.tenant, request, call.limits);
                                                   });
  AddSearch<v1::SolveRequest, v1::Plan>("Solve", [](const Call& call, const v1::SolveRequest& request) {
    return greenplan::Solve(request, call.limits);
  });
  AddQuery("ReportOutcome", engine_.plans(), &PlanHistory::ReportOutcome);
  AddQuery("ListOutcomes", engine_.plans(), &PlanHistory::ListOutcomes);
  AddWatchPlans();
}

void RpcHandlers::Drain() {
  engine_.jobs().Drain();
  engine_.rounds().Drain();
  watches_.Drain();
}

// As Add: this handler takes the place of one that reads whatever comes.
void RpcHandlers::AddWatchPlans() {
  using Request = SmallRequest<v1::WatchPlansRequest>;
  MarkMethodCallback(IndexOf("WatchPlans"), new grpc::internal::CallbackServerStreamingHandler<Request, v1::Plan>(
                                                [this](grpc::CallbackServerContext* context, const Request* request) {
                                                  return Watch(*context, *request);
                                                }));
}

grpc::ServerWriteReactor<v1::Plan>* RpcHandlers::Watch(const grpc::CallbackServerContext& context,
                                                       const SmallRequest<v1::WatchPlansRequest>& request) {
  const v1::WatchPlansRequest& message = request.message;
  const absl::StatusOr<Caller> caller = Admit(context, {.method = "WatchPlans"}, ResourceOf(message));
  if (!caller.ok()) return new RefusedStream<v1::Plan>(caller.status());
  if (!request.status.ok()) return new RefusedStream<v1::Plan>(request.status);
  return watches_.Open({caller->tenant, message.parent()}, message.start_round());
}

// The base class has told gRPC of the same method with a handler that reads whatever comes; this takes its place.
template <typename Request, typename Start>
void RpcHandlers::Add(const Rpc& rpc, WorkQueue& queue, Start start) {
  const auto messages = std::make_shared<GuardedMessages<Request>>(&request_memory_);
  messages_.push_back(messages);
  auto* handler = new grpc::internal::CallbackUnaryHandler<GuardedRequest<Request>, grpc::ByteBuffer>(
      [this, rpc, &queue, start = std::move(start)](
          grpc::CallbackServerContext* context, const GuardedRequest<Request>* request, grpc::ByteBuffer* response) {
        return Begin(*context, rpc, request->message, queue, start, response);
      });
  handler->SetMessageAllocator(messages.get());
  MarkMethodCallback(IndexOf(rpc.method), handler);
}

template <typename Room, typename Request, typename Response>
void RpcHandlers::AddQuery(absl::string_view method, Room& room,
                           absl::StatusOr<Response> (Room::*answer)(const std::string& tenant,
                                                                    const Request& request)) {
  Add<Request>({.method = method}, engine_.calls(),
               [&room, answer](const Call& call, const Request& request, const Done<Response>& done) {
                 done((room.*answer)(call.tenant, request));
               });
}

template <typename Room, typename Request>
void RpcHandlers::AddQuery(absl::string_view method, Room& room,
                           absl::Status (Room::*change)(const std::string& tenant, const Request& request)) {
  using Empty = google::protobuf::Empty;
  Add<Request>({.method = method}, engine_.calls(),
               [&room, change](const Call& call, const Request& request, const Done<Empty>& done) {
                 done(EmptyOr((room.*change)(call.tenant, request)));
               });
}

// The request is read on a thread for calls, as it names the job.
template <typename Request>
void RpcHandlers::AddChange(absl::string_view method,
                            absl::StatusOr<v1::Job> (JobDirectory::*change)(const std::string& tenant,
                                                                            const Request& request)) {
  Add<Request>({.method = method}, engine_.calls(),
               [this, change](const Call& call, const Request& request, const Done<v1::Job>& done) {
                 const int64_t num_bytes = GuardedCall::Of(call.context).wire_bytes();
                 auto work = [this, change, tenant = call.tenant, limits = call.limits, &request, done] {
                   const absl::Status status = CheckCallerWaits(limits);
                   done(status.ok() ? (engine_.jobs().*change)(tenant, request) : status);
                 };
                 const absl::Status queued =
                     engine_.changes().Submit(call.tenant, num_bytes, std::move(work), request.job().name());
                 if (!queued.ok()) done(queued);
               });
}

template <typename Request, typename Response>
void RpcHandlers::AddSearch(absl::string_view method,
                            std::function<absl::StatusOr<Response>(const Call& call, const Request& request)> search) {
  Add<Request>(
      {.method = method, .searches = true}, engine_.searches(),
      [this, search = std::move(search)](const Call& call, const Request& request, const Done<Response>& done) {
        const absl::Time start = absl::Now();
        const absl::StatusOr<Response> response = search(call, request);
        if (options_.quotas != nullptr) {
          options_.quotas->ChargeSolving(call.tenant, absl::Now() - start);
        }
        done(response);
      });
}

absl::StatusOr<RpcHandlers::WireAnswer> RpcHandlers::ReadJob(const std::string& tenant,
                                                             const v1::GetJobRequest& request) {
  WireAnswer answer;
  const auto admit = [&](int64_t num_bytes) {
    absl::StatusOr<AnswerMemory::Share> share = answer_memory_.Take(tenant, num_bytes);
    if (!share.ok()) return share.status();
    answer.share = *std::move(share);
    return absl::OkStatus();
  };
  absl::StatusOr<std::string> job = engine_.jobs().GetJob(tenant, request, admit);
  if (!job.ok()) return job.status();
  answer.message = ToByteBuffer(*std::move(job));
  return answer;
}

template <typename Message>
absl::StatusOr<RpcHandlers::WireAnswer> RpcHandlers::ToWire(const std::string& tenant, const Message& message) {
  absl::StatusOr<grpc::ByteBuffer> wire = Serialize(message);
  if (!wire.ok()) return wire.status();
  absl::StatusOr<AnswerMemory::Share> share = answer_memory_.Take(tenant, static_cast<int64_t>(wire->Length()));
  if (!share.ok()) return share.status();
  return WireAnswer{*std::move(wire), *std::move(share)};
}

template <typename Request, typename Start>
grpc::ServerUnaryReactor* RpcHandlers::Begin(grpc::CallbackServerContext& context, const Rpc& rpc,
                                             const Request& request, WorkQueue& queue, const Start& start,
                                             grpc::ByteBuffer* response) {
  auto* call = new UnaryCall(context, response);
  const absl::StatusOr<Caller> caller = Admit(context, rpc, ResourceOf(request));
  if (!caller.ok()) {
    call->Fail(caller.status());
    return call;
  }
  const auto answer = [this, &context, rpc, &request, call, caller = *caller](auto&& result) {
    Audit(context, rpc.method, ResourceOf(request), &caller, result.status().code());
    GuardedCall::Of(context).Free();
    if (!result.ok()) return call->Fail(result.status());
    absl::StatusOr<WireAnswer> wire = ToWire(caller.tenant, *std::forward<decltype(result)>(result));
    if (!wire.ok()) return call->Fail(wire.status());
    call->Answer(std::move(wire->message), std::move(wire->share));
  };
  const auto fail = [answer](const absl::Status& status) { answer(absl::StatusOr<WireAnswer>(status)); };
  auto work = [this, &context, &start, &request, call, answer, fail, tenant = caller->tenant] {
    const CallLimits limits = call->limits();
    absl::Status status = CheckCallerWaits(limits);
    // Again: answers that were made since the call came in may have used up what the tenant may hold.
    if (status.ok()) status = answer_memory_.Admit(tenant);
    if (status.ok()) status = GuardedCall::Of(context).Read();
    if (!status.ok()) return fail(status);
    start({context, tenant, limits}, request, answer);
  };
  const absl::Status queued = queue.Submit(caller->tenant, GuardedCall::Of(context).wire_bytes(), std::move(work));
  if (!queued.ok()) fail(queued);
  return call;
}

absl::StatusOr<Caller> RpcHandlers::Admit(const grpc::CallbackServerContext& context, const Rpc& rpc,
                                          absl::string_view resource) {
  absl::StatusOr<Caller> caller = Caller();
  if (options_.access != nullptr) caller = options_.access->Identify(AuthorizationOf(context));
  absl::Status status = caller.ok() ? Access::Authorize(*caller, rpc.method) : caller.status();
  if (status.ok() && options_.quotas != nullptr) {
    status = options_.quotas->AdmitCall(caller->tenant);
    if (status.ok() && rpc.searches) status = options_.quotas->AdmitSolving(caller->tenant);
  }
  if (status.ok()) status = answer_memory_.Admit(caller->tenant);
  if (status.ok()) return caller;
  Audit(context, rpc.method, resource, caller.ok() ? &*caller : nullptr, status.code());
  return status;
}

void RpcHandlers::Audit(const grpc::CallbackServerContext& context, absl::string_view method,
                        absl::string_view resource, const Caller* caller, absl::StatusCode code) const {
  if (options_.audit == nullptr || !IsAudited(method, code)) return;
  options_.audit({caller, context.peer(), method, resource, code});
}

}  // namespace greenplan
