#ifndef GREENPLAN_PLANNER_SERVICE_RPC_HANDLERS_H_
#define GREENPLAN_PLANNER_SERVICE_RPC_HANDLERS_H_

#include "greenplan/v1/planner_service.grpc.pb.h"
#include "planner/service/job_engine.h"

namespace greenplan {

// The RPCs of greenplan.v1.PlannerService, each a call of the engine; planner_service.proto says what they do. Those
// that are not built yet answer UNIMPLEMENTED by name. A call that is cancelled or past its deadline ends its search.
// Thread-safety: safe, without state of its own.
class RpcHandlers final : public v1::PlannerService::Service {
 public:
  // `engine` must outlive the service.
  explicit RpcHandlers(JobEngine* engine) : engine_(*engine) {}

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

 private:
  JobEngine& engine_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_RPC_HANDLERS_H_
