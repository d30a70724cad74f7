#ifndef GREENPLAN_PLANNER_METRICS_METRICS_H_
#define GREENPLAN_PLANNER_METRICS_METRICS_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace greenplan {

// What the daemon measures, for Prometheus.
//
//   greenplan_rpc_duration_seconds  histogram  method, code  time from a call's start to its answer
//   greenplan_build_info            gauge      version       1
//   greenplan_start_time_seconds    gauge                    when the daemon started, in Unix time
//
// Thread-safety: safe.
class Metrics {
 public:
  // `version` is the daemon's.
  explicit Metrics(const std::string& version);
  ~Metrics();

  // `method` as "GetJob", `code` as "NOT_FOUND". Each pair is a time series, so they come from fixed sets.
  void RecordRpc(absl::string_view method, absl::string_view code, absl::Duration duration);

  // Everything in Prometheus' text format.
  std::string Text() const;

 private:
  class Families;

  const std::unique_ptr<Families> families_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_METRICS_METRICS_H_
