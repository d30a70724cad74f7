#include "planner/daemon/daemon_security.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/files/files.h"
#include "planner/security/testing/test_certificates.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

std::string Write(const std::string& name, const std::string& content) {
  const std::string path = ::testing::TempDir() + "/" + name;
  EXPECT_TRUE(WriteFile(path, content).ok());
  return path;
}

TEST(DaemonSecurityTest, ListensOffLoopbackWithTlsOrWhenToldTo) {
  const TestAuthority authority("an authority");
  const IssuedCertificate issued = authority.Issue({.name = "planner"});
  DaemonOptions options;
  for (const char* listen : {"127.0.0.1:0", "localhost:1", "[::1]:1"}) {
    options.listen = listen;
    EXPECT_TRUE(DaemonSecurity::Create(options).ok()) << listen;
  }
  for (const char* listen : {"0.0.0.0:0", "[::]:1", "planner:1", "10.0.0.1:1"}) {
    options.listen = listen;
    const absl::Status status = DaemonSecurity::Create(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << listen;
    EXPECT_THAT(status.message(), HasSubstr("--listen is " + options.listen + ", which other machines reach"));
    DaemonOptions insecure = options;
    insecure.insecure = true;
    EXPECT_TRUE(DaemonSecurity::Create(insecure).ok()) << listen;
  }
  options.tls_cert = Write("cert.pem", issued.certificate);
  options.tls_key = Write("key.pem", issued.key);
  EXPECT_TRUE(DaemonSecurity::Create(options).ok());
}

TEST(DaemonSecurityTest, NamesFlagsThatDoNotGoTogether) {
  const auto message = [](const auto& set) {
    DaemonOptions options;
    set(options);
    const absl::Status status = DaemonSecurity::Create(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(message([](auto& o) { o.tls_cert = "c"; }), HasSubstr("--tls-cert is given without --tls-key"));
  EXPECT_THAT(message([](auto& o) { o.tls_key = "k"; }), HasSubstr("--tls-key is given without --tls-cert"));
  EXPECT_THAT(message([](auto& o) { o.tls_client_ca = "a"; }), HasSubstr("--tls-client-ca is given without"));
  EXPECT_THAT(message([](auto& o) { o.channelz = true, o.tokens = "t"; }), HasSubstr("--channelz would answer"));
  EXPECT_THAT(message([](auto& o) { o.tokens = "/no/such.toml"; }), HasSubstr("--tokens: /no/such.toml"));
}

}  // namespace
}  // namespace greenplan
