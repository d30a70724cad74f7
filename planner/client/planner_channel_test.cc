#include "planner/client/planner_channel.h"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "planner/files/files.h"
#include "planner/security/testing/test_certificates.h"

namespace greenplan {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Gt;
using ::testing::HasSubstr;

std::string Write(const std::string& name, const std::string& content) {
  const std::string path = ::testing::TempDir() + "/" + name;
  EXPECT_TRUE(WriteFile(path, content).ok());
  return path;
}

// gRPC's own resolver asks a DNS server for names that /etc/hosts has, and finds nothing where there is no such server.
TEST(PlannerChannelNamesTest, NamesAreLookedUpAsTheSystemDoesUnlessTheUserSaysOtherwise) {
  unsetenv("GRPC_DNS_RESOLVER");
  ASSERT_TRUE(PlannerChannel::Create("localhost:1", {}).ok());
  EXPECT_STREQ(getenv("GRPC_DNS_RESOLVER"), "native");
  setenv("GRPC_DNS_RESOLVER", "ares", 1);
  ASSERT_TRUE(PlannerChannel::Create("localhost:1", {}).ok());
  EXPECT_STREQ(getenv("GRPC_DNS_RESOLVER"), "ares");
  setenv("GRPC_DNS_RESOLVER", "native", 1);
}

// Answers GetPlan with the caller's authorization as the plan's name.
class EchoServer : public v1::PlannerService::Service {
 public:
  explicit EchoServer(const std::shared_ptr<grpc::ServerCredentials>& credentials = grpc::InsecureServerCredentials(),
                      int port = 0) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddListeningPort("127.0.0.1:" + std::to_string(port), credentials, &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    SetServing(true);
  }

  grpc::Status GetPlan(grpc::ServerContext* context, const v1::GetPlanRequest*, v1::Plan* plan) override {
    ++calls;
    const auto token = context->client_metadata().find("authorization");
    if (token != context->client_metadata().end()) plan->set_name({token->second.data(), token->second.size()});
    return grpc::Status::OK;
  }

  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  void SetServing(bool is_serving) {
    server_->GetHealthCheckService()->SetServingStatus("greenplan.v1.PlannerService", is_serving);
  }

  std::atomic<int> calls = 0;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// The token that arrived.
absl::StatusOr<std::string> GetPlan(PlannerChannel& channel, absl::Duration timeout = absl::Seconds(60)) {
  v1::Plan plan;
  if (absl::Status status = channel.Call("GetPlan", v1::GetPlanRequest(), plan, timeout); !status.ok()) return status;
  return plan.name();
}

absl::Status GetPlanOnce(const EchoServer& server, const ServerSecurity& security) {
  const auto channel = PlannerChannel::Create(server.address(), security);
  if (!channel.ok()) return channel.status();
  return GetPlan(**channel, absl::Milliseconds(700)).status();
}

std::shared_ptr<grpc::ServerCredentials> Tls(const IssuedCertificate& server,
                                             const std::string& client_authority = "") {
  grpc::SslServerCredentialsOptions options(client_authority.empty()
                                                ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = client_authority;
  options.pem_key_cert_pairs.push_back({server.key, server.certificate});
  return grpc::SslServerCredentials(options);
}

class PlannerChannelTest : public ::testing::Test {
 protected:
  const TestAuthority authority_{"an authority"};
  const TestAuthority other_authority_{"another authority"};
  const std::string ca_ = Write("ca.pem", authority_.certificate());
};

TEST_F(PlannerChannelTest, TrustsADaemonWhoseCertificateItsAuthorityHasSigned) {
  const EchoServer server(Tls(authority_.Issue({.name = "planner"})));
  EXPECT_TRUE(GetPlanOnce(server, {.tls_ca = ca_}).ok());
}

TEST_F(PlannerChannelTest, TrustsNoOtherDaemon) {
  const std::vector<IssuedCertificate> certificates = {
      other_authority_.Issue({.name = "planner"}),
      SelfSigned({.name = "planner"}),
      authority_.Issue({.name = "planner", .hosts = "DNS:elsewhere"}),
      authority_.Issue({.name = "planner", .starts = -absl::Hours(2), .ends = -absl::Hours(1)}),
      authority_.Issue({.name = "planner", .starts = absl::Hours(1), .ends = absl::Hours(2)}),
  };
  for (size_t i = 0; i < certificates.size(); ++i) {
    const EchoServer server(Tls(certificates[i]));
    EXPECT_EQ(GetPlanOnce(server, {.tls_ca = ca_}).code(), absl::StatusCode::kUnavailable) << i;
    EXPECT_EQ(server.calls, 0) << i;
  }
}

TEST_F(PlannerChannelTest, TakesTheAuthoritiesOfTheMachine) {
  const EchoServer server(Tls(authority_.Issue({.name = "planner"})));
  setenv("SSL_CERT_FILE", ca_.c_str(), /*overwrite=*/1);
  EXPECT_TRUE(GetPlanOnce(server, {.tls_ca = "system"}).ok());
  unsetenv("SSL_CERT_FILE");
}

TEST_F(PlannerChannelTest, ShowsItsCertificateToADaemonThatAsksForOne) {
  const EchoServer server(Tls(authority_.Issue({.name = "planner"}), authority_.certificate()));
  const IssuedCertificate client = authority_.Issue({.name = "trainer"});
  const std::string certificate = Write("client.pem", client.certificate);
  const std::string key = Write("client-key.pem", client.key);
  EXPECT_TRUE(GetPlanOnce(server, {.tls_ca = ca_, .tls_cert = certificate, .tls_key = key}).ok());
  EXPECT_EQ(GetPlanOnce(server, {.tls_ca = ca_}).code(), absl::StatusCode::kUnavailable);
}

TEST_F(PlannerChannelTest, GoesOnAfterItsCertificateWasReplaced) {
  const EchoServer server(Tls(authority_.Issue({.name = "planner"}), authority_.certificate()));
  const IssuedCertificate expired =
      authority_.Issue({.name = "trainer", .starts = -absl::Hours(2), .ends = -absl::Hours(1)});
  const ServerSecurity security = {.tls_ca = ca_,
                                   .tls_cert = Write("rotated.pem", expired.certificate),
                                   .tls_key = Write("rotated-key.pem", expired.key)};
  const auto channel = PlannerChannel::Create(server.address(), security);
  ASSERT_TRUE(channel.ok()) << channel.status();
  EXPECT_EQ(GetPlan(**channel, absl::Milliseconds(700)).status().code(), absl::StatusCode::kUnavailable);
  const IssuedCertificate renewed = authority_.Issue({.name = "trainer"});
  Write("rotated.pem", renewed.certificate);  // For a moment the two files do not fit together.
  EXPECT_EQ(GetPlan(**channel, absl::Milliseconds(700)).status().code(), absl::StatusCode::kUnavailable);
  Write("rotated-key.pem", renewed.key);
  EXPECT_TRUE(GetPlan(**channel).ok());
}

TEST_F(PlannerChannelTest, SendsTheTokenThatTheFileHoldsNow) {
  const EchoServer server;
  const auto channel = PlannerChannel::Create(server.address(), {.token_file = Write("token", "first\n")});
  ASSERT_TRUE(channel.ok()) << channel.status();
  EXPECT_EQ(*GetPlan(**channel), "Bearer first");
  Write("token", "second");
  EXPECT_EQ(*GetPlan(**channel), "Bearer second");
  Write("token", "");
  EXPECT_EQ(*GetPlan(**channel), "Bearer second");
}

TEST_F(PlannerChannelTest, RefusesAFileThatHoldsNoToken) {
  const EchoServer server;
  const std::vector<std::string> contents = {"",          "\n",           "two\nlines\n",
                                             "two words", "t\xc3\xb6ken", std::string("a\0b", 3)};
  for (const std::string& content : contents) {
    const std::string file = Write("bad-token", content);
    const absl::Status status = GetPlanOnce(server, {.token_file = file});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << content;
    EXPECT_THAT(status.message(), AllOf(HasSubstr("--token-file is " + file), HasSubstr("one line")));
  }
}

TEST_F(PlannerChannelTest, CallsTakeTurnsOverTheReplicasThatServe) {
  EchoServer replicas[3];
  const auto channel =
      PlannerChannel::Create(replicas[0].address() + "," + replicas[1].address() + "," + replicas[2].address(), {});
  ASSERT_TRUE(channel.ok()) << channel.status();
  replicas[2].SetServing(false);
  for (int call = 0; call < 60; ++call) ASSERT_TRUE(GetPlan(**channel).ok());
  EXPECT_THAT((std::vector<int>{replicas[0].calls, replicas[1].calls}), Each(Gt(10)));
  EXPECT_EQ(replicas[2].calls, 0);
}

TEST_F(PlannerChannelTest, NoCallFailsWhenAReplicaGoesAway) {
  auto first = std::make_unique<EchoServer>();
  const EchoServer second;
  const auto channel = PlannerChannel::Create(first->address() + "," + second.address(), {});
  ASSERT_TRUE(channel.ok()) << channel.status();
  for (int call = 0; call < 20; ++call) {
    if (call == 10) first.reset();
    EXPECT_TRUE(GetPlan(**channel).ok()) << call;
  }
}

}  // namespace
}  // namespace greenplan
