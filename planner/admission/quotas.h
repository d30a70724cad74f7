#ifndef GREENPLAN_PLANNER_ADMISSION_QUOTAS_H_
#define GREENPLAN_PLANNER_ADMISSION_QUOTAS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "planner/admission/quota_table.h"
#include "planner/admission/token_bucket.h"

namespace greenplan {

// Holds each tenant to its quota. Every refusal is ResourceExhausted, names the limit, and says whether waiting helps:
// a rate carries a retry delay (planner/rpc/retry_delay.h), while jobs and bytes stay used until the tenant deletes.
//
//   auto quotas = Quotas::Create("/etc/greenplan/quotas.toml");
//   absl::Status status = (*quotas)->AdmitCall(tenant);                    // Each call, once its caller is known.
//   if (status.ok()) status = (*quotas)->AdmitSolving(tenant);             // Calls that may plan.
//   ...
//   (*quotas)->ChargeSolving(tenant, time_it_took);                        // When a planning has ended.
//   status = (*quotas)->AdmitUsage(tenant, usage.num_jobs + 1, usage.num_bytes + bytes);   // Before a job is kept.
//
// A tenant may make a second's worth of its calls at once, and use a minute's worth of its solver time. A planning is
// not stopped by its quota: it begins while anything is left, and the tenant then waits until what it took too much is
// made good. Rates are counted by each daemon for itself; with N replicas a tenant has up to N times the rate.
//
// Thread-safety: safe; Reload may run while calls are admitted. Memory: O(tenants seen).
class Quotas {
 public:
  using Clock = std::function<absl::Time()>;

  // Reads the quotas file; an empty name stands for no limits. `now` is the clock that rates are counted by.
  // InvalidArgument, naming --quotas, the file and the line, if the file cannot be read or is no quotas file.
  static absl::StatusOr<std::unique_ptr<Quotas>> Create(const std::string& quotas_file, Clock now = absl::Now);

  // Reads the file again. What a tenant has used of its rates is not forgotten. On an error, which is one of Create's,
  // the quotas that were read before stay in force.
  absl::Status Reload();

  // Counts one call of the tenant. ResourceExhausted, with a retry delay, if its calls per second are used up.
  absl::Status AdmitCall(const std::string& tenant);
  // Checks that the tenant may begin to plan. Nothing is counted before ChargeSolving. ResourceExhausted, with a retry
  // delay, if its solver seconds per minute are used up.
  absl::Status AdmitSolving(const std::string& tenant);
  // Charges the tenant with the time that a planning took; a negative time counts as zero.
  void ChargeSolving(const std::string& tenant, absl::Duration time);

  // Checks that the tenant may keep this many jobs and bytes in all, including what is about to be added.
  // ResourceExhausted, without a retry delay, if either is above its quota. Nothing is reserved, so two calls at the
  // same moment may both be admitted.
  absl::Status AdmitUsage(const std::string& tenant, int64_t num_jobs, int64_t num_bytes) const;

 private:
  struct Buckets {
    TokenBucket calls;
    TokenBucket solver_seconds;
  };

  Quotas(std::string quotas_file, Clock now) : quotas_file_(std::move(quotas_file)), now_(std::move(now)) {}

  Buckets& BucketsOf(const std::string& tenant, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string quotas_file_;
  const Clock now_;
  mutable absl::Mutex mutex_;
  QuotaTable table_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Buckets> buckets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_ADMISSION_QUOTAS_H_
