#include "planner/service/rpc_handlers.h"

#include <chrono>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "planner/job/test_jobs.h"
#include "planner/service/test_server.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

class RpcHandlersTest : public ::testing::Test {
 protected:
  RpcHandlersTest()
      : stub_(v1::PlannerService::NewStub(grpc::CreateChannel(server_.address(), grpc::InsecureChannelCredentials()))) {
  }

  // Calls `method` of the stub with `request`.
  template <typename Method, typename Request, typename Response>
  grpc::Status Call(Method method, const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    return (stub_.get()->*method)(&context, request, response);
  }

  TestServer server_;
  const std::unique_ptr<v1::PlannerService::Stub> stub_;
};

TEST_F(RpcHandlersTest, AnswersJobsPlansAndSolutions) {
  using Stub = v1::PlannerService::Stub;
  v1::CreateJobRequest create;
  *create.mutable_job() = TestJob("jobs/a");
  v1::Job job;
  ASSERT_TRUE(Call(&Stub::CreateJob, create, &job).ok());
  v1::GetJobRequest get_job;
  get_job.set_name("jobs/a");
  v1::Job kept_job;
  ASSERT_TRUE(Call(&Stub::GetJob, get_job, &kept_job).ok());
  EXPECT_EQ(kept_job.SerializeAsString(), job.SerializeAsString());

  v1::PlanRoundRequest round;
  round.set_job("jobs/a");
  *round.mutable_report() = TestReport(0);
  v1::Plan plan;
  ASSERT_TRUE(Call(&Stub::PlanRound, round, &plan).ok());
  v1::GetPlanRequest get_plan;
  get_plan.set_name("jobs/a/plans/0");
  v1::Plan kept_plan;
  ASSERT_TRUE(Call(&Stub::GetPlan, get_plan, &kept_plan).ok());
  EXPECT_EQ(kept_plan.SerializeAsString(), plan.SerializeAsString());

  v1::SolveRequest solve;
  *solve.mutable_profile() = TestProfile();
  *solve.mutable_importance() = TestReport(0);
  *solve.mutable_options() = create.job().options();
  v1::Plan solution;
  ASSERT_TRUE(Call(&Stub::Solve, solve, &solution).ok());
  EXPECT_EQ(solution.digest(), plan.digest());
}

TEST_F(RpcHandlersTest, ErrorsKeepTheirCodeAndMessage) {
  v1::GetJobRequest request;
  v1::Job job;
  request.set_name("jobs/a");
  grpc::Status status = Call(&v1::PlannerService::Stub::GetJob, request, &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "jobs/a does not exist");
  request.set_name("a");
  status = Call(&v1::PlannerService::Stub::GetJob, request, &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("job is \"a\""));
}

TEST_F(RpcHandlersTest, AnErrorGetsThroughHoweverLongTheNamesInIt) {
  v1::CreateJobRequest request;
  *request.mutable_job() = TestJob("jobs/a");
  for (int k = 0; k < 2; ++k)
    request.mutable_job()->mutable_profile()->mutable_tensors(k)->set_name(std::string(100'000, 'x'));
  v1::Job job;
  const grpc::Status status = Call(&v1::PlannerService::Stub::CreateJob, request, &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("tensors[1].name"));
}

TEST_F(RpcHandlersTest, EmptyRequestsAreRefusedNotFatal) {
  using Stub = v1::PlannerService::Stub;
  v1::Job job;
  v1::Plan plan;
  const grpc::Status answers[] = {
      Call(&Stub::CreateJob, v1::CreateJobRequest(), &job), Call(&Stub::GetJob, v1::GetJobRequest(), &job),
      Call(&Stub::PlanRound, v1::PlanRoundRequest(), &plan), Call(&Stub::GetPlan, v1::GetPlanRequest(), &plan),
      Call(&Stub::Solve, v1::SolveRequest(), &plan)};
  for (const grpc::Status& status : answers) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_NE(status.error_message(), "");
  }
}

TEST_F(RpcHandlersTest, WhatIsNotBuiltSaysSoByName) {
  using Stub = v1::PlannerService::Stub;
  google::protobuf::Empty empty;
  v1::Job job;
  v1::ListJobsResponse jobs;
  v1::ListPlansResponse plans;
  v1::WhatIfResponse curve;
  const std::pair<std::string, grpc::Status> answers[] = {
      {"ListJobs", Call(&Stub::ListJobs, v1::ListJobsRequest(), &jobs)},
      {"DeleteJob", Call(&Stub::DeleteJob, v1::DeleteJobRequest(), &empty)},
      {"UpdateJob", Call(&Stub::UpdateJob, v1::UpdateJobRequest(), &job)},
      {"ListPlans", Call(&Stub::ListPlans, v1::ListPlansRequest(), &plans)},
      {"WhatIf", Call(&Stub::WhatIf, v1::WhatIfRequest(), &curve)},
      {"ReportOutcome", Call(&Stub::ReportOutcome, v1::ReportOutcomeRequest(), &empty)},
  };
  for (const auto& [method, status] : answers) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << method;
    EXPECT_EQ(status.error_message(), method + " is not implemented");
  }
  grpc::ClientContext context;
  const grpc::Status watched = stub_->WatchPlans(&context, v1::WatchPlansRequest())->Finish();
  EXPECT_EQ(watched.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(watched.error_message(), "WatchPlans is not implemented");
}

}  // namespace
}  // namespace greenplan
