#include "trainer_client/parallel/local_address.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace greenplan::trainer {
namespace {

// Connecting a datagram socket chooses the route, and with it the local address, without sending anything. Any port
// does.
constexpr char kAnyPort[] = "9";

// The address of the local end of a socket that is connected to `remote`; empty if there is no route.
std::string LocalEnd(const addrinfo& remote) {
  const int descriptor = socket(remote.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return "";
  sockaddr_storage local = {};
  socklen_t size = sizeof(local);
  char address[NI_MAXHOST] = "";
  if (connect(descriptor, remote.ai_addr, remote.ai_addrlen) != 0 ||
      getsockname(descriptor, reinterpret_cast<sockaddr*>(&local), &size) != 0 ||
      getnameinfo(reinterpret_cast<sockaddr*>(&local), size, address, sizeof(address), nullptr, 0, NI_NUMERICHOST) !=
          0) {
    address[0] = '\0';
  }
  close(descriptor);
  return address;
}

// Makes a connection. Returns 0 or the number of the error.
int Connect(const addrinfo& remote, absl::Duration patience) {
  const int descriptor = socket(remote.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return errno;
  int error = connect(descriptor, remote.ai_addr, remote.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd ready = {.fd = descriptor, .events = POLLOUT, .revents = 0};
    const int count = poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(patience)));
    socklen_t size = sizeof(error);
    if (count == 0) error = ETIMEDOUT;
    if (count < 0 || (count > 0 && getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0)) error = errno;
  }
  close(descriptor);
  return error;
}

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

absl::StatusOr<Addresses> LookUp(const std::string& host, const std::string& port, int socket_type) {
  const addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = socket_type};
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error == 0) return Addresses(found, freeaddrinfo);
  return absl::UnavailableError(absl::StrCat("the host ", host, " is not found: ", gai_strerror(error)));
}

}  // namespace

absl::StatusOr<std::string> LocalAddressTowards(const std::string& host) {
  const absl::StatusOr<Addresses> remotes = LookUp(host, kAnyPort, SOCK_DGRAM);
  if (!remotes.ok()) return remotes.status();
  for (const addrinfo* remote = remotes->get(); remote != nullptr; remote = remote->ai_next) {
    std::string address = LocalEnd(*remote);
    if (!address.empty()) return address;
  }
  return absl::UnavailableError(absl::StrCat("there is no route from this machine to the host ", host));
}

absl::Status CheckListening(const std::string& host, int port, absl::Duration patience) {
  const absl::StatusOr<Addresses> remotes = LookUp(host, absl::StrCat(port), SOCK_STREAM);
  if (!remotes.ok()) return remotes.status();
  int error = 0;
  for (const addrinfo* remote = remotes->get(); remote != nullptr; remote = remote->ai_next) {
    error = Connect(*remote, patience);
    if (error == 0) return absl::OkStatus();
  }
  return absl::UnavailableError(std::strerror(error));
}

}  // namespace greenplan::trainer
