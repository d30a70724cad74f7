#ifndef GREENPLAN_PLANNER_CLI_CURVE_HTML_H_
#define GREENPLAN_PLANNER_CLI_CURVE_HTML_H_

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "planner/core/model_profile.h"

namespace greenplan {

// Returns an HTML page that shows what every budget buys, as a curve and as a table. The page needs nothing but a
// browser: it loads no script or style from elsewhere. `rows` are those of `greenplan whatif --format json`, in order.
// REQUIRES: at least one row. Pure function, thread-safe.
std::string CurvePage(const std::vector<nlohmann::ordered_json>& rows, const ModelProfile& profile);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_CURVE_HTML_H_
