#include "planner/security/server_tls.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "planner/files/files.h"
#include "planner/security/testing/test_certificates.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

class AnsweringService : public grpc::health::v1::Health::Service {
  grpc::Status Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest*,
                     grpc::health::v1::HealthCheckResponse*) override {
    return grpc::Status::OK;
  }
};

// What a client trusts and shows.
grpc::SslCredentialsOptions Client(const std::string& trusts, const IssuedCertificate& shows = {}) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = trusts;
  options.pem_cert_chain = shows.certificate;
  options.pem_private_key = shows.key;
  return options;
}

class ServerTlsTest : public ::testing::Test {
 protected:
  ServerTlsTest() { WritePair(authority_.Issue({.name = "planner"})); }

  static std::string Write(const std::string& name, const std::string& content) {
    const std::string path = ::testing::TempDir() + "/" + name;
    EXPECT_TRUE(WriteFile(path, content).ok());
    return path;
  }

  void WritePair(const IssuedCertificate& issued) {
    Write("cert.pem", issued.certificate);
    Write("key.pem", issued.key);
  }

  void Serve(const std::string& client_ca = "") {
    auto tls = ServerTls::Create({.certificate = certificate_, .key = key_, .client_ca = client_ca});
    ASSERT_TRUE(tls.ok()) << tls.status();
    tls_ = *std::move(tls);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", tls_->NewCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }

  // One call over a connection of its own.
  grpc::StatusCode Call(const std::shared_ptr<grpc::ChannelCredentials>& credentials) const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto stub = grpc::health::v1::Health::NewStub(
        grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port_), credentials, arguments));
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckResponse response;
    return stub->Check(&context, {}, &response).error_code();
  }
  grpc::StatusCode Call(const grpc::SslCredentialsOptions& options) const {
    return Call(grpc::SslCredentials(options));
  }

  const TestAuthority authority_{"an authority"};
  const TestAuthority other_{"another authority"};
  const std::string certificate_ = ::testing::TempDir() + "/cert.pem";
  const std::string key_ = ::testing::TempDir() + "/key.pem";
  std::unique_ptr<ServerTls> tls_;
  AnsweringService service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(ServerTlsTest, ServesTlsAlone) {
  Serve();
  EXPECT_EQ(Call(Client(authority_.certificate())), grpc::StatusCode::OK);
  EXPECT_EQ(Call(grpc::InsecureChannelCredentials()), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTlsTest, WithAClientAuthorityItAnswersItsClientsAlone) {
  Serve(Write("clients.pem", authority_.certificate()));
  const std::string& trusted = authority_.certificate();
  EXPECT_EQ(Call(Client(trusted, authority_.Issue({.name = "trainer"}))), grpc::StatusCode::OK);
  EXPECT_EQ(Call(Client(trusted)), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call(Client(trusted, other_.Issue({.name = "trainer"}))), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call(Client(trusted, SelfSigned({.name = "trainer"}))), grpc::StatusCode::UNAVAILABLE);
  const IssuedCertificate expired =
      authority_.Issue({.name = "trainer", .starts = -absl::Hours(2), .ends = -absl::Hours(1)});
  EXPECT_EQ(Call(Client(trusted, expired)), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTlsTest, AKeyOfAnotherCertificateIsRefused) {
  Write("key.pem", authority_.Issue({.name = "another"}).key);
  const auto tls = ServerTls::Create({.certificate = certificate_, .key = key_});
  EXPECT_EQ(tls.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(tls.status().message(), HasSubstr("--tls-key is " + key_));
}

TEST_F(ServerTlsTest, NewConnectionsGetTheNewCertificateAndOldAuthoritiesAreForgotten) {
  Serve(Write("clients.pem", authority_.certificate()));
  WritePair(other_.Issue({.name = "planner"}));
  Write("clients.pem", other_.certificate());
  ASSERT_TRUE(tls_->Reload().ok());
  EXPECT_EQ(Call(Client(other_.certificate(), other_.Issue({.name = "trainer"}))), grpc::StatusCode::OK);
  EXPECT_EQ(Call(Client(other_.certificate(), authority_.Issue({.name = "trainer"}))), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call(Client(authority_.certificate(), other_.Issue({.name = "trainer"}))), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTlsTest, ARenewedCertificateThatClientsWouldRefuseIsNotTaken) {
  Serve();
  WritePair(authority_.Issue({.name = "planner", .starts = -absl::Hours(2), .ends = -absl::Hours(1)}));
  EXPECT_THAT(tls_->Reload().message(), HasSubstr("--tls-cert is " + certificate_ + ", which expired on "));
  WritePair(authority_.Issue({.name = "planner", .starts = absl::Hours(1), .ends = absl::Hours(2)}));
  EXPECT_THAT(tls_->Reload().message(), HasSubstr("--tls-cert is " + certificate_ + ", which is not valid before "));
  EXPECT_EQ(Call(Client(authority_.certificate())), grpc::StatusCode::OK);
}

// A hundred rotations; between any two of them the files hold a pair that does not fit. Every call opens a connection.
TEST_F(ServerTlsTest, NoCallFailsWhileCertificatesRotateWithBadPairsBetween) {
  Serve();
  std::atomic<bool> is_done = false;
  std::atomic<int> calls = 0;
  std::atomic<int> failures = 0;
  std::thread caller([&] {
    while (!is_done || calls < 20) {
      failures += Call(Client(authority_.certificate())) != grpc::StatusCode::OK;
      ++calls;
    }
  });
  for (int rotation = 0; rotation < 100; ++rotation) {
    const IssuedCertificate next = authority_.Issue({.name = "planner " + std::to_string(rotation)});
    Write("cert.pem", next.certificate);
    EXPECT_EQ(tls_->Reload().code(), absl::StatusCode::kInvalidArgument);
    Write("key.pem", next.key);
    EXPECT_TRUE(tls_->Reload().ok());
  }
  is_done = true;
  caller.join();
  EXPECT_EQ(failures, 0) << "of " << calls;
}

}  // namespace
}  // namespace greenplan
