#ifndef GREENPLAN_PLANNER_SERVICE_RPC_HANDLERS_H_
#define GREENPLAN_PLANNER_SERVICE_RPC_HANDLERS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/support/byte_buffer.h"
#include "planner/admission/answer_memory.h"
#include "planner/admission/memory_budget.h"
#include "planner/admission/quotas.h"
#include "planner/admission/work_queue.h"
#include "planner/job/planning.h"
#include "planner/rpc/small_request.h"
#include "planner/security/access.h"
#include "planner/security/audit.h"
#include "planner/service/job_engine.h"
#include "planner/service/plan_watches.h"

namespace greenplan {

// The RPCs of greenplan.v1.PlannerService, each a call of the engine; planner_service.proto says what they do.
//
// Every call passes the same gate: `access` says who the caller is and whether the RPC is open to it, `quotas` whether
// its tenant may call now; a caller that is refused learns nothing else. The call then goes into the engine's queue of
// its tenant, because gRPC's threads must not block, and is answered from there. Searches have a queue of their own, of
// few threads, and so have changes of jobs. A call that waits for other ranks, or a watch for plans, holds no thread.
//
// A large request is read where its call is answered, once it has its share of the memory for requests
// (guarded_request.h). An answer has its share of the memory for answers until the client has taken it
// (answer_memory.h); one that may be large and is known by its size has it before it is made. A call whose caller has
// gone before its turn comes is not begun.
// Thread-safety: safe.
class RpcHandlers final : public v1::PlannerService::CallbackService {
 public:
  // Who may call, how much, and what is recorded of it.
  struct Options {
    // Who may call what. Null: everybody may call everything, as one tenant.
    const Access* access = nullptr;

    // How much each tenant may call. Null: there are no limits.
    Quotas* quotas = nullptr;

    // Receives the calls that IsAudited names. May be null.
    AuditLog audit = nullptr;

    // The most bytes that the requests of all callers together may take once they are read. Small requests do not
    // count.
    int64_t request_memory_bytes = int64_t{512} << 20;

    // The most bytes that answers may take whose clients have not taken them yet.
    AnswerMemory::Limits answer_memory = {};
  };

  // `engine` and what the options point to must outlive the service.
  RpcHandlers(JobEngine* engine, Options options);

  // Ends the calls that wait for other ranks or watch for plans with UNAVAILABLE, including those that come later.
  void Drain();

  // Returns what the answers that their clients have not taken yet take, in bytes.
  int64_t answer_bytes() const { return answer_memory_.held_bytes(); }

 private:
  // What an RPC is to the gate.
  struct Rpc {
    // The RPC's name, such as "GetJob". Of static storage.
    absl::string_view method;

    // Whether the call counts against the tenant's solver time.
    bool searches = false;
  };

  // A call that was admitted, on a thread of its queue.
  struct Call {
    grpc::CallbackServerContext& context;
    const std::string& tenant;
    CallLimits limits;
  };
  template <typename Response>
  using Done = std::function<void(const absl::StatusOr<Response>&)>;

  // An answer in wire format, with its share of the memory for answers.
  struct WireAnswer {
    grpc::ByteBuffer message;
    AnswerMemory::Share share;
  };
  using WireDone = std::function<void(absl::StatusOr<WireAnswer>)>;

  // Adds an RPC with one answer. Once a caller is admitted, start(call, request, done) runs on `queue`; what `done` is
  // called with, then or later, is the answer: as a Done<Response> it takes a message, as a WireDone a WireAnswer.
  template <typename Request, typename Start>
  void Add(const Rpc& rpc, WorkQueue& queue, Start start);
  // Adds an RPC that is answered by what a method of `room` returns, which waits for the store.
  template <typename Room, typename Request, typename Response>
  void AddQuery(absl::string_view method, Room& room,
                absl::StatusOr<Response> (Room::*answer)(const std::string& tenant, const Request& request));
  template <typename Room, typename Request>
  void AddQuery(absl::string_view method, Room& room,
                absl::Status (Room::*change)(const std::string& tenant, const Request& request));
  // Adds an RPC that is answered by what `change` of the request's job returns. One job is changed by one call at a
  // time.
  template <typename Request>
  void AddChange(absl::string_view method,
                 absl::StatusOr<v1::Job> (JobDirectory::*change)(const std::string& tenant, const Request& request));
  // Adds an RPC that is answered by what search(call, request) returns. Its time is charged to the tenant.
  template <typename Request, typename Response>
  void AddSearch(absl::string_view method,
                 std::function<absl::StatusOr<Response>(const Call& call, const Request& request)> search);

  // Adds the one RPC that streams. PlanWatches answers it.
  void AddWatchPlans();
  grpc::ServerWriteReactor<v1::Plan>* Watch(const grpc::CallbackServerContext& context,
                                            const SmallRequest<v1::WatchPlansRequest>& request);

  // Handles one call of an RPC that Add has added.
  template <typename Request, typename Start>
  grpc::ServerUnaryReactor* Begin(grpc::CallbackServerContext& context, const Rpc& rpc, const Request& request,
                                  WorkQueue& queue, const Start& start, grpc::ByteBuffer* response);

  // Reads the answer of GetJob from the store as it is, once it has its share.
  absl::StatusOr<WireAnswer> ReadJob(const std::string& tenant, const v1::GetJobRequest& request);

  // Returns the answer in wire format.
  template <typename Message>
  absl::StatusOr<WireAnswer> ToWire(const std::string& tenant, const Message& message);
  absl::StatusOr<WireAnswer> ToWire(const std::string& /*tenant*/, WireAnswer&& answer) { return std::move(answer); }

  // Who calls, if the caller may make this call now. `resource` is what the call is about.
  absl::StatusOr<Caller> Admit(const grpc::CallbackServerContext& context, const Rpc& rpc, absl::string_view resource);
  void Audit(const grpc::CallbackServerContext& context, absl::string_view method, absl::string_view resource,
             const Caller* caller, absl::StatusCode code) const;

  JobEngine& engine_;
  const Options options_;
  MemoryBudget request_memory_;
  AnswerMemory answer_memory_;
  std::vector<std::shared_ptr<void>> messages_;  // What Add has made for gRPC.
  PlanWatches watches_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_RPC_HANDLERS_H_
