#include "planner/admission/listening_port.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/core/invalid_argument.h"
#include "planner/rpc/host_port.h"

namespace greenplan {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// How many free ports to try until one is free at all addresses of the host.
constexpr int kMaxAttempts = 20;

absl::Status Refuse(const std::string& listen, absl::string_view reason) {
  return absl::UnavailableError(absl::StrCat(listen, " cannot be listened on: ", reason));
}

void SetPort(sockaddr* address, int port) {
  if (address->sa_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = htons(static_cast<uint16_t>(port));
  } else {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = htons(static_cast<uint16_t>(port));
  }
}

int PortOf(int socket_fd) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  getsockname(socket_fd, reinterpret_cast<sockaddr*>(&address), &size);
  return address.ss_family == AF_INET6 ? ntohs(reinterpret_cast<sockaddr_in6*>(&address)->sin6_port)
                                       : ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

// Returns the socket, or the negated errno.
int OpenSocket(const addrinfo& address, bool is_any_host) {
  const int socket_fd = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) return -errno;
  const int on = 1;
  setsockopt(socket_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));  // A restart need not wait for old connections.
  setsockopt(socket_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // Connections inherit it.
  if (address.ai_family == AF_INET6) {
    const int only_v6 = is_any_host ? 0 : 1;
    setsockopt(socket_fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6));
  }
  if (bind(socket_fd, address.ai_addr, address.ai_addrlen) == 0 && listen(socket_fd, SOMAXCONN) == 0) return socket_fd;
  const int error = errno;
  close(socket_fd);
  return -error;
}

// A machine without IPv6 may know a host by an IPv6 address all the same.
bool IsNoAddressHere(int error) { return error == EADDRNOTAVAIL || error == EAFNOSUPPORT; }

// Listens at all addresses on one port, and returns 0. Otherwise returns an errno, with the sockets closed.
int OpenSockets(addrinfo* addresses, int port, bool is_any_host, std::vector<int>& sockets) {
  int error = EADDRNOTAVAIL;
  for (addrinfo* address = addresses; address != nullptr; address = address->ai_next) {
    SetPort(address->ai_addr, port);
    const int socket_fd = OpenSocket(*address, is_any_host);
    if (socket_fd >= 0) {
      sockets.push_back(socket_fd);
      port = PortOf(socket_fd);
    } else {
      error = -socket_fd;
      if (!IsNoAddressHere(error)) break;
    }
  }
  if (!sockets.empty() && (IsNoAddressHere(error))) return 0;
  for (const int socket_fd : sockets) close(socket_fd);
  sockets.clear();
  return error;
}

}  // namespace

absl::StatusOr<ListeningPort> ListeningPort::Open(const std::string& listen) {
  const std::optional<HostPort> parsed = ParseHostPort(listen);
  if (!parsed.has_value()) return InvalidArgument(listen, " is no HOST:PORT, PORT being 0 to 65535");
  std::string host = parsed->host;
  if (host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
    return Refuse(listen, gai_strerror(error));
  }
  const Addresses addresses(found, &freeaddrinfo);
  ListeningPort port;
  int error = 0;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    error = OpenSockets(addresses.get(), parsed->port, /*is_any_host=*/host == "::", port.sockets_);
    // Port 0: what is free at one address may be taken at another.
    if (error != EADDRINUSE || parsed->port != 0) break;
  }
  if (error != 0) return Refuse(listen, std::strerror(error));
  port.port_ = PortOf(port.sockets_.front());
  return port;
}

ListeningPort::ListeningPort(ListeningPort&& other) noexcept
    : sockets_(std::exchange(other.sockets_, {})), port_(other.port_) {}

ListeningPort::~ListeningPort() {
  for (const int socket_fd : sockets_) close(socket_fd);
}

}  // namespace greenplan
