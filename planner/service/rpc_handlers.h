#ifndef GREENPLAN_PLANNER_SERVICE_RPC_HANDLERS_H_
#define GREENPLAN_PLANNER_SERVICE_RPC_HANDLERS_H_

#include <utility>

#include "absl/strings/string_view.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "planner/security/access.h"
#include "planner/security/audit.h"
#include "planner/service/job_engine.h"

namespace greenplan {

// The RPCs of greenplan.v1.PlannerService, each a call of the engine; planner_service.proto says what they do. Those
// that are not built yet answer UNIMPLEMENTED by name. A call that is cancelled or past its deadline ends its search.
// A caller whom `access` does not let in is answered UNAUTHENTICATED or PERMISSION_DENIED before anything else.
// Thread-safety: safe, without state of its own.
class RpcHandlers final : public v1::PlannerService::Service {
 public:
  // `engine` and `access` must outlive the service. Without `access` everybody may call everything. `audit` gets the
  // calls that IsAudited names.
  explicit RpcHandlers(JobEngine* engine, const Access* access = nullptr, AuditLog audit = nullptr)
      : engine_(*engine), access_(access), audit_(std::move(audit)) {}

  grpc::Status CreateJob(grpc::ServerContext* context, const v1::CreateJobRequest* request, v1::Job* job) override;
  grpc::Status GetJob(grpc::ServerContext* context, const v1::GetJobRequest* request, v1::Job* job) override;
  grpc::Status ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override;
  grpc::Status DeleteJob(grpc::ServerContext* context, const v1::DeleteJobRequest* request,
                         google::protobuf::Empty* response) override;
  grpc::Status UpdateJob(grpc::ServerContext* context, const v1::UpdateJobRequest* request, v1::Job* job) override;
  grpc::Status PlanRound(grpc::ServerContext* context, const v1::PlanRoundRequest* request, v1::Plan* plan) override;
  grpc::Status GetPlan(grpc::ServerContext* context, const v1::GetPlanRequest* request, v1::Plan* plan) override;
  grpc::Status ListPlans(grpc::ServerContext* context, const v1::ListPlansRequest* request,
                         v1::ListPlansResponse* response) override;
  grpc::Status WatchPlans(grpc::ServerContext* context, const v1::WatchPlansRequest* request,
                          grpc::ServerWriter<v1::Plan>* writer) override;
  grpc::Status WhatIf(grpc::ServerContext* context, const v1::WhatIfRequest* request,
                      v1::WhatIfResponse* response) override;
  grpc::Status Solve(grpc::ServerContext* context, const v1::SolveRequest* request, v1::Plan* plan) override;
  grpc::Status ReportOutcome(grpc::ServerContext* context, const v1::ReportOutcomeRequest* request,
                             google::protobuf::Empty* response) override;
  grpc::Status ListOutcomes(grpc::ServerContext* context, const v1::ListOutcomesRequest* request,
                            v1::ListOutcomesResponse* response) override;

 private:
  // Every RPC passes through here: answers what `call` returns, if the caller may call `method`. `resource` is the name
  // of the job or plan that the call is about.
  template <typename Message, typename Call>
  grpc::Status Serve(absl::string_view method, const grpc::ServerContext& context, absl::string_view resource,
                     const Call& call, Message* response) const;
  grpc::Status NotBuilt(absl::string_view method, const grpc::ServerContext& context) const;

  JobEngine& engine_;
  const Access* const access_;
  const AuditLog audit_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_RPC_HANDLERS_H_
