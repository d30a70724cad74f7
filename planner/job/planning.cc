#include "planner/job/planning.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

// How long before its deadline a search is stopped, so that the answer arrives in time: a search may notice the stop
// late, and the larger the profile is, the longer it takes to finish the plan.
absl::Duration Reserve(const ModelProfile& profile, absl::Duration time_left) {
  const int64_t size = static_cast<int64_t>(profile.ops.size() + profile.tensors.size());
  return std::min(absl::Milliseconds(10) + absl::Microseconds(1) * size, time_left / 4);
}

// Stops one search, and remembers why.
class SearchStop {
 public:
  enum class Reason { kNone, kTimeLimit, kDeadline, kCancelled };

  // `time_limit_end` and `deadline` are on limits.clock.
  SearchStop(absl::Duration time_limit_end, absl::Duration deadline, const CallLimits& limits)
      : limits_(limits), time_limit_end_(time_limit_end), deadline_(deadline) {}

  // Empty if nothing can stop the search.
  StopFunction Function() {
    if (!HasEnd() && limits_.cancelled == nullptr) return nullptr;
    return [this] { return Ask() != Reason::kNone; };
  }

  // The first reason found stays. The deadline comes before the cancellation, which may follow from it.
  Reason Ask() {
    if (reason_ != Reason::kNone) return reason_;
    const absl::Duration now = HasEnd() ? limits_.clock() : absl::ZeroDuration();
    if (HasEnd() && now >= deadline_) {
      reason_ = Reason::kDeadline;
    } else if (limits_.cancelled != nullptr && limits_.cancelled()) {
      reason_ = Reason::kCancelled;
    } else if (HasEnd() && now >= time_limit_end_) {
      reason_ = Reason::kTimeLimit;
    }
    return reason_;
  }

  Reason reason() const { return reason_; }

 private:
  bool HasEnd() const { return std::min(time_limit_end_, deadline_) < absl::InfiniteDuration(); }

  const CallLimits& limits_;
  const absl::Duration time_limit_end_;
  const absl::Duration deadline_;
  Reason reason_ = Reason::kNone;
};

absl::Status CallerHasGone() {
  return absl::CancelledError("the call ended before its plan was found; nothing was kept");
}

absl::Status DeadlinePassed() {
  return absl::DeadlineExceededError(
      "the call's deadline passed before its plan was found; nothing was kept. options.time_limit bounds the planning "
      "and answers the best plan found by then");
}

// Runs `search`, which takes a PlanRequest, within the limits.
template <typename Search>
auto RunWithin(PlanRequest request, const ModelProfile& profile, const CallLimits& limits, AtDeadline at_deadline,
               const Search& search) -> decltype(search(request)) {
  if (request.measurements == nullptr && request.options->method != Method::kFull) {
    return InvalidArgument("importance", " is missing; every method but full requires a report");
  }
  const absl::Duration now = limits.clock();
  if (now >= limits.deadline) return DeadlinePassed();
  const bool answers_best = at_deadline == AtDeadline::kAnswerBest;
  const absl::Duration reserve = answers_best ? Reserve(profile, limits.deadline - now) : absl::ZeroDuration();
  SearchStop stop(now + request.options->time_limit, limits.deadline - reserve, limits);
  using Reason = SearchStop::Reason;
  // A search too short to ask should not be answered to nobody.
  if (stop.Ask() == Reason::kCancelled) return CallerHasGone();
  request.should_stop = stop.Function();
  auto result = search(request);
  if (stop.reason() == Reason::kCancelled) return CallerHasGone();
  if (stop.reason() == Reason::kDeadline && !answers_best) return DeadlinePassed();
  return result;
}

}  // namespace

absl::Duration SteadyNow() { return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch()); }

absl::Duration ThreadProcessorTime() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

absl::StatusOr<Plan> MakePlan(const Planner& planner, PlanRequest request, const CallLimits& limits,
                              AtDeadline at_deadline) {
  return RunWithin(std::move(request), planner.profile(), limits, at_deadline,
                   [&planner](const PlanRequest& bounded) { return planner.MakePlan(bounded); });
}

absl::StatusOr<std::vector<Plan>> MakeCurve(const Planner& planner, PlanRequest request,
                                            const std::vector<Budget>& budgets, const CallLimits& limits) {
  if (budgets.empty()) return InvalidArgument("budgets", " is empty; at least one is required");
  return RunWithin(std::move(request), planner.profile(), limits, AtDeadline::kAnswerBest,
                   [&planner, &budgets](const PlanRequest& bounded) { return planner.MakeCurve(bounded, budgets); });
}

}  // namespace greenplan
