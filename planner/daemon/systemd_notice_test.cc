#include "planner/daemon/systemd_notice.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

// What systemd does: a datagram socket, whose name the environment of the service holds.
class NotifySocket {
 public:
  // "/PATH" or "@NAME".
  explicit NotifySocket(const std::string& name) : descriptor_(socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(descriptor_, reinterpret_cast<sockaddr*>(&address), length), 0) << strerror(errno);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~NotifySocket() {
    close(descriptor_);
    unsetenv("NOTIFY_SOCKET");
  }

  // The next message, which has been sent already.
  std::string Receive() const {
    char buffer[256];
    const ssize_t size = recv(descriptor_, buffer, sizeof(buffer), MSG_DONTWAIT);
    return size < 0 ? "" : std::string(buffer, size);
  }

 private:
  const int descriptor_;
};

// Socket paths have to be short, which TempDir's are not.
std::string SocketPath() { return absl::StrCat("/tmp/greenplan-notice-", getpid()); }

TEST(NotifySystemdTest, ReachesASocketInTheFileSystem) {
  const std::string path = SocketPath();
  unlink(path.c_str());
  {
    const NotifySocket socket(path);
    EXPECT_TRUE(NotifySystemd("READY=1\nSTATUS=serving").ok());
    EXPECT_EQ(socket.Receive(), "READY=1\nSTATUS=serving");
    EXPECT_TRUE(NotifySystemd("STOPPING=1").ok());
    EXPECT_EQ(socket.Receive(), "STOPPING=1");
  }
  unlink(path.c_str());
}

TEST(NotifySystemdTest, ReachesAnAbstractSocket) {
  const NotifySocket socket(absl::StrCat("@greenplan-notice-", getpid()));
  EXPECT_TRUE(NotifySystemd("READY=1").ok());
  EXPECT_EQ(socket.Receive(), "READY=1");
}

TEST(NotifySystemdTest, WithoutSystemdThereIsNothingToDo) {
  unsetenv("NOTIFY_SOCKET");
  EXPECT_TRUE(NotifySystemd("READY=1").ok());
  setenv("NOTIFY_SOCKET", "", 1);
  EXPECT_TRUE(NotifySystemd("READY=1").ok());
  unsetenv("NOTIFY_SOCKET");
}

TEST(NotifySystemdTest, SaysWhyNobodyIsReached) {
  const auto status_with = [](const std::string& socket) {
    setenv("NOTIFY_SOCKET", socket.c_str(), 1);
    const absl::Status status = NotifySystemd("READY=1");
    unsetenv("NOTIFY_SOCKET");
    return status;
  };
  EXPECT_EQ(status_with("relative").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status_with("/" + std::string(200, 'a')).code(), absl::StatusCode::kInvalidArgument);
  const absl::Status away = status_with("/no/such/socket");
  EXPECT_EQ(away.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(away.message()), HasSubstr("/no/such/socket cannot be reached: No such file"));
}

}  // namespace
}  // namespace greenplan
