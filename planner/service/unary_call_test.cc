#include "planner/service/unary_call.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

// Searches until it is stopped: a test whose search is never stopped does not end.
class EndlessService : public v1::PlannerService::WithRawCallbackMethod_Solve<v1::PlannerService::CallbackService> {
 public:
  ~EndlessService() override {
    if (searcher_.joinable()) searcher_.join();
  }

  grpc::ServerUnaryReactor* Solve(grpc::CallbackServerContext* context, const grpc::ByteBuffer*,
                                  grpc::ByteBuffer* plan) override {
    auto* call = new UnaryCall(*context, plan);
    searcher_ = std::thread([this, call] {
      const CallLimits limits = call->limits();
      deadline = limits.deadline;
      started.Notify();
      while (!limits.cancelled()) std::this_thread::yield();
      call->Fail(absl::CancelledError("the client has gone"));
      ended.Notify();
    });
    return call;
  }

  absl::Notification started;
  absl::Notification ended;
  absl::Duration deadline;  // Read it after `ended`.

 private:
  std::thread searcher_;
};

class UnaryCallTest : public ::testing::Test {
 protected:
  UnaryCallTest() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = v1::PlannerService::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  }

  EndlessService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::PlannerService::Stub> stub_;
};

TEST_F(UnaryCallTest, TheDeadlineIsThatOfTheCallAndEndsASearch) {
  const absl::Duration before = SteadyNow();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
  v1::Plan plan;
  EXPECT_EQ(stub_->Solve(&context, v1::SolveRequest(), &plan).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  service_.ended.WaitForNotification();
  EXPECT_GT(service_.deadline, before);
  EXPECT_LT(service_.deadline, before + absl::Minutes(10));
}

TEST_F(UnaryCallTest, TheClientEndsASearchAndACallWithoutADeadlineHasNone) {
  grpc::ClientContext context;
  std::thread canceller([&] {
    service_.started.WaitForNotification();
    context.TryCancel();
  });
  v1::Plan plan;
  EXPECT_EQ(stub_->Solve(&context, v1::SolveRequest(), &plan).error_code(), grpc::StatusCode::CANCELLED);
  canceller.join();
  service_.ended.WaitForNotification();
  EXPECT_EQ(service_.deadline, absl::InfiniteDuration());
}

}  // namespace
}  // namespace greenplan
