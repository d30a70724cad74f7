#ifndef GREENPLAN_PLANNER_JOB_PLANNING_H_
#define GREENPLAN_PLANNER_JOB_PLANNING_H_

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "planner/core/plan.h"
#include "planner/core/planner.h"

namespace greenplan {

// Time since a fixed moment; never runs backwards.
using MonotonicClock = std::function<absl::Duration()>;
absl::Duration SteadyNow();

// Until when the caller of a planning waits, and whether it still does.
struct CallLimits {
  // When the caller stops waiting, on `clock`.
  absl::Duration deadline = absl::InfiniteDuration();
  // True once the caller has gone. Asked on the planning thread now and then; must be cheap. Optional.
  StopFunction cancelled = {};
  MonotonicClock clock = SteadyNow;
};

// What to do with a plan that the caller's deadline would cut short.
enum class AtDeadline {
  kAnswerBest,  // Stop shortly before the deadline and answer the best plan found.
  kFail,        // DeadlineExceeded: a plan that depends on its caller's patience must not be kept.
};

// The one way from a request in core's terms to its plan, whoever asks: the daemon, the local connection, the command
// line. Adds to Planner what needs a clock or a caller: options->time_limit, which answers the best plan found by then,
// and the call's limits. request.should_stop is set here.
//
// The errors of Planner::MakePlan. InvalidArgument: every method but full needs measurements. Cancelled: the caller has
// gone, so the plan would depend on when. DeadlineExceeded: the deadline passed before the search began, or, with
// AtDeadline::kFail, before it ended. Thread-safe.
absl::StatusOr<Plan> MakePlan(const Planner& planner, PlanRequest request, const CallLimits& limits = {},
                              AtDeadline at_deadline = AtDeadline::kAnswerBest);

// One plan per budget, as Planner::MakeCurve. InvalidArgument if `budgets` is empty. The limits are of the whole curve.
absl::StatusOr<std::vector<Plan>> MakeCurve(const Planner& planner, PlanRequest request,
                                            const std::vector<Budget>& budgets, const CallLimits& limits = {});

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_PLANNING_H_
