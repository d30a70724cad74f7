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

// The budgets of a command that takes a list of them. All functions are pure and thread-safe.
//
// Returns the values of --budgets as a user would write each of them: "0.1:0.3:0.1" stands for 0.1, 0.2, 0.3. Both ends
// are included, and the steps are computed in decimal, so that 0.3 is the 0.3 that --budget takes. InvalidArgument if a
// value is no range, has a step of 0 or below or yields no budget, or if there are more than 100,000 budgets.
absl::StatusOr<std::vector<std::string>> ExpandBudgets(const std::vector<std::string>& budgets);

// Returns the options that the flags give to every budget of a list. Their own budget is a placeholder (all of full),
// to be replaced by each budget of the list. InvalidArgument as PlanFlags::Options.
absl::StatusOr<v1::PlanOptions> OptionsOfList(const PlanFlags& flags);

// Returns the budgets that --budgets lists, each checked for `method`; none for an empty list. InvalidArgument names
// --budgets.
absl::StatusOr<std::vector<v1::Budget>> ParseBudgetMessages(const std::vector<std::string>& budgets,
                                                            const PlanFlags& flags, Method method);
// The same in core's terms.
absl::StatusOr<std::vector<Budget>> ParseBudgets(const std::vector<std::string>& budgets, const PlanFlags& flags,
                                                 Method method);

// Returns an error about --budget as one about --budgets.
absl::Status NameBudgets(const absl::Status& status);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_BUDGET_LIST_H_
