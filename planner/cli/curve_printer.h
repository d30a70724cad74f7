#ifndef GREENPLAN_PLANNER_CLI_CURVE_PRINTER_H_
#define GREENPLAN_PLANNER_CLI_CURVE_PRINTER_H_

#include <string>
#include <vector>

#include "planner/core/model_profile.h"
#include "planner/core/plan.h"

namespace greenplan {

// What `whatif` prints: one row for each budget.
struct Curve {
  // The budgets as the user named them.
  std::vector<Budget> budgets;

  // What each of them buys, [budgets.size()].
  std::vector<Plan> plans;

  // What the plans rest on, [num_tensors].
  std::vector<double> importance;
};

// Prints the curve to stdout in `format`, which is table, json, csv, or html: a page with the curve drawn.
// REQUIRES: at least one budget; the plans were made for `profile`. Not thread-safe.
void PrintCurve(const Curve& curve, const ModelProfile& profile, const std::string& format);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_CURVE_PRINTER_H_
