#ifndef GREENPLAN_PLANNER_CLI_PLAN_PRINTER_H_
#define GREENPLAN_PLANNER_CLI_PLAN_PRINTER_H_

#include <string>
#include <vector>

#include "greenplan/v1/plan.pb.h"
#include "planner/core/model_profile.h"

namespace greenplan {

// Prints a plan to stdout in `format`, which is table, json or csv: a summary, what trains, and the drop rates. Every
// command that prints a plan uses this function, so that they print the same.
//
// `importance` ([num_tensors]) fills a column of the table; null leaves the column out. REQUIRES: `plan` was made for
// `profile`, as PreparedProfile::ReadPlan checks. Not thread-safe.
void PrintPlan(const v1::Plan& plan, const ModelProfile& profile, const std::vector<double>* importance,
               const std::string& format);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_PLAN_PRINTER_H_
