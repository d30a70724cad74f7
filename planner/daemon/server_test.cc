#include "planner/daemon/server.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "planner/store/memory/memory_store.h"
#include "planner/store/testing/store_wrapper.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

// Whoever looks up a job waits until it may be answered.
class SlowStore : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;

  absl::StatusOr<JobHead> GetJobHead(const JobKey& key) override {
    called.Notify();
    may_answer.WaitForNotification();
    return StoreWrapper::GetJobHead(key);
  }

  absl::Notification called;
  absl::Notification may_answer;
};

std::shared_ptr<grpc::Channel> ChannelTo(const GrpcServer& server) {
  return grpc::CreateChannel("127.0.0.1:" + std::to_string(server.port()), grpc::InsecureChannelCredentials());
}

grpc::Status GetPlan(v1::PlannerService::Stub& stub) {
  grpc::ClientContext context;
  v1::GetPlanRequest request;
  request.set_name("jobs/a/plans/0");
  v1::Plan plan;
  return stub.GetPlan(&context, request, &plan);
}

TEST(GrpcServerTest, DrainingFinishesTheCallsInProgress) {
  const std::unique_ptr<Store> memory = NewMemoryStore();
  SlowStore store(memory.get());
  JobEngine engine(&store, {});
  const auto server = GrpcServer::Start({.listen = "127.0.0.1:0"}, &engine);
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = v1::PlannerService::NewStub(ChannelTo(**server));
  grpc::Status in_progress;
  std::thread caller([&] { in_progress = GetPlan(*stub); });
  store.called.WaitForNotification();
  std::thread drainer([&] { (*server)->Drain(absl::InfiniteDuration()); });
  store.may_answer.Notify();
  drainer.join();
  caller.join();
  EXPECT_EQ(in_progress.error_code(), grpc::StatusCode::NOT_FOUND) << in_progress.error_message();
  EXPECT_EQ(GetPlan(*stub).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(GrpcServerTest, CountsTheConnectionsThatAreOpen) {
  const std::unique_ptr<Store> store = NewMemoryStore();
  JobEngine engine(store.get(), {});
  const auto server = GrpcServer::Start({.listen = "127.0.0.1:0"}, &engine);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)->CountConnections(), 0);
  const auto stub = v1::PlannerService::NewStub(ChannelTo(**server));
  EXPECT_EQ(GetPlan(*stub).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ((*server)->CountConnections(), 1);
  (*server)->Drain(absl::InfiniteDuration());
  EXPECT_EQ((*server)->CountConnections(), 0);
}

TEST(GrpcServerTest, AnOpenHealthWatchDoesNotDelayTheDrain) {
  const std::unique_ptr<Store> store = NewMemoryStore();
  JobEngine engine(store.get(), {});
  const auto server = GrpcServer::Start({.listen = "127.0.0.1:0"}, &engine);
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = grpc::health::v1::Health::NewStub(ChannelTo(**server));
  grpc::ClientContext context;
  const auto watch = stub->Watch(&context, grpc::health::v1::HealthCheckRequest());
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  (*server)->Drain(absl::InfiniteDuration());
  EXPECT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// A request of `bytes` bytes, nearly all of them in the name of the model.
v1::SolveRequest RequestOf(size_t bytes) {
  v1::SolveRequest request;
  std::string& model = *request.mutable_profile()->mutable_model();
  model.assign(bytes, 'x');
  model.resize(bytes - (request.ByteSizeLong() - bytes));
  EXPECT_EQ(request.ByteSizeLong(), bytes);
  return request;
}

TEST(GrpcServerTest, RequestsOfUpTo16MiBAreTakenAndLargerOnesRefused) {
  const std::unique_ptr<Store> store = NewMemoryStore();
  JobEngine engine(store.get(), {});
  const auto server = GrpcServer::Start({.listen = "127.0.0.1:0"}, &engine);
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = v1::PlannerService::NewStub(ChannelTo(**server));
  constexpr size_t kLimit = 16 << 20;
  for (const auto& [bytes, code] : {std::pair(kLimit, grpc::StatusCode::INVALID_ARGUMENT),
                                    std::pair(kLimit + 1, grpc::StatusCode::RESOURCE_EXHAUSTED)}) {
    grpc::ClientContext context;
    v1::Plan plan;
    const grpc::Status status = stub->Solve(&context, RequestOf(bytes), &plan);
    EXPECT_EQ(status.error_code(), code) << bytes << ": " << status.error_message();
  }
}

TEST(GrpcServerTest, ACompressedRequestIsRefusedBeforeItIsExpanded) {
  const std::unique_ptr<Store> store = NewMemoryStore();
  JobEngine engine(store.get(), {});
  const auto server = GrpcServer::Start({.listen = "127.0.0.1:0"}, &engine);
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = v1::PlannerService::NewStub(ChannelTo(**server));
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    grpc::ClientContext context;
    context.set_compression_algorithm(algorithm);
    v1::Plan plan;
    const grpc::Status status = stub->Solve(&context, RequestOf(100'000), &plan);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << status.error_message();
  }
}

TEST(GrpcServerTest, AnAddressThatIsNotOursIsRefusedByName) {
  const std::unique_ptr<Store> store = NewMemoryStore();
  JobEngine engine(store.get(), {});
  const auto first = GrpcServer::Start({.listen = "127.0.0.1:0"}, &engine);
  ASSERT_TRUE(first.ok()) << first.status();
  for (const std::string& listen : {"127.0.0.1:" + std::to_string((*first)->port()), std::string("192.0.2.1:1")}) {
    const auto server = GrpcServer::Start({.listen = listen}, &engine);
    EXPECT_EQ(server.status().code(), absl::StatusCode::kUnavailable) << server.status();
    EXPECT_THAT(server.status().message(), HasSubstr("--listen " + listen));
  }
}

}  // namespace
}  // namespace greenplan
