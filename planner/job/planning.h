#ifndef GREENPLAN_PLANNER_JOB_PLANNING_H_
#define GREENPLAN_PLANNER_JOB_PLANNING_H_

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "planner/core/plan.h"
#include "planner/core/planner.h"

namespace greenplan {

// A clock: the time since a fixed moment. It never runs backwards.
using MonotonicClock = std::function<absl::Duration()>;
// Returns the time of std::chrono::steady_clock, the clock that all callers but tests use.
absl::Duration SteadyNow();

// Returns how much processor time the calling thread has used.
absl::Duration ThreadProcessorTime();

// How long the caller of a planning waits.
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

// Makes the plan for a request in core's terms. This is the one way to a plan, whoever asks: the daemon, the local
// connection or the command line. It adds to Planner what needs a clock or a caller, namely options->time_limit, after
// which the best plan found is answered, and the limits of the call. It sets request.should_stop itself.
//
// The errors of Planner::MakePlan, and InvalidArgument if a method other than full has no measurements. Cancelled if
// the caller has gone, since the plan would depend on when. DeadlineExceeded if the deadline passed before the search
// began or, with AtDeadline::kFail, before it ended. Thread-safe.
absl::StatusOr<Plan> MakePlan(const Planner& planner, PlanRequest request, const CallLimits& limits = {},
                              AtDeadline at_deadline = AtDeadline::kAnswerBest);

// Makes one plan for each of `budgets`, as Planner::MakeCurve. The limits, and options->time_limit, are for the whole
// curve. The errors of MakePlan, and InvalidArgument if `budgets` is empty.
absl::StatusOr<std::vector<Plan>> MakeCurve(const Planner& planner, PlanRequest request,
                                            const std::vector<Budget>& budgets, const CallLimits& limits = {});

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_PLANNING_H_
