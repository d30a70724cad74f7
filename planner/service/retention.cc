#include "planner/service/retention.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace greenplan {
namespace {

// Of the jobs that are looked for at a time.
constexpr int kMaxIdleJobs = 100;

}  // namespace

Retention::Retention(Store* store, Options options)
    : store_(*store),
      options_(std::move(options)),
      changes_(store_.Subscribe([this](const Change& change) { Note(change); })),
      thread_([this] { Run(); }) {}

Retention::~Retention() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopped_ = true;
  }
  thread_.join();
}

void Retention::Note(const Change& change) {
  if (change.kind != Change::Kind::kPlan || !options_.kept_report_rounds.has_value()) return;
  absl::MutexLock lock(&mutex_);
  const auto [job, is_new] = planned_.try_emplace(change.job_id, change.round);
  if (!is_new) job->second = std::max(job->second, change.round);
}

bool Retention::is_stopped() {
  absl::MutexLock lock(&mutex_);
  return is_stopped_;
}

void Retention::Run() {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&is_stopped_), options_.interval)) return;
    }
    Look();
  }
}

void Retention::Look() {
  if (options_.kept_report_rounds.has_value()) DeleteOldReports();
  if (options_.max_idle_time.has_value()) DeleteIdleJobs();
}

void Retention::DeleteOldReports() {
  std::map<int64_t, int64_t> planned;
  {
    absl::MutexLock lock(&mutex_);
    planned.swap(planned_);
  }
  for (const auto& [job_id, latest_round] : planned) {
    if (is_stopped()) return;
    const int64_t first_kept_round = latest_round - *options_.kept_report_rounds + 1;
    if (first_kept_round <= 0) continue;
    const absl::Status status = store_.DeleteReports(job_id, first_kept_round);
    if (status.ok()) continue;
    HideStoreError(status, options_.on_store_error).IgnoreError();
    Note({.kind = Change::Kind::kPlan, .job_id = job_id, .round = latest_round});
  }
}

void Retention::DeleteIdleJobs() {
  const absl::Time idle_since = options_.now() - *options_.max_idle_time;
  int64_t num_deleted = 0;
  for (bool may_have_more = true; may_have_more && !is_stopped();) {
    const absl::StatusOr<std::vector<int64_t>> jobs = store_.ListIdleJobs(idle_since, kMaxIdleJobs);
    if (!jobs.ok()) {
      HideStoreError(jobs.status(), options_.on_store_error).IgnoreError();
      break;
    }
    may_have_more = jobs->size() == kMaxIdleJobs;
    for (const int64_t job_id : *jobs) {
      const absl::Status status = store_.DeleteIdleJob(job_id, idle_since);
      if (status.ok()) ++num_deleted;
      // Another replica was quicker, or the job has been used meanwhile.
      if (status.ok() || absl::IsNotFound(status)) continue;
      HideStoreError(status, options_.on_store_error).IgnoreError();
      may_have_more = false;
    }
  }
  if (num_deleted > 0 && options_.on_deleted_jobs) options_.on_deleted_jobs(num_deleted);
}

}  // namespace greenplan
