#ifndef GREENPLAN_PLANNER_ADMISSION_LISTENING_PORT_H_
#define GREENPLAN_PLANNER_ADMISSION_LISTENING_PORT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace greenplan {

// A TCP port that is listened on, with one socket for each address of a host. Movable; closes its sockets when it is
// destroyed.
//
//   absl::StatusOr<ListeningPort> port = ListeningPort::Open("127.0.0.1:0");
//   for (int socket : port->sockets()) ... accept on it ...
class ListeningPort {
 public:
  // Starts to listen on `listen`, a HOST:PORT. Port 0 takes a free port, the same for all addresses of the host. "[::]"
  // takes IPv4 connections too. InvalidArgument if `listen` is no HOST:PORT. Unavailable, with the system's reason, if
  // the port is taken or the host is no address of this machine. Thread-safe.
  static absl::StatusOr<ListeningPort> Open(const std::string& listen);

  ListeningPort(ListeningPort&& other) noexcept;
  ListeningPort& operator=(ListeningPort&&) = delete;
  ~ListeningPort();

  // Returns the port listened on, also where port 0 was asked for.
  int port() const { return port_; }
  // Returns the listening sockets: at least one, all non-blocking. They belong to this object.
  const std::vector<int>& sockets() const { return sockets_; }

 private:
  ListeningPort() = default;

  std::vector<int> sockets_;
  int port_ = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_ADMISSION_LISTENING_PORT_H_
