#include "planner/rpc/host_port.h"

#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(HostPortTest, ParsesNamesAndAddresses) {
  const struct {
    const char* text;
    const char* host;
    int port;
  } cases[] = {
      {"localhost:7437", "localhost", 7437},
      {"10.0.0.1:0", "10.0.0.1", 0},
      {"[::1]:65535", "[::1]", 65535},
  };
  for (const auto& c : cases) {
    const auto parsed = ParseHostPort(c.text);
    ASSERT_TRUE(parsed.has_value()) << c.text;
    EXPECT_EQ(parsed->host, c.host);
    EXPECT_EQ(parsed->port, c.port);
  }
}

TEST(HostPortTest, RefusesEverythingElse) {
  for (const char* text :
       {"", "localhost", "localhost:", ":7437", "localhost:65536", "localhost:99999999999", "localhost:-1",
        "localhost:+1", "localhost: 1", "localhost:x", "::1:7437", "[]:1", "http://localhost:7437", "a b:1"}) {
    EXPECT_FALSE(ParseHostPort(text).has_value()) << text;
  }
}

TEST(IsLoopbackTest, IsTrueOfThisMachineAlone) {
  for (const std::string host : {"localhost", "LOCALHOST", "127.0.0.1", "127.8.7.6", "[::1]", "[0:0:0:0:0:0:0:1]"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const std::string host : {"0.0.0.0", "10.0.0.1", "128.0.0.1", "[::]", "[::ffff:10.0.0.1]", "planner",
                                 "localhost.example.org", "127.example.org", "127.1", ""}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace greenplan
