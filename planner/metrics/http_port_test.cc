#include "planner/metrics/http_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// The whole answer to a request.
std::string Request(int port, const std::string& request) {
  const int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  EXPECT_EQ(connect(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(write(socket_fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t bytes = 0; (bytes = read(socket_fd, buffer, sizeof(buffer))) > 0;) answer.append(buffer, bytes);
  close(socket_fd);
  return answer;
}

std::string Get(int port, const std::string& path) {
  return Request(port, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

TEST(HttpPortTest, ServesMetricsAndProbes) {
  std::vector<std::string> reasons;
  const auto http = HttpPort::Start({.listen = "localhost:0",
                                     .metrics = [] { return std::string("greenplan_x 1\n"); },
                                     .not_ready = [&] { return reasons; }});
  ASSERT_TRUE(http.ok()) << http.status();
  const int port = (*http)->port();
  EXPECT_THAT(Get(port, "/metrics"), EndsWith("\r\n\r\ngreenplan_x 1\n"));
  EXPECT_THAT(Get(port, "/livez"), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(Get(port, "/readyz"), StartsWith("HTTP/1.1 200 OK"));
  reasons = {"draining", "store: away"};
  EXPECT_THAT(Get(port, "/readyz"), AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("\r\n\r\ndraining\nstore: away\n")));
  EXPECT_THAT(Get(port, "/livez"), StartsWith("HTTP/1.1 200 OK"));
}

TEST(HttpPortTest, ServesNothingElse) {
  const auto http = HttpPort::Start({.listen = "127.0.0.1:0",
                                     .metrics = [] { return std::string(); },
                                     .not_ready = [] { return std::vector<std::string>(); }});
  ASSERT_TRUE(http.ok()) << http.status();
  for (const std::string path : {"/", "/etc/passwd", "/../etc/passwd", "/metrics/x"}) {
    EXPECT_THAT(Get((*http)->port(), path), ::testing::AnyOf(StartsWith("HTTP/1.1 404 "), StartsWith("HTTP/1.1 400 ")))
        << path;
  }
  EXPECT_THAT(Request((*http)->port(), "POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"),
              StartsWith("HTTP/1.1 405 "));
}

TEST(HttpPortTest, StopsWithoutWaitingForAClient) {
  const auto start = std::chrono::steady_clock::now();
  for (const std::string listen : {"127.0.0.1:0", "0.0.0.0:0"}) {
    for (int i = 0; i < 20; ++i) {
      const auto http = HttpPort::Start({.listen = listen,
                                         .metrics = [] { return std::string(); },
                                         .not_ready = [] { return std::vector<std::string>(); }});
      ASSERT_TRUE(http.ok()) << http.status();
    }
  }
  // civetweb alone takes a second on average for each.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(HttpPortTest, NamesAnAddressThatItCannotHave) {
  const auto start = [](const std::string& listen) {
    return HttpPort::Start({.listen = listen,
                            .metrics = [] { return std::string(); },
                            .not_ready = [] { return std::vector<std::string>(); }});
  };
  EXPECT_EQ(start("7438").status().code(), absl::StatusCode::kInvalidArgument);
  const auto first = start("127.0.0.1:0");
  ASSERT_TRUE(first.ok()) << first.status();
  for (const std::string& listen : {"127.0.0.1:" + std::to_string((*first)->port()), std::string("192.0.2.1:1")}) {
    const auto taken = start(listen);
    EXPECT_EQ(taken.status().code(), absl::StatusCode::kUnavailable) << listen;
    EXPECT_THAT(taken.status().message(), HasSubstr("--http-listen " + listen));
  }
}

}  // namespace
}  // namespace greenplan
