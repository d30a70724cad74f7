#ifndef GREENPLAN_PLANNER_DAEMON_SYSTEMD_NOTICE_H_
#define GREENPLAN_PLANNER_DAEMON_SYSTEMD_NOTICE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// Tells systemd what the daemon's state is, for units of Type=notify: units that are started after it then find it
// serving. `state` is lines of VARIABLE=VALUE as sd_notify(3) has them, such as "READY=1" or "STOPPING=1".
//
// Does nothing and returns OK unless the environment variable NOTIFY_SOCKET names a socket, which systemd sets for such
// units. Unavailable if nobody listens there; InvalidArgument if the variable is no address of a socket. Does not block
// for longer than the kernel takes to queue a datagram. Thread-safe as long as nobody changes the environment.
absl::Status NotifySystemd(absl::string_view state);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_SYSTEMD_NOTICE_H_
