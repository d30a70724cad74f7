#include "planner/daemon/reload_log.h"

#include <memory>
#include <sstream>

#include "gtest/gtest.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"

namespace greenplan {
namespace {

TEST(ReloadLogTest, TellsAnErrorOnceAndWhenItIsGone) {
  std::ostringstream log;
  const auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log);
  sink->set_pattern("%l: %v");
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
  ReloadLog reload_log("--tokens");
  reload_log.Record(absl::OkStatus());
  reload_log.Record(absl::InvalidArgumentError("line 3"));
  reload_log.Record(absl::InvalidArgumentError("line 3"));
  reload_log.Record(absl::InvalidArgumentError("line 4"));
  reload_log.Record(absl::OkStatus());
  reload_log.Record(absl::OkStatus());
  spdlog::set_default_logger(before);
  EXPECT_EQ(log.str(),
            "error: --tokens stays as it was: line 3\n"
            "error: --tokens stays as it was: line 4\n"
            "info: --tokens is in order again\n");
}

}  // namespace
}  // namespace greenplan
