#ifndef GREENPLAN_PLANNER_ADMISSION_TOKEN_BUCKET_H_
#define GREENPLAN_PLANNER_ADMISSION_TOKEN_BUCKET_H_

#include "absl/time/time.h"

namespace greenplan {

// An allowance that refills at a steady rate up to a capacity: what is not used is saved up to that much. Full at
// first.
//
// What is known beforehand to cost one token, such as a call, takes it first:
//
//   if (absl::Duration wait = bucket.Take(now); wait > absl::ZeroDuration()) return Refuse(wait);
//
// What costs an amount that only its end tells, such as a search, begins while anything is left and is charged later;
// the allowance then falls below zero:
//
//   if (absl::Duration wait = bucket.TimeUntilPositive(now); wait > absl::ZeroDuration()) return Refuse(wait);
//   ...
//   bucket.Charge(seconds, now);
//
// Not thread-safe. `now` is the caller's clock; a moment before the latest one counts as the latest one.
class TokenBucket {
 public:
  struct Limit {
    double tokens_per_second = 0;  // > 0; infinite: no limit.
    double capacity = 0;           // >= 1
  };

  TokenBucket(const Limit& limit, absl::Time now);

  // Zero: a token was taken. Otherwise none was there, and the caller should come again after the time returned, at
  // most 10 s. Callers that are refused one after the other are told moments that lie one token apart, so that they do
  // not all come back at once.
  absl::Duration Take(absl::Time now);

  // Zero if anything is left, else the time until it is.
  absl::Duration TimeUntilPositive(absl::Time now);
  // `tokens` >= 0.
  void Charge(double tokens, absl::Time now);

  // What is left stays, up to the new capacity.
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
