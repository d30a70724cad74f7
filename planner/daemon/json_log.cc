#include "planner/daemon/json_log.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "spdlog/details/log_msg.h"

namespace greenplan {
namespace {

std::string Line(absl::Time time, absl::string_view level, absl::string_view message) {
  const nlohmann::json line = {{"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone())},
                               {"level", std::string(level)},
                               {"message", std::string(message)}};
  return line.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

class JsonLogFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    const auto level = spdlog::level::to_string_view(message.level);
    const std::string text = Line(absl::FromChrono(message.time), {level.data(), level.size()},
                                  {message.payload.data(), message.payload.size()}) +
                             "\n";
    line.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return NewJsonLogFormatter(); }
};

}  // namespace

std::unique_ptr<spdlog::formatter> NewJsonLogFormatter() { return std::make_unique<JsonLogFormatter>(); }

std::string JsonLogLine(absl::string_view level, absl::string_view message) {
  return Line(absl::Now(), level, message);
}

}  // namespace greenplan
