#ifndef GREENPLAN_PLANNER_CLI_EXPLANATION_PRINTER_H_
#define GREENPLAN_PLANNER_CLI_EXPLANATION_PRINTER_H_

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"

namespace greenplan {

// Prints an explanation to stdout in `format`, which is table, json or csv. `rows` are those of ExplainPlan
// (planner/job/explain.h) about `plan`, which was made for `profile`. Not thread-safe.
void PrintExplanation(const std::vector<nlohmann::ordered_json>& rows, const Plan& plan, const ModelProfile& profile,
                      const std::string& format);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_EXPLANATION_PRINTER_H_
