#ifndef GREENPLAN_PLANNER_SERVICE_PLAN_WAITER_H_
#define GREENPLAN_PLANNER_SERVICE_PLAN_WAITER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/service/round_barrier.h"

namespace greenplan {

// Makes one call of RoundBarrier::PlanRound and lets a thread wait for its answer. For tests and fuzzers. Thread-safe.
class PlanWaiter {
 public:
  PlanWaiter(RoundBarrier& barrier, const JobKey& key, const v1::ImportanceReport& report, CallLimits limits = {}) {
    barrier.PlanRound(key, report, limits, [answer = answer_](const absl::StatusOr<v1::Plan>& plan) {
      answer->plan = plan;
      answer->is_there.Notify();  // A second answer to one call ends the process here.
    });
  }

  // Returns whether the answer has come.
  bool IsAnswered() const { return answer_->is_there.HasBeenNotified(); }

  // Waits for the answer and returns it.
  const absl::StatusOr<v1::Plan>& Wait() const {
    answer_->is_there.WaitForNotification();
    return answer_->plan;
  }

 private:
  struct Answer {
    absl::Notification is_there;
    absl::StatusOr<v1::Plan> plan;
  };
  const std::shared_ptr<Answer> answer_ = std::make_shared<Answer>();
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_PLAN_WAITER_H_
