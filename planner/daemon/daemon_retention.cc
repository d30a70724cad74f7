#include "planner/daemon/daemon_retention.h"

#include "planner/core/invalid_argument.h"
#include "planner/flags/duration_flag.h"
#include "spdlog/spdlog.h"

namespace greenplan {

absl::StatusOr<Retention::Options> RetentionOf(const DaemonOptions& options) {
  Retention::Options retention = {
      .kept_report_rounds = options.keep_reports,
      .on_store_error = [](const absl::Status& status) { spdlog::error("store: {}", status.ToString()); },
      .on_deleted_jobs = [idle = options.delete_idle_after](
                             int64_t count) { spdlog::info("deleted {} jobs that were idle for {}", count, idle); }};
  if (options.keep_reports.has_value() && *options.keep_reports < 1) {
    return InvalidArgument("--keep-reports", " is ", *options.keep_reports, "; allowed: an integer >= 1");
  }
  if (options.delete_idle_after.empty()) return retention;
  const absl::StatusOr<absl::Duration> time = ParseDurationFlag("--delete-idle-after", options.delete_idle_after);
  if (!time.ok()) return time.status();
  retention.max_idle_time = *time;
  return retention;
}

}  // namespace greenplan
