#include "trainer_client/parallel/local_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using ::testing::HasSubstr;

TEST(LocalAddressTest, TowardsAnAddressOfThisMachineItIsThatAddress) {
  EXPECT_EQ(*LocalAddressTowards("127.0.0.1"), "127.0.0.1");
  ifaddrs* interfaces = nullptr;
  ASSERT_EQ(getifaddrs(&interfaces), 0);
  for (const ifaddrs* one = interfaces; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    char address[NI_MAXHOST];
    ASSERT_EQ(getnameinfo(one->ifa_addr, sizeof(sockaddr_in), address, sizeof(address), nullptr, 0, NI_NUMERICHOST), 0);
    EXPECT_EQ(*LocalAddressTowards(address), address);
  }
  freeifaddrs(interfaces);
}

TEST(LocalAddressTest, TakesNames) {
  EXPECT_TRUE((std::set<std::string>{"127.0.0.1", "::1"}).contains(*LocalAddressTowards("localhost")));
}

TEST(CheckListeningTest, TellsWhetherSomebodyTakesConnections) {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const int port = ntohs(address.sin_port);
  EXPECT_EQ(CheckListening("127.0.0.1", port, absl::Seconds(1)), absl::UnavailableError("Connection refused"));
  ASSERT_EQ(listen(descriptor, 1), 0);
  EXPECT_EQ(CheckListening("127.0.0.1", port, absl::Seconds(1)), absl::OkStatus());
  close(descriptor);
  EXPECT_THAT(std::string(CheckListening("no-such-host.invalid", 1, absl::Seconds(1)).message()),
              HasSubstr("the host no-such-host.invalid is not found"));
}

TEST(LocalAddressTest, SaysWhichHostIsNotFound) {
  const absl::Status status = LocalAddressTowards("no-such-host.invalid").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the host no-such-host.invalid is not found"));
}

}  // namespace
}  // namespace greenplan::trainer
