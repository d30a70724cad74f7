#ifndef GREENPLAN_PLANNER_ADMISSION_WORK_QUEUE_H_
#define GREENPLAN_PLANNER_ADMISSION_WORK_QUEUE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace greenplan {

// The threads that do the blocking and long-running work of calls: calls of the store, and solving. gRPC's own threads
// must do neither. Tenants share the threads fairly, and a tenant that asks for more than its share is refused before
// other tenants have to wait.
//
//   WorkQueue queue({.num_threads = 64});
//   absl::Status status = queue.Submit(tenant, num_bytes, [call] { call->Answer(engine.GetJob(call->request())); });
//   if (!status.ok()) call->Fail(status);
//
// A thread that becomes free takes the oldest work of the tenant that uses the fewest threads; tenants with equally
// many take turns. A tenant that asks alone gets every thread, up to max_running_per_tenant. A second tenant then gets
// each thread that becomes free until both have the same number. Work that has begun is never interrupted.
//
// Work of one tenant that must not run at the same time, such as two changes of one job, is of one sequence. Work that
// waits for the one before it in its sequence holds no thread.
//
// Requests that wait for a thread take memory, so their bytes are limited too, for each tenant and for all together.
//
// Thread-safety: safe. Work may submit further work. Cost: O(log tenants) for each piece of work. Tenants without work
// take no memory.
class WorkQueue {
 public:
  using Work = absl::AnyInvocable<void()>;

  // How many threads there are, and how much of them and of the queue one tenant may have.
  struct Options {
    int num_threads = 64;  // >= 1
    // How many threads one tenant's work may have at a time, >= 1. A number below num_threads leaves threads to the
    // others, however long this tenant's work takes. Default: all threads.
    int max_running_per_tenant = 1 << 20;
    // How much work of one tenant may wait for a thread, >= 1. Submit refuses more.
    int max_queued_per_tenant = 1024;
    // How large the requests of the work may be that waits for a thread: of one tenant, and of all tenants. Submit
    // refuses more, unless the tenant has nothing queued.
    int64_t max_queued_bytes_per_tenant = int64_t{64} << 20;
    int64_t max_queued_bytes = int64_t{256} << 20;
    // How far the threads give way to the other threads of the machine when there are not enough cores, as by nice(1):
    // 0 (not at all) to 19. Where the system forbids it, they do not.
    int niceness = 0;
    // Measures how long work takes, from which the delay of a refusal is estimated.
    std::function<absl::Time()> now = absl::Now;
  };

  // What the queue holds at one moment.
  struct Load {
    int64_t num_queued = 0;
    int64_t num_queued_bytes = 0;
    int64_t num_running = 0;
    int64_t num_tenants = 0;  // That have work queued or running.
  };

  // Starts the threads.
  explicit WorkQueue(const Options& options);
  // Runs everything that is queued, what that work submits included, and returns once no work runs any more.
  // REQUIRES: nobody but such work submits from now on.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // Runs `work` once on one of the threads, for a call that just came in, whose request takes `num_bytes`. Work of the
  // tenant with the same `sequence` runs one after the other, in the order in which it was submitted; empty: of none.
  // ResourceExhausted if as much of the tenant's work, or as many bytes, are queued already as may be; the error
  // carries a retry delay (planner/rpc/retry_delay.h), and `work` is destroyed without having run.
  absl::Status Submit(const std::string& tenant, int64_t num_bytes, Work work, std::string sequence = "");

  // The same as Submit for a call that was admitted before and goes on, such as one whose round has its plan now. Never
  // refused, as the caller has been promised an answer; it takes a place in the tenant's queue all the same.
  void Continue(const std::string& tenant, Work work);

  // Returns what is queued and running now.
  Load load() const;

 private:
  struct Tenant;
  struct Queued {
    Work work;
    int64_t num_bytes = 0;
    std::string sequence = {};  // Empty: of none.
  };
  // Tenants whose work may run, the next one first: by threads in use, then by how long ago they had their turn.
  struct ComesFirst {
    bool operator()(const Tenant* a, const Tenant* b) const;
  };

  // Makes the tenant if it has no work yet.
  Tenant* TenantOf(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The error of Submit, if any.
  absl::Status Admit(const Tenant& tenant, int64_t num_bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Push(Tenant* tenant, Queued queued) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Puts the tenant among those whose work may run, if it has any and is not at its limit of threads.
  void Offer(Tenant* tenant) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration RetryDelay() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits until Wake chooses this thread.
  void WaitIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Lets one thread look for work, if any is idle.
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunThread();
  // Runs the next work on this thread, without the mutex. REQUIRES: some tenant's work may run.
  void RunNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  mutable absl::Mutex mutex_;
  std::vector<absl::CondVar*> idle_ ABSL_GUARDED_BY(mutex_);  // Of the idle threads, the latest one last.
  absl::flat_hash_map<std::string, std::unique_ptr<Tenant>> tenants_ ABSL_GUARDED_BY(mutex_);
  std::set<Tenant*, ComesFirst> ready_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_turn_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t num_queued_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t num_queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t num_running_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration mean_run_time_ ABSL_GUARDED_BY(mutex_);  // Of recent work.
  bool is_ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_ADMISSION_WORK_QUEUE_H_
