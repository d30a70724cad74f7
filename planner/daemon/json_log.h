#ifndef GREENPLAN_PLANNER_DAEMON_JSON_LOG_H_
#define GREENPLAN_PLANNER_DAEMON_JSON_LOG_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "spdlog/formatter.h"

namespace greenplan {

// Returns a formatter that writes log lines as JSON objects:
// {"level":"info","message":"...","time":"2026-01-02T03:04:05.678Z"}. The time is UTC. Bytes of a message that are not
// UTF-8 are replaced.
std::unique_ptr<spdlog::formatter> NewJsonLogFormatter();

// Returns one such line for the present moment, without a line break. Thread-safe.
std::string JsonLogLine(absl::string_view level, absl::string_view message);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_JSON_LOG_H_
