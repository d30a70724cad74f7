#include "planner/client/server_flags.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "gmock/gmock.h"
#include "grpc/support/log.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

absl::Status Open(const std::vector<std::string>& arguments) {
  CLI::App app;
  const ServerFlags flags(app);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // As CLI11 wants them.
  app.parse(reversed);
  return flags.Open().status();
}

TEST(ServerFlagsTest, TakesOneAddressOrSeveral) {
  EXPECT_TRUE(Open({}).ok());
  EXPECT_TRUE(Open({"--server", "planner:1"}).ok());
  EXPECT_TRUE(Open({"--server", "a:1,[::1]:2,10.0.0.1:65535"}).ok());
}

TEST(ServerFlagsTest, NamesTheFlagAtFault) {
  for (const std::string server : {"a", "a:0", "a:1,", ",a:1", "a:1,,b:1", "a:1 ,b:1"}) {
    EXPECT_THAT(Open({"--server", server}).message(), HasSubstr("--server is " + server + "; allowed: HOST:PORT[,"));
  }
  EXPECT_THAT(Open({"--tls-ca", "/no/such.pem"}).message(), HasSubstr("--tls-ca: "));
  EXPECT_THAT(Open({"--tls-cert", "c.pem"}).message(), HasSubstr("--tls-cert is given without --tls-key"));
  EXPECT_THAT(Open({"--tls-key", "k.pem"}).message(), HasSubstr("--tls-key is given without --tls-cert"));
  EXPECT_THAT(Open({"--tls-cert", "c.pem", "--tls-key", "k.pem"}).message(),
              HasSubstr("--tls-cert is given without --tls-ca"));
  EXPECT_THAT(Open({"--token-file", "/no/such"}).message(), HasSubstr("--token-file: "));
}

TEST(ServerFlagsTest, ATokenStaysOnThisMachineWithoutTls) {
  EXPECT_THAT(Open({"--server", "127.0.0.1:1,planner:1", "--token-file", "/no/such"}).message(),
              HasSubstr("--token-file would be sent to planner:1 in clear text"));
  EXPECT_THAT(Open({"--server", "planner:1", "--token-file", "/no/such", "--insecure"}).message(),
              HasSubstr("--token-file: "));  // It goes on to read the file.
}

TEST(ServerFlagsTest, StderrIsLeftToTheProgramUnlessTheEnvironmentAsks) {
  const auto logged = [] {
    gpr_set_log_function(nullptr);  // gRPC's own, which writes to stderr.
    CLI::App app;
    const ServerFlags flags(app);
    ::testing::internal::CaptureStderr();
    gpr_log(GPR_ERROR, "a line of gRPC's own");
    return ::testing::internal::GetCapturedStderr();
  };
  setenv("GRPC_VERBOSITY", "error", 1);
  EXPECT_THAT(logged(), HasSubstr("a line of gRPC's own"));
  unsetenv("GRPC_VERBOSITY");
  EXPECT_EQ(logged(), "");
}

}  // namespace
}  // namespace greenplan
