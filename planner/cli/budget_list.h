#ifndef GREENPLAN_PLANNER_CLI_BUDGET_LIST_H_
#define GREENPLAN_PLANNER_CLI_BUDGET_LIST_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/core/plan.h"
#include "planner/flags/plan_flags.h"

namespace greenplan {

// The values of --budgets as a user would write each: "0.1:0.3:0.1" stands for 0.1, 0.2, 0.3 (both ends included, in
// decimal, so that 0.3 is the 0.3 that --budget takes). InvalidArgument: no range, a step of 0 or below, no budget at
// all, or more than 100,000.
absl::StatusOr<std::vector<std::string>> ExpandBudgets(const std::vector<std::string>& budgets);

// The options that the flags give every budget of a list, with the whole of full as a budget to be replaced.
absl::StatusOr<v1::PlanOptions> OptionsOfList(const PlanFlags& flags);

// The budgets that --budgets lists, each checked for `method`; none for an empty list.
absl::StatusOr<std::vector<v1::Budget>> ParseBudgetMessages(const std::vector<std::string>& budgets,
                                                            const PlanFlags& flags, Method method);
absl::StatusOr<std::vector<Budget>> ParseBudgets(const std::vector<std::string>& budgets, const PlanFlags& flags,
                                                 Method method);

// An error about --budget, naming --budgets.
absl::Status NameBudgets(const absl::Status& status);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_BUDGET_LIST_H_
