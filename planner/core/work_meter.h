#ifndef GREENPLAN_PLANNER_CORE_WORK_METER_H_
#define GREENPLAN_PLANNER_CORE_WORK_METER_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "planner/core/plan.h"

namespace greenplan {

// Bounds what one request takes: its work, which is the same on every machine, its memory, and its time, by a stop
// function. A unit of work is a few nanoseconds.
//
// Planner makes one meter per request and hands it down. A part that may take no more than a share of the work or of
// the memory gets a meter of its own, made from the request's: what the share takes, the request takes too, and the
// stop is the request's. Running out of work or memory depends on the problem alone, so the same request gives the same
// result; once the stop function has fired, that no longer holds.
// Not thread-safe: one thread plans one request.
class WorkMeter {
 public:
  // As a number of units or bytes: no limit.
  static constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

  // A meter without limits.
  WorkMeter() : WorkMeter(kNoLimit, kNoStop) {}
  // `should_stop` may be empty; it must outlive the meter.
  WorkMeter(int64_t work, const StopFunction& should_stop, int64_t bytes = kNoLimit)
      : left_(work), bytes_left_(bytes), own_stop_{&should_stop}, stop_(&own_stop_) {}
  // A share of `parent`: at most all that it has left. `parent` must outlive it and spends nothing meanwhile.
  WorkMeter(int64_t work, WorkMeter& parent, int64_t bytes = kNoLimit)
      : left_(std::min(work, parent.left_)),
        at_start_(left_),
        since_asked_(parent.since_asked_),
        bytes_left_(bytes),
        stop_(parent.stop_),
        parent_(&parent) {}
  WorkMeter(const WorkMeter&) = delete;
  WorkMeter& operator=(const WorkMeter&) = delete;
  ~WorkMeter() {
    if (parent_ == nullptr) return;
    parent_->since_asked_ = since_asked_;
    if (parent_->left_ != kNoLimit) parent_->left_ -= at_start_ - left_;
  }

  // Charges `units` of work, and asks the stop function once enough work has been done since it was last asked. Returns
  // false once the work is used up or the stop function has fired: the caller should then end with what it has.
  bool Spend(int64_t units) {
    left_ -= units;
    since_asked_ += units;
    if (since_asked_ >= kUnitsBetweenQuestions) AskToStop();
    return left_ > 0;
  }

  // Charges nothing, but asks the stop function as if `units` had been spent: for work that is charged as a whole, or
  // that what it is part of bounds. Returns false once the stop function has fired.
  bool Pass(int64_t units) {
    since_asked_ += units;
    if (since_asked_ >= kUnitsBetweenQuestions) AskToStop();
    return !stopped();
  }

  // Whether the work is used up or a stop was asked for.
  bool exhausted() const { return left_ <= 0 || stopped(); }
  // Returns the units of work that are left.
  int64_t left() const { return left_; }
  // Returns whether the stop function ended the request. How far the request came then no longer depends on the problem
  // alone.
  bool stopped() const { return stop_->has_fired; }

  // Reserves `bytes` of the memory that may be held at a time, here and in every meter above. Returns false, and
  // reserves nothing, if that much is not left. Prefer HeldBytes, which gives back what it took.
  bool TakeBytes(int64_t bytes) {
    if (bytes > bytes_left_ || (parent_ != nullptr && !parent_->TakeBytes(bytes))) return false;
    bytes_left_ -= bytes;
    return true;
  }
  // Gives back `bytes` that TakeBytes took.
  void GiveBackBytes(int64_t bytes) {
    bytes_left_ += bytes;
    if (parent_ != nullptr) parent_->GiveBackBytes(bytes);
  }

 private:
  // The stop function of a request, and whether it has fired.
  struct Stop {
    const StopFunction* should_stop = nullptr;
    bool has_fired = false;
  };

  static inline const StopFunction kNoStop;
  static constexpr int64_t kUnitsBetweenQuestions = 4000;

  void AskToStop() {
    since_asked_ = 0;
    if (!stop_->has_fired && *stop_->should_stop) stop_->has_fired = (*stop_->should_stop)();
    if (stop_->has_fired) left_ = -1;
  }

  int64_t left_;
  int64_t at_start_ = 0;  // Of a share.
  int64_t since_asked_ = 0;
  int64_t bytes_left_;
  Stop own_stop_;
  Stop* stop_;  // own_stop_, or that of the meter which this is a share of.
  WorkMeter* parent_ = nullptr;
};

// Memory that a part of the planner holds, counted against a meter until this object is destroyed. It only counts: it
// allocates nothing. Can be moved. `meter` must outlive it.
class HeldBytes {
 public:
  explicit HeldBytes(WorkMeter& meter) : meter_(&meter) {}
  HeldBytes(HeldBytes&& other) noexcept : meter_(other.meter_), bytes_(std::exchange(other.bytes_, 0)) {}
  HeldBytes& operator=(HeldBytes&& other) noexcept {
    std::swap(meter_, other.meter_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~HeldBytes() { GiveBack(); }

  // Counts `bytes` more. Returns false, and counts no more than before, if the request may not hold that much.
  bool Grow(int64_t bytes) {
    if (!meter_->TakeBytes(bytes)) return false;
    bytes_ += bytes;
    return true;
  }
  // Gives back everything that is held.
  void GiveBack() { meter_->GiveBackBytes(std::exchange(bytes_, 0)); }

 private:
  WorkMeter* meter_;
  int64_t bytes_ = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_WORK_METER_H_
