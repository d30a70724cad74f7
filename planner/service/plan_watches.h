#ifndef GREENPLAN_PLANNER_SERVICE_PLAN_WATCHES_H_
#define GREENPLAN_PLANNER_SERVICE_PLAN_WATCHES_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "greenplan/v1/plan.pb.h"
#include "grpcpp/support/server_callback.h"
#include "planner/admission/answer_memory.h"
#include "planner/service/job_engine.h"
#include "planner/store/store.h"

namespace greenplan {

// The open WatchPlans calls. Each sends the job's plans from its first round on, in the order of rounds: those that are
// kept already, then each new one, whichever replica makes it. It ends with NOT_FOUND once the job is deleted, and with
// UNAVAILABLE when the daemon drains; a client then opens it again from the round after the last plan that it got.
//
// A watch holds no thread, and at most a few plans: the next ones are read from the store once the client has taken
// those. They have a share of the memory for answers; a watch that gets none, because its tenant's clients do not read
// what they asked for, ends with RESOURCE_EXHAUSTED. Thread-safety: safe.
class PlanWatches {
 public:
  // Subscribes to the store's changes. Both must outlive the object.
  PlanWatches(JobEngine* engine, AnswerMemory* answer_memory);
  // REQUIRES: no watch is open.
  ~PlanWatches();

  // Returns the call that sends the plans of the job from `start_round` on. Its errors are those of WatchPlans in
  // planner_service.proto. gRPC owns the call.
  grpc::ServerWriteReactor<v1::Plan>* Open(const JobKey& key, int64_t start_round);

  // Ends every watch with UNAVAILABLE, also those that are opened later.
  void Drain();

 private:
  class Watch;

  void Tell(const Change& change);
  void Remove(const Watch* watch);

  JobEngine& engine_;
  AnswerMemory& answer_memory_;
  absl::Mutex mutex_;
  bool is_draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<const Watch*, std::shared_ptr<Watch>> watches_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Subscription> changes_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_PLAN_WATCHES_H_
