#include "planner/admission/testing/client_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

namespace greenplan {

ClientSocket ClientSocket::Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  ClientSocket client(fd);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) client.Close();
  return client;
}

ClientSocket& ClientSocket::operator=(ClientSocket&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void ClientSocket::Send(const std::string& bytes) const {
  // A peer that has closed the connection is no fault of the sender's.
  (void)!send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

std::string ClientSocket::ReadToEnd() const {
  std::string received;
  char buffer[4096];
  for (ssize_t bytes = 0; (bytes = recv(fd_, buffer, sizeof(buffer), 0)) > 0;) received.append(buffer, bytes);
  return received;
}

void ClientSocket::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

}  // namespace greenplan
