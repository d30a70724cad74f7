#ifndef GREENPLAN_PLANNER_DAEMON_RELOAD_LOG_H_
#define GREENPLAN_PLANNER_DAEMON_RELOAD_LOG_H_

#include <string>
#include <utility>

#include "absl/status/status.h"

namespace greenplan {

// Logs what comes of reading a file again and again: an error when it appears or changes, and when it is gone.
//
//   ReloadLog log("--tokens");
//   log.Record(access.Reload());
//
// Not thread-safe.
class ReloadLog {
 public:
  // `what` was read, as a user knows it.
  explicit ReloadLog(std::string what) : what_(std::move(what)) {}

  void Record(const absl::Status& status);

 private:
  const std::string what_;
  std::string last_error_;  // Empty: the last time, there was none.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_RELOAD_LOG_H_
