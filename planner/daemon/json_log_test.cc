#include "planner/daemon/json_log.h"

#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "spdlog/logger.h"
#include "spdlog/sinks/ostream_sink.h"

namespace greenplan {
namespace {

TEST(JsonLogTest, EveryLineIsAnObjectWhateverIsLogged) {
  std::ostringstream out;
  spdlog::logger log("test", std::make_shared<spdlog::sinks::ostream_sink_st>(out));
  log.set_formatter(NewJsonLogFormatter());
  for (const std::string message : {"plain", "\"quoted\" \\ and\nbroken", "\xff no UTF-8", ""}) {
    out.str("");
    log.warn("{}", message);
    const std::string line = out.str();
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
    const nlohmann::json object = nlohmann::json::parse(line);
    EXPECT_EQ(object["level"], "warning");
    EXPECT_TRUE(object["time"].get<std::string>().ends_with("Z"));
    if (message[0] != '\xff') EXPECT_EQ(object["message"], message);
  }
  EXPECT_EQ(nlohmann::json::parse(JsonLogLine("error", "a\nb"))["message"], "a\nb");
}

}  // namespace
}  // namespace greenplan
