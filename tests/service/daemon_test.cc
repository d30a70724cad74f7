// The real greenpland, from outside.

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "greenplan/v1/planner_service.pb.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "planner/job/test_jobs.h"
#include "planner/security/testing/test_certificates.h"
#include "tests/service/daemon_process.h"
#include "tests/service/raw_call.h"

namespace greenplan {
namespace {

using ::testing::AllOf;
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
                                                       "NOT_FOUND in .* ms: jobs/a does not exist"));
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

TEST(DaemonTest, DoesNotDescribeItselfWhereItIsTold) {
  const TemporaryFolder data;
  ServingDaemon daemon(data.path(), {"--no-reflection"});
  EXPECT_EQ(RawStreamCall(daemon.address(), kReflection, "\x3a\x01*").status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST(DaemonTest, MalformedRequestsAreRefusedAndItServesOn) {
  const TemporaryFolder data;
  ServingDaemon daemon(data.path());
  const std::string service = "/greenplan.v1.PlannerService/";
  for (const char* method : {"CreateJob", "PlanRound", "GetPlan", "Solve"}) {
    EXPECT_EQ(RawUnaryCall(daemon.address(), service + method, "\xff\xff\xff\xff").status(),
              absl::InvalidArgumentError("the request is no message of the type that this RPC takes"))
        << method;
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
                {"--listen " + daemon.address(), "Address already in use"});
}

TEST(DaemonTest, BadFlagsAreRefusedByName) {
  const TemporaryFolder data;
  ExpectFailure({"--data-dir", data.path(), "--listen", "7437"}, 2, {"--listen is 7437", "HOST:PORT"});
  ExpectFailure({"--data-dir", data.path(), "--log-level", "loud"}, 2, {"--log-level is loud", "trace"});
  ExpectFailure({"--data-dir", "/dev/null/folder"}, 2, {"--data-dir /dev/null/folder"});
  ExpectFailure({"--data-dir", data.path(), "--listen", "127.0.0.1:0", "--port-file", "/none/port"}, 2,
                {"--port-file", "/none/port cannot be written"});
}

TEST(DaemonTest, RefusesToListenOffThisMachineInClearText) {
  const TemporaryFolder data;
  ExpectFailure({"--data-dir", data.path(), "--listen", "0.0.0.0:0"}, 2, {"--listen is 0.0.0.0:0", "--insecure"});
}

TEST(DaemonTest, ChecksItsConfigurationAndServesNothing) {
  const TemporaryFolder data;
  DaemonProcess good({"--check-config", "--data-dir", data.path() + "/new"});
  EXPECT_EQ(good.Wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(data.path() + "/new"));
  ExpectFailure({"--check-config", "--tokens", "/no/such.toml"}, 2, {"--tokens", "/no/such.toml"});
  ExpectFailure({"--check-config", "--http-listen", "x"}, 2, {"--http-listen is x"});
}

TEST(DaemonTest, IsBackedUpWhileItServes) {
  const TemporaryFolder data;
  const std::string copy = data.path() + "/copy/greenplan.sqlite";
  std::filesystem::create_directory(data.path() + "/copy");
  std::string plan;
  {
    ServingDaemon daemon(data.path() + "/data");
    const auto connection = ConnectTo(daemon);
    ASSERT_TRUE(connection->CreateJob(TestJob("jobs/a")).ok());
    plan = connection->PlanRound("jobs/a", TestReport(0))->SerializeAsString();
    DaemonProcess backup({"backup", "--data-dir", data.path() + "/data", "--output", copy});
    EXPECT_EQ(backup.Wait(), 0) << backup.errors();
    EXPECT_EQ(backup.errors(), "");
    ASSERT_TRUE(connection->PlanRound("jobs/a", TestReport(1)).ok()) << "the daemon goes on";
  }
  ServingDaemon restored(data.path() + "/copy");
  const auto connection = ConnectTo(restored);
  EXPECT_EQ(connection->GetPlan("jobs/a/plans/0")->SerializeAsString(), plan);
  EXPECT_EQ(connection->GetPlan("jobs/a/plans/1").status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(connection->PlanRound("jobs/a", TestReport(1)).ok());
}

TEST(DaemonTest, ABackupThatCannotBeMadeIsOneLine) {
  const TemporaryFolder data;
  const std::string folder = data.path();
  ExpectFailure({"backup", "--data-dir", folder}, 2, {"--output is required"});
  ExpectFailure({"backup", "--data-dir", folder, "--output", folder + "/copy"}, 2, {folder + "/greenplan.sqlite"});
  ExpectFailure({"backup", "--store", "postgresql://u:p@h/d", "--output", folder + "/copy"}, 2,
                {"--store is postgresql://h/d", "pg_dump"});
  std::ofstream(folder + "/greenplan.sqlite") << std::string(5000, 'x');
  ExpectFailure({"backup", "--data-dir", folder, "--output", folder + "/copy"}, 1,
                {folder + "/greenplan.sqlite is damaged or no database"});
}

TEST(DaemonTest, ARetentionPolicyThatIsNoneIsRefused) {
  ExpectFailure({"--check-config", "--keep-reports", "0"}, 2, {"--keep-reports", "0"});
  ExpectFailure({"--check-config", "--delete-idle-after", "soon"}, 2, {"--delete-idle-after is soon"});
  DaemonProcess good({"--check-config", "--keep-reports", "10", "--delete-idle-after", "720h"});
  EXPECT_EQ(good.Wait(), 0) << good.errors();
}

TEST(DaemonTest, WithJsonLogsEveryLineIsAnObject) {
  DaemonProcess daemon({"--log-format", "json", "--listen", "7437"});
  EXPECT_EQ(daemon.Wait(), 2);
  EXPECT_THAT(daemon.errors(), AllOf(StartsWith("{\"level\":\"error\",\"message\":\"greenpland: --listen is 7437"),
                                     ::testing::EndsWith("}\n")));
}

// SHA-256 of "v" and of "t".
constexpr char kTokens[] = R"(
[[token]]
tenant = "a"
role = "viewer"
sha256 = "4c94485e0c21ae6c41ce1dfe7b6bfaceea5ab68e40a2476f50208e526f506080"
[[token]]
tenant = "a"
role = "trainer"
sha256 = "e3b98a4da31a127d4bde6e43033f66ba274cab0eb7eb1c70ec41402bf6273dd8"
)";

TEST(DaemonTest, TokensSayWhoMayCallWhatAndHealthNeedsNone) {
  const TemporaryFolder data;
  const auto write = [&](const std::string& name, const std::string& content) {
    std::ofstream(data.path() + "/" + name) << content;
    return data.path() + "/" + name;
  };
  ServingDaemon daemon(data.path() + "/jobs", {"--tokens", write("tokens.toml", kTokens)});
  const auto create_job = [&](const std::string& token_file) {
    const auto connection =
        Connect({.planner = daemon.address(), .timeout = absl::Minutes(1), .security = {.token_file = token_file}});
    return (*connection)->CreateJob(TestJob("jobs/a")).status().code();
  };
  EXPECT_EQ(create_job(""), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(create_job(write("other", "other")), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(create_job(write("viewer", "v")), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(create_job(write("trainer", "t")), absl::StatusCode::kOk);
  EXPECT_EQ(*RawUnaryCall(daemon.address(), kHealthCheck, ""), kServing);
  daemon.process().Signal(SIGTERM);
  EXPECT_EQ(daemon.process().Wait(), 0);
  const std::string log = daemon.process().errors();
  EXPECT_THAT(log, ContainsRegex("audit: tenant= role= peer=.* method=CreateJob resource=jobs/a code=UNAUTHENTICATED"));
  EXPECT_THAT(log, ContainsRegex(
                       "audit: tenant=a role=viewer peer=.* method=CreateJob resource=jobs/a code=PERMISSION_DENIED"));
  EXPECT_THAT(log, ContainsRegex("audit: tenant=a role=trainer peer=.* method=CreateJob resource=jobs/a code=OK"));
}

TEST(DaemonTest, ServesTlsAndTakesARenewedCertificateWhileItServes) {
  const TemporaryFolder data;
  const auto write = [&](const std::string& name, const std::string& content) {
    std::ofstream(data.path() + "/" + name) << content;
    return data.path() + "/" + name;
  };
  const TestAuthority first("first");
  const TestAuthority second("second");
  const IssuedCertificate issued = first.Issue({.name = "planner"});
  ServingDaemon daemon(data.path() + "/jobs", {"--tls-cert", write("cert.pem", issued.certificate), "--tls-key",
                                               write("key.pem", issued.key)});
  const auto create_job = [&](const TestAuthority& trusted, absl::Duration timeout) {
    const auto connection = Connect({.planner = daemon.address(),
                                     .timeout = timeout,
                                     .security = {.tls_ca = write("ca.pem", trusted.certificate())}});
    return (*connection)->CreateJob(TestJob("jobs/a")).status().code();
  };
  EXPECT_EQ(create_job(first, absl::Minutes(1)), absl::StatusCode::kOk);
  EXPECT_EQ(create_job(second, absl::Milliseconds(500)), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(RawUnaryCall(daemon.address(), kHealthCheck, "").ok());
  const IssuedCertificate renewed = second.Issue({.name = "planner"});
  write("cert.pem", renewed.certificate);
  write("key.pem", renewed.key);
  daemon.process().Signal(SIGHUP);
  EXPECT_EQ(create_job(second, absl::Minutes(1)), absl::StatusCode::kOk);
}

TEST(DaemonTest, AKeyThatDoesNotFitItsCertificateIsRefusedByName) {
  const TemporaryFolder data;
  const TestAuthority authority("an authority");
  const std::string cert = data.path() + "/cert.pem";
  const std::string key = data.path() + "/key.pem";
  std::ofstream(cert) << authority.Issue({.name = "planner"}).certificate;
  std::ofstream(key) << authority.Issue({.name = "another"}).key;
  ExpectFailure({"--data-dir", data.path() + "/jobs", "--tls-cert", cert, "--tls-key", key}, 2,
                {"--tls-key is " + key + ", which is not the key of the certificate"});
  EXPECT_FALSE(std::filesystem::exists(data.path() + "/jobs"));
}

TEST(DaemonTest, TellsItsVersion) {
  DaemonProcess daemon({"version"});
  EXPECT_EQ(daemon.Wait(), 0);
  EXPECT_THAT(daemon.output(), StartsWith("greenpland "));
}

}  // namespace
}  // namespace greenplan
