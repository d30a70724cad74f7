#ifndef GREENPLAN_PLANNER_DAEMON_DAEMON_H_
#define GREENPLAN_PLANNER_DAEMON_DAEMON_H_

#include <string>

#include "absl/status/status.h"

namespace greenplan {

struct DaemonOptions {
  std::string listen = "127.0.0.1:7437";    // HOST:PORT; port 0 takes a free one, which the log tells.
  std::string data_dir = "greenplan-data";  // Created if missing; holds greenplan.sqlite.
  std::string port_file;                    // Gets the port, once calls are answered. Empty: none.
  std::string log_level = "info";           // trace, debug, info, warning, error, critical or off.
};

// Serves until SIGTERM or SIGINT, then drains. To be called from main, before any other thread is started: it blocks
// the two signals. OK after a clean shutdown.
// InvalidArgument: listen is malformed. Other errors name the folder, file or address at fault.
absl::Status RunDaemon(const DaemonOptions& options);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_DAEMON_H_
