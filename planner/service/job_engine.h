#ifndef GREENPLAN_PLANNER_SERVICE_JOB_ENGINE_H_
#define GREENPLAN_PLANNER_SERVICE_JOB_ENGINE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "planner/admission/work_queue.h"
#include "planner/service/engine_observer.h"
#include "planner/service/job_directory.h"
#include "planner/service/plan_history.h"
#include "planner/service/round_barrier.h"
#include "planner/service/store_errors.h"
#include "planner/service/what_if.h"
#include "planner/store/store.h"

namespace greenplan {

// The planner service without its transport: its rooms over one store, and the queues on which their work is done.
//
//   JobEngine engine(store.get(), {});
//   absl::StatusOr<v1::Job> job = engine.jobs().CreateJob(tenant, request);
//   engine.rounds().PlanRound({tenant, "jobs/a"}, report, limits, [](absl::StatusOr<v1::Plan> plan) { ... });
//
// Thread-safety: safe.
class JobEngine {
 public:
  // The engine's clock, limits, queues and callbacks.
  struct Options {
    // The clock of times that are kept: when jobs are created and updated, and when rounds open and end.
    std::function<absl::Time()> now = absl::Now;
    // Is told of every failure of the store.
    StoreErrorLog on_store_error = {};
    // Of the jobs kept ready in memory, so that their rounds share what planning derives from their profiles.
    size_t max_cached_bytes = size_t{256} << 20;
    // How long a round waits for the other ranks after its first report, where the job does not say.
    absl::Duration quorum_timeout = absl::Seconds(60);
    // How often to look for rounds that nobody attends to: RoundBarrier::Options::tick.
    absl::Duration tick = absl::Seconds(1);
    // How much of a processor the calling thread has used.
    MonotonicClock processor_time = ThreadProcessorTime;
    // Whether a tenant may keep this much: JobDirectory::Options::admit_usage.
    std::function<absl::Status(const std::string& tenant, const TenantUsage& usage)> admit_usage = {};
    // Is told of searches, plans, waits and outcomes.
    EngineObserver observer = {};
    // The threads that wait for the store. Some are there for others, however long the calls of one tenant take.
    WorkQueue::Options calls = {.num_threads = 64, .max_running_per_tenant = 56};
    // The threads on which jobs are created and updated: a large one takes seconds, and may have to wait for memory.
    WorkQueue::Options changes = {.num_threads = 8, .max_running_per_tenant = 6};
    // A search takes a core, and up to 512 MiB. One thread is there for the searches of others, however long those of
    // one tenant take. On few cores, what takes microseconds goes before what takes seconds.
    WorkQueue::Options searches = {.num_threads = 3, .max_running_per_tenant = 2, .niceness = 10};
  };

  // `store` must outlive the engine.
  JobEngine(Store* store, const Options& options);
  // Answers the callers that still wait for other ranks with UNAVAILABLE, and finishes what is queued.
  ~JobEngine();
  JobEngine(const JobEngine&) = delete;
  JobEngine& operator=(const JobEngine&) = delete;

  // The RPCs about jobs.
  JobDirectory& jobs() { return jobs_; }
  // The RPCs about rounds that are planned.
  PlanHistory& plans() { return plans_; }
  // The RPC WhatIf.
  WhatIf& what_if() { return what_if_; }
  // The RPC PlanRound.
  RoundBarrier& rounds() { return rounds_; }

  // The queues for work that waits for the store, for changes of jobs, and for searches.
  WorkQueue& calls() { return *calls_; }
  WorkQueue& changes() { return *changes_; }
  WorkQueue& searches() { return *searches_; }

  Store& store() { return store_; }
  const StoreErrorLog& on_store_error() const { return options_.on_store_error; }

 private:
  Store& store_;
  const Options options_;
  JobDirectory jobs_;
  PlanHistory plans_;
  WhatIf what_if_;
  std::unique_ptr<WorkQueue> searches_;
  std::unique_ptr<WorkQueue> changes_;
  // Its work may submit searches and changes, but not the other way round once rounds_ is stopped.
  std::unique_ptr<WorkQueue> calls_;
  RoundBarrier rounds_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_JOB_ENGINE_H_
