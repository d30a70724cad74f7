#include "planner/admission/quotas.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "planner/core/invalid_argument.h"
#include "planner/files/files.h"
#include "planner/rpc/retry_delay.h"

namespace greenplan {
namespace {

constexpr absl::string_view kFlag = "--quotas";

// A rate below one call per second still lets single calls through.
TokenBucket::Limit CallLimit(const Quota& quota) {
  return {quota.calls_per_second, std::max(quota.calls_per_second, 1.0)};
}

TokenBucket::Limit SolverLimit(const Quota& quota) {
  return {quota.solver_seconds_per_minute / 60, std::max(quota.solver_seconds_per_minute, 1.0)};
}

// "tenant a", or what a caller without tokens can make sense of.
std::string NameOf(const std::string& tenant) {
  return tenant.empty() ? "this planner" : absl::StrCat("tenant ", tenant);
}

absl::Status Refuse(const std::string& tenant, absl::string_view limit, absl::Duration delay) {
  return WithRetryDelay(
      absl::ResourceExhaustedError(absl::StrCat("the quota of ", NameOf(tenant), " is ", limit,
                                                ", which are used up for now; try again in ",
                                                absl::FormatDuration(absl::Ceil(delay, absl::Milliseconds(10))))),
      delay);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Quotas>> Quotas::Create(const std::string& quotas_file, Clock now) {
  auto quotas = absl::WrapUnique(new Quotas(quotas_file, std::move(now)));
  if (absl::Status status = quotas->Reload(); !status.ok()) return status;
  return quotas;
}

absl::Status Quotas::Reload() {
  if (quotas_file_.empty()) return absl::OkStatus();
  const absl::StatusOr<std::string> text = ReadFile(quotas_file_);
  if (!text.ok()) return InvalidArgument(kFlag, ": ", text.status().message());
  absl::StatusOr<QuotaTable> table = QuotaTable::Parse(*text);
  if (!table.ok()) return InvalidArgument(kFlag, " is ", quotas_file_, ": ", table.status().message());
  absl::MutexLock lock(&mutex_);
  table_ = *std::move(table);
  const absl::Time now = now_();
  for (auto& [tenant, buckets] : buckets_) {
    const Quota& quota = table_.Of(tenant);
    buckets.calls.SetLimit(CallLimit(quota), now);
    buckets.solver_seconds.SetLimit(SolverLimit(quota), now);
  }
  return absl::OkStatus();
}

absl::Status Quotas::AdmitCall(const std::string& tenant) {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = now_();
  const absl::Duration wait = BucketsOf(tenant, now).calls.Take(now);
  if (wait == absl::ZeroDuration()) return absl::OkStatus();
  return Refuse(tenant, absl::StrCat(table_.Of(tenant).calls_per_second, " calls per second"), wait);
}

absl::Status Quotas::AdmitSolving(const std::string& tenant) {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = now_();
  const absl::Duration wait = BucketsOf(tenant, now).solver_seconds.TimeUntilPositive(now);
  if (wait == absl::ZeroDuration()) return absl::OkStatus();
  return Refuse(tenant, absl::StrCat(table_.Of(tenant).solver_seconds_per_minute, " solver seconds per minute"), wait);
}

void Quotas::ChargeSolving(const std::string& tenant, absl::Duration time) {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = now_();
  BucketsOf(tenant, now).solver_seconds.Charge(absl::ToDoubleSeconds(std::max(time, absl::ZeroDuration())), now);
}

absl::Status Quotas::AdmitUsage(const std::string& tenant, int64_t num_jobs, int64_t num_bytes) const {
  absl::MutexLock lock(&mutex_);
  const Quota& quota = table_.Of(tenant);
  if (num_jobs > quota.jobs) {
    return absl::ResourceExhaustedError(absl::StrCat("the quota of ", NameOf(tenant), " is ", quota.jobs,
                                                     " jobs, and this would be job ", num_jobs,
                                                     "; delete jobs that are done (DeleteJob), or ask for more"));
  }
  if (num_bytes > quota.bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the quota of ", NameOf(tenant), " is ", quota.bytes,
                                                     " bytes of jobs, and with this there would be ", num_bytes,
                                                     "; delete jobs that are done (DeleteJob), or ask for more"));
  }
  return absl::OkStatus();
}

Quotas::Buckets& Quotas::BucketsOf(const std::string& tenant, absl::Time now) {
  const auto found = buckets_.find(tenant);
  if (found != buckets_.end()) return found->second;
  const Quota& quota = table_.Of(tenant);
  return buckets_.emplace(tenant, Buckets{TokenBucket(CallLimit(quota), now), TokenBucket(SolverLimit(quota), now)})
      .first->second;
}

}  // namespace greenplan
