#ifndef GREENPLAN_PLANNER_SERVICE_RPC_HANDLERS_H_
#define GREENPLAN_PLANNER_SERVICE_RPC_HANDLERS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "planner/admission/memory_budget.h"
#include "planner/admission/quotas.h"
#include "planner/admission/work_queue.h"
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
// few threads. A call that waits for other ranks, or a watch for plans, holds no thread.
//
// A large request is read where its call is answered, once it has its share of the memory for requests
// (guarded_request.h).
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
  };

  // `engine` and what the options point to must outlive the service.
  RpcHandlers(JobEngine* engine, Options options);

  // Ends the calls that wait for other ranks or watch for plans with UNAVAILABLE, including those that come later.
  void Drain();

  // Jobs: answered by JobDirectory.
  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* context, const v1::CreateJobRequest* request,
                                      v1::Job* job) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const v1::GetJobRequest* request,
                                   v1::Job* job) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context, const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteJob(grpc::CallbackServerContext* context, const v1::DeleteJobRequest* request,
                                      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* UpdateJob(grpc::CallbackServerContext* context, const v1::UpdateJobRequest* request,
                                      v1::Job* job) override;
  // Rounds and their plans: answered by RoundBarrier, PlanHistory and PlanWatches.
  grpc::ServerUnaryReactor* PlanRound(grpc::CallbackServerContext* context, const v1::PlanRoundRequest* request,
                                      v1::Plan* plan) override;
  grpc::ServerUnaryReactor* GetPlan(grpc::CallbackServerContext* context, const v1::GetPlanRequest* request,
                                    v1::Plan* plan) override;
  grpc::ServerUnaryReactor* ListPlans(grpc::CallbackServerContext* context, const v1::ListPlansRequest* request,
                                      v1::ListPlansResponse* response) override;
  grpc::ServerWriteReactor<v1::Plan>* WatchPlans(grpc::CallbackServerContext* context,
                                                 const v1::WatchPlansRequest* request) override;
  // Plans that are not kept.
  grpc::ServerUnaryReactor* WhatIf(grpc::CallbackServerContext* context, const v1::WhatIfRequest* request,
                                   v1::WhatIfResponse* response) override;
  grpc::ServerUnaryReactor* Solve(grpc::CallbackServerContext* context, const v1::SolveRequest* request,
                                  v1::Plan* plan) override;
  // What came of plans.
  grpc::ServerUnaryReactor* ReportOutcome(grpc::CallbackServerContext* context, const v1::ReportOutcomeRequest* request,
                                          google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* ListOutcomes(grpc::CallbackServerContext* context, const v1::ListOutcomesRequest* request,
                                         v1::ListOutcomesResponse* response) override;

 private:
  // What an RPC is to the gate.
  struct Rpc {
    // The RPC's name, such as "GetJob". Of static storage.
    absl::string_view method;

    // Returns the name of the job or plan that the call is about, by the request. Empty if that has not been read.
    std::function<absl::string_view()> resource = [] { return ""; };

    // Whether the call counts against the tenant's solver time.
    bool searches = false;
  };
  template <typename Response>
  using Done = std::function<void(absl::StatusOr<Response>)>;

  // Who calls, if the caller may make this call now.
  absl::StatusOr<Caller> Admit(const grpc::CallbackServerContext& context, const Rpc& rpc);
  void Audit(const grpc::CallbackServerContext& context, const Rpc& rpc, const Caller* caller,
             absl::StatusCode code) const;

  // Lets gRPC read the requests of the RPC `name` within the memory for requests, and pass them to `handler`.
  template <typename Request, typename Response>
  void Guard(absl::string_view name, grpc::ServerUnaryReactor* (RpcHandlers::*handler)(grpc::CallbackServerContext*,
                                                                                       const Request*, Response*));

  // Every RPC with one answer passes through here: once the caller is admitted, runs start(tenant, limits, done) on
  // `queue`. What `done` is called with, now or later, is the answer.
  template <typename Response, typename Start>
  grpc::ServerUnaryReactor* Begin(grpc::CallbackServerContext* context, const Rpc& rpc, WorkQueue& queue, Start start,
                                  Response* response);
  // The same for an RPC that is answered by what answer(tenant, limits) returns.
  template <typename Response, typename Compute>
  grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context, const Rpc& rpc, Compute compute,
                                  Response* response);

  // What `compute` returns; the time that it takes is charged to the tenant.
  template <typename Compute>
  auto Charged(const std::string& tenant, const Compute& compute);

  JobEngine& engine_;
  const Options options_;
  MemoryBudget request_memory_;
  std::vector<std::shared_ptr<void>> messages_;  // What Guard has made for gRPC.
  PlanWatches watches_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_RPC_HANDLERS_H_
