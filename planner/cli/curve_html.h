#ifndef GREENPLAN_PLANNER_CLI_CURVE_HTML_H_
#define GREENPLAN_PLANNER_CLI_CURVE_HTML_H_

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "planner/core/model_profile.h"

namespace greenplan {

// A page that needs nothing but a browser: what every budget buys, as a curve and as a table.
// `rows` are those of `greenplan whatif --format json`. REQUIRES: at least one row.
// Pure function, thread-safe.
std::string CurvePage(const std::vector<nlohmann::ordered_json>& rows, const ModelProfile& profile);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_CURVE_HTML_H_
