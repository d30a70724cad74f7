#ifndef GREENPLAN_PLANNER_ADMISSION_TOKEN_BUCKET_H_
#define GREENPLAN_PLANNER_ADMISSION_TOKEN_BUCKET_H_

#include "absl/time/time.h"

namespace greenplan {

// An allowance that refills at a steady rate up to a capacity, so that what is not used is saved up to that capacity.
// It is full at first.
//
// What is known beforehand to cost one token, such as a call, takes it first:
//
//   if (absl::Duration wait = bucket.Take(now); wait > absl::ZeroDuration()) return Refuse(wait);
//
// What costs an amount that is known only at its end, such as a search, begins while anything is left and is charged
// later. The allowance may then fall below zero:
//
//   if (absl::Duration wait = bucket.TimeUntilPositive(now); wait > absl::ZeroDuration()) return Refuse(wait);
//   ...
//   bucket.Charge(seconds, now);
//
// Not thread-safe. `now` comes from the caller's clock; a time before the latest one counts as the latest one. Every
// function takes O(1).
class TokenBucket {
 public:
  // How fast the allowance refills, and how much can be saved.
  struct Limit {
    double tokens_per_second = 0;  // > 0; infinite: no limit.
    double capacity = 0;           // >= 1
  };

  TokenBucket(const Limit& limit, absl::Time now);

  // Takes a token and returns zero if there is one. Otherwise takes nothing and returns how long the caller should wait
  // before it tries again, at most 10 s. Callers that are refused one after the other are given times one token apart,
  // so that they do not all come back at once.
  absl::Duration Take(absl::Time now);

  // Returns zero if anything is left, otherwise the time until something is.
  absl::Duration TimeUntilPositive(absl::Time now);
  // Takes `tokens` >= 0, whether or not that many are left.
  void Charge(double tokens, absl::Time now);

  // Changes the limit from now on. What is left stays, up to the new capacity.
  void SetLimit(const Limit& limit, absl::Time now);

 private:
  void Refill(absl::Time now);
  absl::Duration TimeToRefill(double tokens) const;

  Limit limit_;
  double tokens_;
  double promised_ = 0;  // To callers that were refused and are to come again.
  absl::Time refilled_at_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_ADMISSION_TOKEN_BUCKET_H_
