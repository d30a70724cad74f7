#include "trainer_client/parallel/local_address.h"

#include <ifaddrs.h>
#include <netdb.h>

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

TEST(LocalAddressTest, SaysWhichHostIsNotFound) {
  const absl::Status status = LocalAddressTowards("no-such-host.invalid").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the host no-such-host.invalid is not found"));
}

}  // namespace
}  // namespace greenplan::trainer
