#ifndef GREENPLAN_PLANNER_CORE_WORK_METER_H_
#define GREENPLAN_PLANNER_CORE_WORK_METER_H_

#include <cstdint>
#include <limits>

#include "planner/core/plan.h"

namespace greenplan {

// Bounds a search by work done, which is the same on every machine, and by a stop function. A unit is a few
// nanoseconds.
class WorkMeter {
 public:
  // Without limits.
  WorkMeter() : WorkMeter(std::numeric_limits<int64_t>::max(), kNoStop) {}
  // `should_stop` must outlive the meter.
  WorkMeter(int64_t limit, const StopFunction& should_stop) : left_(limit), should_stop_(should_stop) {}

  // False once the work is used up or a stop was asked for.
  bool Spend(int64_t units) {
    left_ -= units;
    since_asked_ += units;
    if (since_asked_ >= kUnitsBetweenQuestions && should_stop_) {
      since_asked_ = 0;
      stopped_ = stopped_ || should_stop_();
      if (stopped_) left_ = -1;
    }
    return left_ > 0;
  }

  bool exhausted() const { return left_ <= 0; }
  int64_t left() const { return left_; }
  // Whether the stop function ended it: then it does not depend on the problem alone how far the search came.
  bool stopped() const { return stopped_; }

 private:
  static inline const StopFunction kNoStop;
  static constexpr int64_t kUnitsBetweenQuestions = 4000;

  int64_t left_;
  int64_t since_asked_ = 0;
  bool stopped_ = false;
  const StopFunction& should_stop_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_WORK_METER_H_
