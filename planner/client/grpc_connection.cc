#include "planner/client/grpc_connection.h"

#include <string>
#include <utility>

#include "google/protobuf/empty.pb.h"
#include "greenplan/v1/planner_service.pb.h"

namespace greenplan {
namespace {

class GrpcConnection : public Connection {
 public:
  GrpcConnection(std::unique_ptr<PlannerChannel> channel, absl::Duration timeout)
      : channel_(std::move(channel)), timeout_(timeout) {}

  absl::StatusOr<v1::Job> CreateJob(const v1::Job& job) override {
    v1::CreateJobRequest request;
    *request.mutable_job() = job;
    return Call<v1::Job>("CreateJob", request);
  }

  absl::StatusOr<v1::Plan> PlanRound(const std::string& job_name, const v1::ImportanceReport& report) override {
    v1::PlanRoundRequest request;
    request.set_job(job_name);
    *request.mutable_report() = report;
    return Call<v1::Plan>("PlanRound", request);
  }

  absl::StatusOr<v1::Plan> GetPlan(const std::string& plan_name) override {
    v1::GetPlanRequest request;
    request.set_name(plan_name);
    return Call<v1::Plan>("GetPlan", request);
  }

  absl::Status ReportOutcome(const std::string& job_name, const v1::Outcome& outcome) override {
    v1::ReportOutcomeRequest request;
    request.set_job(job_name);
    *request.mutable_outcome() = outcome;
    return Call<google::protobuf::Empty>("ReportOutcome", request).status();
  }

 private:
  template <typename Response>
  absl::StatusOr<Response> Call(absl::string_view method, const google::protobuf::Message& request) {
    Response response;
    if (absl::Status status = channel_->Call(method, request, response, timeout_); !status.ok()) return status;
    return response;
  }

  const std::unique_ptr<PlannerChannel> channel_;
  const absl::Duration timeout_;
};

}  // namespace

std::unique_ptr<Connection> NewGrpcConnection(std::unique_ptr<PlannerChannel> channel, absl::Duration timeout) {
  return std::make_unique<GrpcConnection>(std::move(channel), timeout);
}

}  // namespace greenplan
