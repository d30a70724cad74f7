#ifndef GREENPLAN_PLANNER_CLI_FAKE_PLANNER_H_
#define GREENPLAN_PLANNER_CLI_FAKE_PLANNER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/server.h"
#include "planner/job/prepared_job.h"

namespace greenplan {

// A planner service in this process, for tests of the commands that call a daemon. It keeps jobs of one rank in maps
// and plans their rounds as the daemon does, without store, tenants and barrier. It serves on a free port of 127.0.0.1
// from construction to destruction. Thread-safe.
class FakePlanner final : public v1::PlannerService::Service {
 public:
  FakePlanner();

  const std::string& address() const { return address_; }

  grpc::Status CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request, v1::Job* response) override;
  grpc::Status UpdateJob(grpc::ServerContext*, const v1::UpdateJobRequest* request, v1::Job* response) override;
  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request, v1::Job* response) override;
  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest*, v1::ListJobsResponse* response) override;
  grpc::Status DeleteJob(grpc::ServerContext*, const v1::DeleteJobRequest*, google::protobuf::Empty*) override;
  grpc::Status PlanRound(grpc::ServerContext*, const v1::PlanRoundRequest*, v1::Plan* response) override;
  grpc::Status GetPlan(grpc::ServerContext*, const v1::GetPlanRequest*, v1::Plan* response) override;
  grpc::Status ListPlans(grpc::ServerContext*, const v1::ListPlansRequest*, v1::ListPlansResponse* response) override;
  grpc::Status WhatIf(grpc::ServerContext*, const v1::WhatIfRequest*, v1::WhatIfResponse* response) override;

 private:
  struct KeptRound {
    v1::ImportanceReport report;
    v1::Plan plan;
  };
  struct Kept {
    std::vector<std::shared_ptr<const PreparedJob>> revisions;
    std::map<int64_t, KeptRound> rounds;
  };

  absl::Mutex mutex_;
  std::map<std::string, Kept> jobs_ ABSL_GUARDED_BY(mutex_);
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_FAKE_PLANNER_H_
