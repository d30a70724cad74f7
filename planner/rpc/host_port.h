#ifndef GREENPLAN_PLANNER_RPC_HOST_PORT_H_
#define GREENPLAN_PLANNER_RPC_HOST_PORT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace greenplan {

// An address to listen on or to connect to.
struct HostPort {
  std::string host;  // As written, an IPv6 address in its brackets.
  int port = 0;      // 0 to 65535.
};

// Parses "HOST:PORT", such as "localhost:7437", "10.0.0.1:0" or "[::1]:7437". Returns nullopt if `text` is nothing of
// the kind. Pure function, thread-safe.
std::optional<HostPort> ParseHostPort(absl::string_view text);

// Returns whether `host`, written as above, reaches only this machine: localhost, an address in 127.0.0.0/8, or [::1].
// Other names are not looked up, because they may mean something else tomorrow. Pure function, thread-safe.
bool IsLoopback(absl::string_view host);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_RPC_HOST_PORT_H_
