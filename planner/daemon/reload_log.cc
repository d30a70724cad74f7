#include "planner/daemon/reload_log.h"

#include "spdlog/spdlog.h"

namespace greenplan {

void ReloadLog::Record(const absl::Status& status) {
  std::string error(status.message());
  if (!status.ok() && error != last_error_) spdlog::error("{} stays as it was: {}", what_, error);
  if (status.ok() && !last_error_.empty()) spdlog::info("{} is in order again", what_);
  last_error_ = std::move(error);
}

}  // namespace greenplan
