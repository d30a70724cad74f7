#include "planner/client/grpc_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "planner/client/connection_conformance.h"
#include "planner/client/local_connection.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/test_jobs.h"
#include "planner/rpc/grpc_status.h"
#include "planner/rpc/retry_delay.h"
#include "planner/service/test_server.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Connection> ConnectTo(const std::string& address, absl::Duration timeout) {
  auto channel = PlannerChannel::Create(address, {});
  EXPECT_TRUE(channel.ok()) << channel.status();
  return NewGrpcConnection(*std::move(channel), timeout);
}

// A connection with a server of its own.
class ServedConnection : public Connection {
 public:
  absl::StatusOr<v1::Job> CreateJob(const v1::Job& job) override { return connection_->CreateJob(job); }
  absl::StatusOr<v1::Plan> PlanRound(const std::string& job_name, const v1::ImportanceReport& report) override {
    return connection_->PlanRound(job_name, report);
  }
  absl::StatusOr<v1::Plan> GetPlan(const std::string& plan_name) override { return connection_->GetPlan(plan_name); }
  absl::Status ReportOutcome(const std::string& job_name, const v1::Outcome& outcome) override {
    return connection_->ReportOutcome(job_name, outcome);
  }

 private:
  TestServer server_;
  const std::unique_ptr<Connection> connection_ = ConnectTo(server_.address(), absl::Seconds(60));
};

std::unique_ptr<Connection> NewServedConnection() { return std::make_unique<ServedConnection>(); }

INSTANTIATE_TEST_SUITE_P(Grpc, ConnectionConformanceTest, ::testing::Values(std::function(NewServedConnection)));

TEST(GrpcConnectionTest, AnswersTheBytesThatPlanningInProcessAnswers) {
  const auto remote = NewServedConnection();
  const auto local = NewLocalConnection(absl::InfiniteDuration());
  ASSERT_TRUE(remote->CreateJob(TestJob("jobs/a")).ok());
  ASSERT_TRUE(local->CreateJob(TestJob("jobs/a")).ok());
  for (int64_t round = 0; round < 3; ++round) {
    v1::ImportanceReport report = TestReport(round);
    report.set_importance(0, 1.5 * static_cast<double>(round));
    const auto remote_plan = remote->PlanRound("jobs/a", report);
    const auto local_plan = local->PlanRound("jobs/a", report);
    ASSERT_TRUE(remote_plan.ok() && local_plan.ok()) << remote_plan.status() << local_plan.status();
    EXPECT_EQ(remote_plan->SerializeAsString(), local_plan->SerializeAsString());
  }
}

// A port of 127.0.0.1 that is bound, so that nobody else takes it, and does not listen.
class DeadPort {
 public:
  DeadPort() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~DeadPort() { close(socket_); }

  const std::string& address() const { return address_; }

 protected:
  const int socket_;

 private:
  std::string address_;
};

TEST(GrpcConnectionTest, ADeadPortIsUnavailableByNameWithinTheTimeout) {
  const DeadPort port;
  const auto job = ConnectTo(port.address(), absl::Milliseconds(400))->CreateJob(TestJob("jobs/a"));
  EXPECT_EQ(job.status().code(), absl::StatusCode::kUnavailable) << job.status();
  EXPECT_THAT(job.status().message(), HasSubstr("planner " + port.address() + " did not answer within 400ms"));
}

TEST(GrpcConnectionTest, TakesNoProxyOfTheEnvironment) {
  const DeadPort proxy;
  setenv("http_proxy", ("http://" + proxy.address()).c_str(), /*overwrite=*/1);
  const auto job = NewServedConnection()->CreateJob(TestJob("jobs/a"));
  unsetenv("http_proxy");
  EXPECT_TRUE(job.ok()) << job.status();
}

// Connections are accepted by the system and never answered.
class SilentPort : public DeadPort {
 public:
  SilentPort() { EXPECT_EQ(listen(socket_, 16), 0); }
};

TEST(GrpcConnectionTest, APortThatNeverAnswersIsUnavailableByName) {
  const SilentPort port;
  const auto job = ConnectTo(port.address(), absl::Milliseconds(400))->CreateJob(TestJob("jobs/a"));
  EXPECT_EQ(job.status().code(), absl::StatusCode::kUnavailable) << job.status();
  EXPECT_THAT(job.status().message(), HasSubstr("planner " + port.address() + " did not answer within 400ms"));
}

// Refuses the first calls with `error`.
class RefusingService : public v1::PlannerService::Service {
 public:
  RefusingService(const absl::Status& error, int refusals) : error_(ToGrpcStatus(error)), refusals_(refusals) {}

  grpc::Status GetPlan(grpc::ServerContext*, const v1::GetPlanRequest* request, v1::Plan* plan) override {
    absl::MutexLock lock(&mutex_);
    if (refusals_-- > 0) return error_;
    plan->set_name(request->name());
    return grpc::Status::OK;
  }

 private:
  const grpc::Status error_;
  absl::Mutex mutex_;
  int refusals_;
};

absl::StatusOr<v1::Plan> GetPlanFrom(const absl::Status& error, int refusals, absl::Duration timeout) {
  RefusingService service(error, refusals);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  return ConnectTo("127.0.0.1:" + std::to_string(port), timeout)->GetPlan("jobs/a/plans/0");
}

// Not for long: a test should not wait.
absl::Status ForNow(const absl::Status& error) { return WithRetryDelay(error, absl::Milliseconds(1)); }

TEST(GrpcConnectionTest, TriesAgainWhatIsRefusedForNow) {
  for (const absl::Status& error : {absl::UnavailableError("draining"), absl::ResourceExhaustedError("queue full")}) {
    const auto plan = GetPlanFrom(ForNow(error), /*refusals=*/2, absl::Seconds(60));
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->name(), "jobs/a/plans/0");
  }
}

TEST(GrpcConnectionTest, DoesNotTryAgainWhatIsTooLargeForGood) {
  const auto plan = GetPlanFrom(absl::ResourceExhaustedError("17 MiB"), /*refusals=*/1, absl::Seconds(60));
  EXPECT_EQ(plan.status(), absl::ResourceExhaustedError("17 MiB"));
}

TEST(GrpcConnectionTest, GivesUpWhenTheTimeoutIsOverAndSaysWhy) {
  for (const absl::Status& error : {absl::UnavailableError("draining"), absl::ResourceExhaustedError("queue full")}) {
    const auto plan = GetPlanFrom(ForNow(error), /*refusals=*/1'000'000, absl::Milliseconds(400));
    EXPECT_EQ(plan.status().code(), error.code()) << plan.status();
    EXPECT_THAT(plan.status().message(), HasSubstr(std::string(error.message())));
  }
}

TEST(GrpcConnectionTest, DoesNotWaitForADelayBeyondItsTimeout) {
  const absl::Status error = WithRetryDelay(absl::ResourceExhaustedError("quota"), absl::Hours(1));
  const auto plan = GetPlanFrom(error, /*refusals=*/1'000'000, absl::Seconds(60));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kResourceExhausted) << plan.status();
}

TEST(GrpcConnectionTest, KeepsTheFieldThatTheDaemonNamed) {
  const auto plan = GetPlanFrom(InvalidArgument("name", " is \"x\""), /*refusals=*/1, absl::Seconds(60));
  EXPECT_EQ(FieldOf(plan.status()), "name") << plan.status();
}

}  // namespace
}  // namespace greenplan
