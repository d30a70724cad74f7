#include "tests/reliability/raw_connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace greenplan {

RawConnection::RawConnection(const std::string& address) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.find(':') + 1), &port)) << address;
  sockaddr_in server = {};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<uint16_t>(port));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&server), sizeof(server)), 0)
      << address << ", errno " << errno;
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  fcntl(socket_, F_SETFL, O_NONBLOCK);
}

RawConnection::RawConnection(RawConnection&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), is_closed_(other.is_closed_) {}

RawConnection& RawConnection::operator=(RawConnection&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(is_closed_, other.is_closed_);
  return *this;
}

RawConnection::~RawConnection() {
  if (socket_ >= 0) close(socket_);
}

size_t RawConnection::Send(const std::string& bytes) {
  const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) is_closed_ = true;
  return sent < 0 ? 0 : static_cast<size_t>(sent);
}

std::string RawConnection::Receive() {
  std::string received;
  char buffer[4096];
  for (;;) {
    const ssize_t count = recv(socket_, buffer, sizeof(buffer), 0);
    if (count > 0) {
      received.append(buffer, static_cast<size_t>(count));
      continue;
    }
    if (count == 0 || errno != EAGAIN) is_closed_ = true;
    return received;
  }
}

bool RawConnection::WaitFor(const std::string& part, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  std::string received;
  for (;;) {
    received += Receive();
    if (received.find(part) != std::string::npos) return true;
    const absl::Duration left = deadline - absl::Now();
    if (is_closed_ || left <= absl::ZeroDuration()) return false;
    pollfd event = {socket_, POLLIN, 0};
    poll(&event, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
  }
}

}  // namespace greenplan
