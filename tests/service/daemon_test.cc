// The real greenpland, from outside.

#include <signal.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "greenplan/v1/planner_service.pb.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "planner/job/test_jobs.h"
#include "tests/service/daemon_process.h"
#include "tests/service/raw_call.h"

namespace greenplan {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kHealthCheck[] = "/grpc.health.v1.Health/Check";
constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
const std::string kServing = "\x08\x01";  // HealthCheckResponse{status: SERVING}

std::unique_ptr<Connection> ConnectTo(const ServingDaemon& daemon) {
  auto connection = Connect({.planner = daemon.address(), .timeout = absl::Minutes(1)});
  EXPECT_TRUE(connection.ok()) << connection.status();
  return *std::move(connection);
}

TEST(DaemonTest, KilledAtOnceItLosesNoAcknowledgedPlan) {
  const TemporaryFolder data;
  std::vector<std::string> plans;
  {
    ServingDaemon daemon(data.path() + "/new/folder");
    const auto connection = ConnectTo(daemon);
    ASSERT_TRUE(connection->CreateJob(TestJob("jobs/a")).ok());
    for (int64_t round = 0; round < 3; ++round) {
      const auto plan = connection->PlanRound("jobs/a", TestReport(round));
      ASSERT_TRUE(plan.ok()) << plan.status();
      plans.push_back(plan->SerializeAsString());
    }
    daemon.process().Signal(SIGKILL);
    EXPECT_EQ(daemon.process().Wait(), -SIGKILL);
  }
  ServingDaemon daemon(data.path() + "/new/folder");
  const auto connection = ConnectTo(daemon);
  EXPECT_TRUE(connection->CreateJob(TestJob("jobs/a")).ok());
  for (int64_t round = 0; round < 3; ++round) {
    const auto kept = connection->GetPlan("jobs/a/plans/" + std::to_string(round));
    ASSERT_TRUE(kept.ok()) << kept.status();
    EXPECT_EQ(kept->SerializeAsString(), plans[round]);
    EXPECT_EQ(connection->PlanRound("jobs/a", TestReport(round))->SerializeAsString(), plans[round]);
  }
  EXPECT_TRUE(connection->PlanRound("jobs/a", TestReport(3)).ok());
}

TEST(DaemonTest, StopsCleanlyOnEitherSignal) {
  const TemporaryFolder data;
  for (const int signal : {SIGTERM, SIGINT}) {
    ServingDaemon daemon(data.path());
    EXPECT_TRUE(ConnectTo(daemon)->CreateJob(TestJob("jobs/a")).ok());
    daemon.process().Signal(signal);
    EXPECT_EQ(daemon.process().Wait(), 0);
    EXPECT_THAT(daemon.process().errors(), HasSubstr("stopped"));
  }
}

TEST(DaemonTest, LogsTheCallsThatFailed) {
  const TemporaryFolder data;
  ServingDaemon daemon(data.path());
  EXPECT_EQ(ConnectTo(daemon)->GetPlan("jobs/a/plans/0").status().code(), absl::StatusCode::kNotFound);
  daemon.process().Signal(SIGTERM);
  EXPECT_EQ(daemon.process().Wait(), 0);
  EXPECT_THAT(daemon.process().errors(), ContainsRegex("/greenplan.v1.PlannerService/GetPlan from ipv4:127.0.0.1:.*: "
                                                       "NOT_FOUND in .* ms: jobs/a/plans/0 does not exist"));
}

TEST(DaemonTest, AnswersHealthChecks) {
  const TemporaryFolder data;
  ServingDaemon daemon(data.path());
  const auto health = RawUnaryCall(daemon.address(), kHealthCheck, "");
  ASSERT_TRUE(health.ok()) << health.status();
  EXPECT_EQ(*health, kServing);
  const std::string service = "greenplan.v1.PlannerService";
  const auto of_service = RawUnaryCall(daemon.address(), kHealthCheck,
                                       "\x0a" + std::string(1, static_cast<char>(service.size())) + service);
  ASSERT_TRUE(of_service.ok()) << of_service.status();
  EXPECT_EQ(*of_service, kServing);
}

TEST(DaemonTest, DescribesItselfByReflection) {
  const TemporaryFolder data;
  ServingDaemon daemon(data.path());
  // ServerReflectionRequest{list_services: "*"}
  const auto services = RawStreamCall(daemon.address(), kReflection, "\x3a\x01*");
  ASSERT_TRUE(services.ok()) << services.status();
  EXPECT_THAT(*services, HasSubstr("greenplan.v1.PlannerService"));
  EXPECT_THAT(*services, HasSubstr("grpc.health.v1.Health"));
  // ServerReflectionRequest{file_containing_symbol: "greenplan.v1.PlannerService"}
  const auto file = RawStreamCall(daemon.address(), kReflection, "\x22\x1bgreenplan.v1.PlannerService");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(*file, HasSubstr("greenplan/v1/planner_service.proto"));
  EXPECT_THAT(*file, HasSubstr("PlanRoundRequest"));
}

TEST(DaemonTest, MalformedRequestsAreRefusedAndItServesOn) {
  const TemporaryFolder data;
  ServingDaemon daemon(data.path());
  const std::string service = "/greenplan.v1.PlannerService/";
  for (const char* method : {"CreateJob", "PlanRound", "GetPlan", "Solve"}) {
    EXPECT_FALSE(RawUnaryCall(daemon.address(), service + method, "\xff\xff\xff\xff").ok()) << method;
    EXPECT_EQ(RawUnaryCall(daemon.address(), service + method, "").status().code(), absl::StatusCode::kInvalidArgument)
        << method;
  }
  EXPECT_EQ(RawUnaryCall(daemon.address(), service + "Nonsense", "").status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(RawUnaryCall(daemon.address(), service + "Solve", std::string((16 << 20) + 1, 'x')).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(*RawUnaryCall(daemon.address(), kHealthCheck, ""), kServing);
}

// A valid request with every byte in turn set to others: whatever comes, an answer and a daemon that lives.
TEST(DaemonTest, DamagedRequestsNeverEndIt) {
  const TemporaryFolder data;
  ServingDaemon daemon(data.path());
  v1::SolveRequest request;
  *request.mutable_profile() = TestProfile();
  *request.mutable_importance() = TestReport(0);
  *request.mutable_options() = TestJob("jobs/a").options();
  const std::string bytes = request.SerializeAsString();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const char value : {'\x00', '\x7f', '\xff'}) {
      std::string damaged = bytes;
      damaged[i] = value;
      const auto answer = RawUnaryCall(daemon.address(), "/greenplan.v1.PlannerService/Solve", damaged);
      ASSERT_FALSE(absl::IsUnavailable(answer.status())) << "byte " << i << ": " << answer.status();
    }
  }
  EXPECT_EQ(*RawUnaryCall(daemon.address(), kHealthCheck, ""), kServing);
}

// It fails with `exit_code` and one line that has each of `parts`.
void ExpectFailure(const std::vector<std::string>& arguments, int exit_code, const std::vector<std::string>& parts) {
  DaemonProcess daemon(arguments);
  EXPECT_EQ(daemon.Wait(), exit_code);
  const std::string errors = daemon.errors();
  EXPECT_THAT(errors, StartsWith("greenpland: "));
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
  for (const std::string& part : parts) EXPECT_THAT(errors, HasSubstr(part));
}

TEST(DaemonTest, AFolderInUseIsRefusedByName) {
  const TemporaryFolder data;
  ServingDaemon daemon(data.path());
  ExpectFailure({"--listen", "127.0.0.1:0", "--data-dir", data.path()}, 1,
                {data.path() + "/greenplan.sqlite", "is in use by another process"});
}

TEST(DaemonTest, APortInUseIsRefusedByName) {
  const TemporaryFolder data;
  const TemporaryFolder other_data;
  ServingDaemon daemon(data.path());
  ExpectFailure({"--listen", daemon.address(), "--data-dir", other_data.path()}, 1,
                {"--listen " + daemon.address(), "the port is taken"});
}

TEST(DaemonTest, BadFlagsAreRefusedByName) {
  const TemporaryFolder data;
  ExpectFailure({"--data-dir", data.path(), "--listen", "7437"}, 2, {"--listen is 7437", "HOST:PORT"});
  ExpectFailure({"--data-dir", data.path(), "--log-level", "loud"}, 2, {"--log-level is loud", "trace"});
  ExpectFailure({"--data-dir", "/dev/null/folder"}, 2, {"--data-dir /dev/null/folder"});
  ExpectFailure({"--data-dir", data.path(), "--listen", "127.0.0.1:0", "--port-file", "/none/port"}, 2,
                {"--port-file", "/none/port cannot be written"});
}

TEST(DaemonTest, TellsItsVersion) {
  DaemonProcess daemon({"version"});
  EXPECT_EQ(daemon.Wait(), 0);
  EXPECT_THAT(daemon.output(), StartsWith("greenpland "));
}

}  // namespace
}  // namespace greenplan
