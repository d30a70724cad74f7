#include "planner/admission/listening_port.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/admission/testing/client_socket.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ListeningPortTest, TakesAFreePortAtEveryAddressOfTheHost) {
  const absl::StatusOr<ListeningPort> port = ListeningPort::Open("localhost:0");
  ASSERT_TRUE(port.ok()) << port.status();
  EXPECT_GT(port->port(), 0);
  EXPECT_FALSE(port->sockets().empty());
  EXPECT_TRUE(ClientSocket::Connect(port->port()).is_open());
}

TEST(ListeningPortTest, APortIsTakenOnceAndFreeAgainAfterwards) {
  std::string listen;
  {
    absl::StatusOr<ListeningPort> first = ListeningPort::Open("127.0.0.1:0");
    ASSERT_TRUE(first.ok()) << first.status();
    listen = absl::StrCat("127.0.0.1:", first->port());
    const ListeningPort moved = *std::move(first);
    const absl::Status taken = ListeningPort::Open(listen).status();
    EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(taken.message(), listen + " cannot be listened on: Address already in use");
  }
  EXPECT_TRUE(ListeningPort::Open(listen).ok());
}

TEST(ListeningPortTest, NamesWhatIsNoAddressOfThisMachine) {
  const absl::Status elsewhere = ListeningPort::Open("192.0.2.1:0").status();
  EXPECT_EQ(elsewhere.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(elsewhere.message()), StartsWith("192.0.2.1:0 cannot be listened on: "));
  const absl::Status unknown = ListeningPort::Open("no such host:0").status();
  EXPECT_THAT(unknown.message(), HasSubstr("no such host"));
  EXPECT_EQ(ListeningPort::Open("7437").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace greenplan
