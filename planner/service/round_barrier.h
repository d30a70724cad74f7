#ifndef GREENPLAN_PLANNER_SERVICE_ROUND_BARRIER_H_
#define GREENPLAN_PLANNER_SERVICE_ROUND_BARRIER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/admission/work_queue.h"
#include "planner/core/plan.h"
#include "planner/job/planning.h"
#include "planner/job/prepared_job.h"
#include "planner/service/engine_observer.h"
#include "planner/service/job_directory.h"
#include "planner/service/round_average.h"
#include "planner/service/round_timer.h"
#include "planner/service/round_waiters.h"
#include "planner/service/store_errors.h"
#include "planner/store/store.h"

namespace greenplan {

// The RPC PlanRound: gathers the reports of a job's ranks and gives all of them one plan.
//
// A report is kept in the store once it is accepted, and counts from then on, also when its caller goes away. The plan
// of a round is made when all ranks have reported, or at the round's deadline from those that have; it is kept in the
// store before anybody gets it. Several replicas over one store may serve one job: any of them may make the plan, the
// store keeps the first one, and every rank gets that one, byte for byte. A round that a replica leaves behind when it
// dies is planned by another, or by itself after a restart.
//
// A round keeps the revision of the job that its first report opened it with. If no plan can be made with that
// revision, every rank is told so, and the round is planned with a later revision of the same profile once there is
// one.
//
// A job of one rank does not wait: its report and its plan are kept in one step, or neither is if the call's deadline
// cuts the search short.
// Thread-safety: safe. Callers that wait hold no thread.
//
//   RoundBarrier barrier(store, &jobs, &calls, &searches, {});
//   barrier.PlanRound({tenant, "jobs/a"}, report, limits, [call](const absl::StatusOr<v1::Plan>& plan) { ... });
class RoundBarrier {
 public:
  // The barrier's clock, timeouts and callbacks.
  struct Options {
    // The clock of the rounds' deadlines, which replicas compare with each other.
    std::function<absl::Time()> now = absl::Now;
    StoreErrorLog on_store_error = {};
    // How long a round waits after its first report, where the job does not say.
    absl::Duration quorum_timeout = absl::Seconds(60);
    // Is told of searches, plans and waits.
    EngineObserver observer = {};
    // How often to look for rounds that nobody attends to, and for callers that have gone.
    absl::Duration tick = absl::Seconds(1);
    // How much of a processor the calling thread has used.
    MonotonicClock processor_time = ThreadProcessorTime;
  };

  // Everything must outlive the barrier. Work on the queues may call the barrier until they are destroyed or Stop has
  // returned and they are empty. `searches` is where plans are made, but for those that take little time as a rule:
  // they are made on `calls`, so that they need not wait behind others that take seconds.
  RoundBarrier(Store* store, JobDirectory* jobs, WorkQueue* calls, WorkQueue* searches, Options options);
  ~RoundBarrier() { Stop(); }

  // Takes a rank's report and calls `done` exactly once with the round's plan or an error: either on this thread, or
  // later on a thread of the queues or of the barrier. Blocks for calls of the store, but neither for other ranks nor
  // for a search. The errors are those listed with PlanRound in planner_service.proto.
  void PlanRound(const JobKey& key, v1::ImportanceReport report, const CallLimits& limits, PlanCallback done);

  // Answers everybody who waits for other ranks with UNAVAILABLE, including those who come later. Reports that were
  // accepted count nevertheless: a caller that asks another replica gets the plan there.
  void Drain();

  // Drains, and starts nothing any more. May be called again.
  void Stop();

 private:
  // A report on its way.
  struct Call {
    std::string tenant;
    FoundJob found;
    v1::ImportanceReport report;
    CallLimits limits;
    PlanCallback done;

    RoundId id() const { return {found.id, report.round()}; }
  };

  // The plan in force at `round`: that of the round before; none at round 0. FailedPrecondition if it is not there yet.
  absl::StatusOr<std::optional<v1::Plan>> FindPreviousPlan(const std::string& job_name, const RoundId& id);

  // Makes the plan of a round, and records what that took.
  absl::StatusOr<v1::Plan> Search(const std::string& tenant, const PreparedJob& job, int64_t round,
                                  const Measurements& measurements, const std::optional<v1::Plan>& previous,
                                  const CallLimits& limits) const;

  // Jobs of one rank.
  void PlanAlone(const std::shared_ptr<Call>& call);
  // Searches the plan of a job of one rank, now or soon, keeps it and answers the call. `previous` is the plan of the
  // round before.
  void SearchSoon(const std::shared_ptr<Call>& call, Measurements measurements, std::optional<v1::Plan> previous);
  // Keeps the plan that was found, soon, and answers the call.
  void KeepSoon(const std::shared_ptr<Call>& call, absl::StatusOr<v1::Plan> plan);
  // Keeps the plan, if one was found, with the call's report, in one step. Returns the answer.
  absl::StatusOr<v1::Plan> KeepAlone(Call& call, absl::StatusOr<v1::Plan> plan);
  // The plan that this very report has had. NotFound if the round has none; AlreadyExists if it came of another report.
  absl::StatusOr<v1::Plan> FindPlanOf(const Call& call);

  // Jobs of several ranks.
  void Join(const std::shared_ptr<Call>& call);
  // Keeps the report, read against the revision that the round has.
  absl::StatusOr<KeptRound> Accept(const Call& call);
  // Returns how a round opens now: with the job's revision and its deadline.
  RoundOpening OpeningOf(const PreparedJob& job) const;
  // Makes the plan of a round on `queue`, soon, unless that is under way already.
  void PlanSoon(const RoundId& id, const std::string& tenant, WorkQueue& queue);
  // The same for a round past its deadline, unless its plan cannot be made.
  void PlanUnasked(const RoundId& id);
  // Makes the plan and answers everyone who waits for it.
  void Plan(const RoundId& id, const std::string& tenant);
  // Returns the round's plan: the one that the store has, or a new one that it now keeps.
  absl::StatusOr<v1::Plan> MakeAndKeepPlan(const RoundId& id, const std::string& tenant);
  // Makes the round's plan as `job` is, or says why there is none.
  absl::StatusOr<v1::Plan> SearchRound(const std::string& tenant, const PreparedJob& job, const RoundId& id,
                                       const RoundAverage& average);
  // The same as the job is now, for a round whose plan cannot be made with the revision that it has, because of
  // `error`. The answer is an error if the job has not been updated since, or has another profile.
  absl::StatusOr<v1::Plan> SearchWithUpdate(const std::string& tenant, const PreparedJob& job, const RoundId& id,
                                            const RoundAverage& average, const absl::Status& error);
  // Returns the plan that the store has. NotFound if the job was deleted.
  absl::StatusOr<v1::Plan> ReadPlan(const RoundId& id);
  // Gives the waiters of a round the plan that the store has by now, if any.
  void AnswerIfPlanned(const RoundId& id);

  // Takes a notice of the store's change feed.
  void Tell(const Change& change);
  // Answers everyone who waits for a round of a job that was deleted.
  void EndJob(int64_t job_id);
  // Attends to rounds past their deadline that nobody plans, and to callers that have gone.
  void LookAroundSoon();
  void LookAround();
  bool IsDraining();
  bool IsInSearch(const RoundId& id);
  int NumHopeless();
  // Answers waiters that were taken out, and records how long they waited.
  void Answer(const std::vector<RoundWaiter>& waiters, const absl::StatusOr<v1::Plan>& plan) const;
  void TellPlan(const v1::Plan& plan, size_t num_missing_ranks) const;
  absl::Status Hide(const absl::Status& status) const { return HideStoreError(status, options_.on_store_error); }

  Store& store_;
  JobDirectory& jobs_;
  WorkQueue& calls_;
  WorkQueue& searches_;
  const Options options_;
  RoundWaiters waiters_;
  std::atomic<bool> is_stopped_ = false;
  std::atomic<bool> is_looking_ = false;  // LookAround is on its way.
  absl::Mutex mutex_;
  bool is_draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<RoundId> in_search_ ABSL_GUARDED_BY(mutex_);
  // Rounds without a plan because it cannot be made, however often it is tried: their pins exceed the budget, say.
  std::set<RoundId> hopeless_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Subscription> changes_;
  std::unique_ptr<RoundTimer> timer_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_ROUND_BARRIER_H_
