#ifndef GREENPLAN_PLANNER_DAEMON_RELOAD_LOG_H_
#define GREENPLAN_PLANNER_DAEMON_RELOAD_LOG_H_

#include <string>
#include <utility>

#include "absl/status/status.h"

namespace greenplan {

// Logs the results of reading a file again and again: an error when it appears or changes, and once more when it is
// gone. The same error twice in a row is logged once.
//
//   ReloadLog log("--tokens");
//   log.Record(access.Reload());
//
// Not thread-safe.
class ReloadLog {
 public:
  // `what` names what is read, in terms that a user knows, such as a flag.
  explicit ReloadLog(std::string what) : what_(std::move(what)) {}

  // Logs `status`, the result of the latest reading, if it differs from the one before.
  void Record(const absl::Status& status);

 private:
  const std::string what_;
  std::string last_error_;  // Empty: the last time, there was none.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_RELOAD_LOG_H_
