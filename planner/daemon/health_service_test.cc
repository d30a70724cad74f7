#include "planner/daemon/health_service.h"

#include <chrono>
#include <memory>
#include <string>

#include "grpcpp/create_channel.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

HealthCheckRequest RequestFor(const std::string& service) {
  HealthCheckRequest request;
  request.set_service(service);
  return request;
}

// An open watch.
struct Watch {
  Watch(Health::Stub& stub, const std::string& service) : reader(stub.Watch(&context, RequestFor(service))) {}

  // The next status; UNKNOWN once there is none.
  HealthCheckResponse::ServingStatus Next() {
    HealthCheckResponse response;
    return reader->Read(&response) ? response.status() : HealthCheckResponse::UNKNOWN;
  }

  grpc::ClientContext context;
  const std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> reader;
};

class HealthServiceTest : public ::testing::Test {
 protected:
  HealthServiceTest() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&health_);
    server_ = builder.BuildAndStart();
    stub_ =
        Health::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  }

  grpc::Status Check(const std::string& service, HealthCheckResponse* response) {
    grpc::ClientContext context;
    return stub_->Check(&context, RequestFor(service), response);
  }

  HealthService health_{{"a.Service"}};
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Health::Stub> stub_;
};

TEST_F(HealthServiceTest, ServesUntilItDrains) {
  HealthCheckResponse response;
  for (const char* service : {"", "a.Service"}) {
    ASSERT_TRUE(Check(service, &response).ok());
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  }
  EXPECT_EQ(Check("another.Service", &response).error_code(), grpc::StatusCode::NOT_FOUND);
  health_.Drain();
  ASSERT_TRUE(Check("a.Service", &response).ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
}

TEST_F(HealthServiceTest, RefusesLargeRequests) {
  const std::string large(20000, 'a');
  HealthCheckResponse response;
  EXPECT_EQ(Check(large, &response).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  Watch watch(*stub_, large);
  EXPECT_FALSE(watch.reader->Read(&response));
  EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(HealthServiceTest, AWatchIsToldOfTheDrainAndEnds) {
  Watch server(*stub_, "");
  Watch service(*stub_, "a.Service");
  Watch unknown(*stub_, "another.Service");
  EXPECT_EQ(server.Next(), HealthCheckResponse::SERVING);
  EXPECT_EQ(service.Next(), HealthCheckResponse::SERVING);
  EXPECT_EQ(unknown.Next(), HealthCheckResponse::SERVICE_UNKNOWN);
  health_.Drain();
  EXPECT_EQ(server.Next(), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(service.Next(), HealthCheckResponse::NOT_SERVING);
  for (Watch* watch : {&server, &service, &unknown}) {
    EXPECT_EQ(watch->Next(), HealthCheckResponse::UNKNOWN);
    EXPECT_EQ(watch->reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
}

TEST_F(HealthServiceTest, AWatchOpenedDuringTheDrainEndsAtOnce) {
  health_.Drain();
  Watch watch(*stub_, "");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(HealthServiceTest, AnOpenWatchDoesNotHoldUpTheServersShutdown) {
  Watch watch(*stub_, "");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
  health_.Drain();
  server_->Shutdown(std::chrono::system_clock::time_point::max());
}

TEST_F(HealthServiceTest, AWatchThatItsClientEndsIsForgotten) {
  {
    Watch watch(*stub_, "");
    EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
    watch.context.TryCancel();
    EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  health_.Drain();
  server_->Shutdown(std::chrono::system_clock::time_point::max());
}

}  // namespace
}  // namespace greenplan
