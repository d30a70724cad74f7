#include "planner/client/connection.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

TEST(ConnectTest, TakesLocalAndHostAndPort) {
  for (const std::string planner : {"local", "localhost:7437", "10.0.0.1:1", "[::1]:65535", "a:1,b:2"}) {
    EXPECT_TRUE(Connect({.planner = planner}).ok()) << planner;
  }
}

TEST(ConnectTest, RefusesWhatIsNeither) {
  for (const std::string planner :
       {"", "Local", "localhost", "localhost:", ":7437", "localhost:0", "localhost:65536", "localhost:-1",
        "localhost:x", "::1:7437", "http://localhost:7437", "a b:1", "a:1,", "a:1,local"}) {
    const auto connection = Connect({.planner = planner});
    EXPECT_EQ(connection.status().code(), absl::StatusCode::kInvalidArgument) << planner;
    EXPECT_THAT(connection.status().message(), HasSubstr("planner is \"" + planner + "\"; must be local or HOST:PORT"));
  }
}

TEST(ConnectTest, NamesTheFlagOfAFileAtFault) {
  const auto connection = Connect({.planner = "localhost:1", .security = {.tls_ca = "/no/such.pem"}});
  EXPECT_EQ(connection.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(connection.status()), "--tls-ca");
}

}  // namespace
}  // namespace greenplan
