#include "trainer_client/parallel/local_address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

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

}  // namespace

absl::StatusOr<std::string> LocalAddressTowards(const std::string& host) {
  const addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), kAnyPort, &hints, &found);
  if (error != 0)
    return absl::UnavailableError(absl::StrCat("the host ", host, " is not found: ", gai_strerror(error)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> remotes(found, freeaddrinfo);
  for (const addrinfo* remote = found; remote != nullptr; remote = remote->ai_next) {
    std::string address = LocalEnd(*remote);
    if (!address.empty()) return address;
  }
  return absl::UnavailableError(absl::StrCat("there is no route from this machine to the host ", host));
}

}  // namespace greenplan::trainer
