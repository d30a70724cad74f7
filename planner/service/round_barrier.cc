#include "planner/service/round_barrier.h"

#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "planner/convert/convert.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

// Of the rounds past their deadline that are looked for at a time.
constexpr int kMaxForgottenRounds = 1000;

// What takes less of a processor is planned at once, on the thread that has read the report: waking up another one
// would take about as long.
constexpr absl::Duration kQuick = absl::Milliseconds(10);

bool IsQuick(const PreparedJob& job) { return job.ExpectedPlanning() < kQuick; }

absl::Status Draining() {
  return absl::UnavailableError("the daemon is draining; the report counts if it was accepted, so send it again");
}

absl::Status JobWasDeleted() { return absl::NotFoundError("the job was deleted"); }

absl::Status HasGone(const CallLimits& limits) {
  if (limits.clock() >= limits.deadline) return absl::DeadlineExceededError("the round had no plan by the deadline");
  return absl::CancelledError("the caller has gone");
}

// Whether another attempt to make the plan may succeed, because what was in its way may pass.
bool MayPass(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kNotFound:  // The job is gone; so will be the round.
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return true;
    default:
      return false;
  }
}

// Whether the job's options are why no plan can be made, so that other options may help.
bool CanBeMended(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsUnimplemented(status);
}

absl::Status SayHowToMend(const absl::Status& status) {
  const absl::Status told(
      status.code(),
      absl::StrCat(status.message(),
                   "; the round's reports are kept: give the job other options by UpdateJob, and then send "
                   "a report again"));
  return WithField(told, FieldOf(status));
}

}  // namespace

RoundBarrier::RoundBarrier(Store* store, JobDirectory* jobs, WorkQueue* calls, WorkQueue* searches, Options options)
    : store_(*store),
      jobs_(*jobs),
      calls_(*calls),
      searches_(*searches),
      options_(std::move(options)),
      changes_(store_.Subscribe([this](const Change& change) { Tell(change); })),
      timer_(std::make_unique<RoundTimer>(RoundTimer::Options{.now = options_.now,
                                                              .on_due = [this](const RoundId& id) { PlanUnasked(id); },
                                                              .on_tick = [this] { LookAroundSoon(); },
                                                              .tick = options_.tick})) {}

void RoundBarrier::PlanRound(const JobKey& key, v1::ImportanceReport report, const CallLimits& limits,
                             PlanCallback done) {
  absl::StatusOr<FoundJob> found = jobs_.Find(key);
  if (!found.ok()) return done(found.status());
  const auto call =
      std::make_shared<Call>(Call{key.tenant, *std::move(found), std::move(report), limits, std::move(done)});
  if (call->found.job->job().world_size() == 1) return PlanAlone(call);
  Join(call);
}

void RoundBarrier::Drain() {
  std::vector<RoundId> waiting;
  {
    absl::MutexLock lock(&mutex_);
    is_draining_ = true;
    for (const RoundId& id : waiters_.Rounds()) {
      if (!in_search_.contains(id)) waiting.push_back(id);  // The others have their plan soon.
    }
  }
  for (const RoundId& id : waiting) Answer(waiters_.Take(id), Draining());
}

void RoundBarrier::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopped_ = true;
  }
  changes_.reset();
  timer_->Stop();
  Drain();
  Answer(waiters_.TakeAll(), Draining());
}

absl::StatusOr<std::optional<v1::Plan>> RoundBarrier::FindPreviousPlan(const std::string& job_name, const RoundId& id) {
  if (id.round == 0) return std::nullopt;
  absl::StatusOr<KeptPlan> previous = store_.GetPlan(id.job_id, id.round - 1);
  if (absl::IsNotFound(previous.status())) {
    return WithField(absl::FailedPreconditionError(absl::StrCat("report.round is ", id.round, "; round ", id.round - 1,
                                                                " of ", job_name, " has no plan yet")),
                     "report.round");
  }
  if (!previous.ok()) return Hide(previous.status());
  return std::move(previous->plan);
}

absl::StatusOr<v1::Plan> RoundBarrier::Search(const std::string& tenant, const PreparedJob& job, int64_t round,
                                              const Measurements& measurements, const std::optional<v1::Plan>& previous,
                                              const CallLimits& limits) const {
  const absl::Time start = absl::Now();
  const absl::Duration used_before = options_.processor_time();
  absl::StatusOr<v1::Plan> plan =
      job.PlanRound(round, measurements, previous.has_value() ? &*previous : nullptr, limits);
  job.RecordPlanning(options_.processor_time() - used_before);
  if (options_.observer.on_search) options_.observer.on_search(tenant, absl::Now() - start);
  return plan;
}

void RoundBarrier::PlanAlone(const std::shared_ptr<Call>& call) {
  const std::shared_ptr<const PreparedJob> job = call->found.job;
  absl::StatusOr<Measurements> measurements = job->ReadReport(call->report);
  if (!measurements.ok()) return call->done(measurements.status());
  // As a rule the latest plan is that of the round before, and one look into the store tells all there is to know.
  absl::StatusOr<KeptPlan> latest = store_.GetLatestPlan(call->found.id);
  if (latest.ok() && latest->plan.round() == call->report.round() - 1) {
    return SearchSoon(call, *std::move(measurements), std::move(latest->plan));
  }
  const absl::StatusOr<v1::Plan> kept = FindPlanOf(*call);
  if (!absl::IsNotFound(kept.status())) return call->done(kept);
  absl::StatusOr<std::optional<v1::Plan>> previous = FindPreviousPlan(job->job().name(), call->id());
  if (!previous.ok()) return call->done(previous.status());
  SearchSoon(call, *std::move(measurements), *std::move(previous));
}

// The thread of the search is free again before the plan is kept: a disk takes longer than most searches, and plans
// that are kept at the same time share one flush.
void RoundBarrier::SearchSoon(const std::shared_ptr<Call>& call, Measurements measurements,
                              std::optional<v1::Plan> previous) {
  auto search = [this, call, measurements = std::move(measurements), previous = std::move(previous)] {
    return Search(call->tenant, *call->found.job, call->report.round(), measurements, previous, call->limits);
  };
  if (IsQuick(*call->found.job)) return call->done(KeepAlone(*call, search()));
  const auto num_bytes = static_cast<int64_t>(call->report.ByteSizeLong());
  const int64_t revision = call->found.job->job().profile_revision();
  // A call that waits for its turn does not keep the job in memory: many large ones may wait.
  const std::shared_ptr<const PreparedJob> job = std::move(call->found.job);
  const absl::Status queued =
      searches_.Submit(call->tenant, num_bytes, [this, call, revision, search = std::move(search)] {
        absl::StatusOr<std::shared_ptr<const PreparedJob>> found = jobs_.FindRevision(call->found.id, revision);
        if (absl::IsNotFound(found.status())) return call->done(JobWasDeleted());
        if (!found.ok()) return call->done(found.status());
        call->found.job = *std::move(found);
        KeepSoon(call, search());
      });
  if (!queued.ok()) call->done(queued);
}

// On the queue of calls, because searches must not wait for the store. Once the barrier is stopped, that queue may be
// gone.
void RoundBarrier::KeepSoon(const std::shared_ptr<Call>& call, absl::StatusOr<v1::Plan> plan) {
  auto keep = [this, call, plan = std::move(plan)]() mutable { call->done(KeepAlone(*call, std::move(plan))); };
  {
    absl::MutexLock lock(&mutex_);
    if (!is_stopped_) return calls_.Continue(call->tenant, std::move(keep));
  }
  keep();
}

absl::StatusOr<v1::Plan> RoundBarrier::KeepAlone(Call& call, absl::StatusOr<v1::Plan> plan) {
  if (!plan.ok()) return plan;
  const PreparedJob& job = *call.found.job;
  NewPlan kept = {.plan = *std::move(plan), .report = std::move(call.report), .opening = OpeningOf(job)};
  const absl::Status put = store_.PutPlan(call.found.id, kept);
  if (put.ok()) {
    TellPlan(kept.plan, /*num_missing_ranks=*/0);
    return std::move(kept.plan);
  }
  call.report = *std::move(kept.report);
  // Another call for this round was quicker; what it has kept is the answer.
  if (absl::IsAlreadyExists(put)) return FindPlanOf(call);
  if (absl::IsNotFound(put)) return DoesNotExist(job.job().name());
  return Hide(put);
}

absl::StatusOr<v1::Plan> RoundBarrier::FindPlanOf(const Call& call) {
  absl::StatusOr<KeptPlan> kept = store_.GetPlan(call.found.id, call.report.round());
  if (absl::IsNotFound(kept.status())) return kept.status();
  if (!kept.ok()) return Hide(kept.status());
  const absl::StatusOr<std::vector<v1::ImportanceReport>> reports =
      store_.ListReports(call.found.id, call.report.round(), call.report.rank() - 1, 1);
  if (!reports.ok()) return Hide(reports.status());
  // Without its report, which the retention policy may have deleted, the plan answers any.
  const bool is_other = !reports->empty() && !SameReport(reports->front(), call.report);
  if (is_other) return ReportIsTaken(call.found.job->job().name(), call.report);
  return std::move(kept->plan);
}

void RoundBarrier::Join(const std::shared_ptr<Call>& call) {
  const absl::StatusOr<KeptRound> round = Accept(*call);
  if (!round.ok()) return call->done(round.status());
  if (round->is_planned) {
    absl::StatusOr<KeptPlan> kept = store_.GetPlan(round->job_id, round->round);
    return kept.ok() ? call->done(std::move(kept->plan)) : call->done(Hide(kept.status()));
  }
  const RoundId id = call->id();
  waiters_.Add(id, {.done = call->done, .limits = call->limits, .since = call->limits.clock()});
  const PreparedJob& job = *call->found.job;
  // Past the deadline, too: of its own accord nobody tries again to make a plan that could not be made.
  if (round->num_reports >= job.job().world_size() || options_.now() >= round->deadline) {
    return PlanSoon(id, call->tenant, IsQuick(job) ? calls_ : searches_);
  }
  timer_->Set(id, round->deadline);
  AnswerIfPlanned(id);  // The plan may have been kept before this call was among the waiters.
  if (IsDraining()) Answer(waiters_.Take(id), Draining());
}

absl::StatusOr<KeptRound> RoundBarrier::Accept(const Call& call) {
  const RoundId id = call.id();
  std::shared_ptr<const PreparedJob> job = call.found.job;
  const absl::StatusOr<KeptRound> open = store_.GetRound(id.job_id, id.round);
  if (!open.ok() && !absl::IsNotFound(open.status())) return Hide(open.status());
  int64_t revision = open.ok() ? open->revision : job->job().profile_revision();
  for (;;) {
    if (revision != job->job().profile_revision()) {
      absl::StatusOr<std::shared_ptr<const PreparedJob>> other = jobs_.FindRevision(call.found, revision);
      if (!other.ok()) return other.status();
      job = *std::move(other);
    }
    const absl::StatusOr<Measurements> measurements = job->ReadReport(call.report);
    if (!measurements.ok()) return measurements.status();
    if (!open.ok()) {
      const absl::StatusOr<std::optional<v1::Plan>> previous = FindPreviousPlan(job->job().name(), id);
      if (!previous.ok()) return previous.status();
    }
    const absl::StatusOr<ReportResult> result = store_.AddReport(id.job_id, call.report, OpeningOf(*job));
    if (absl::IsNotFound(result.status())) return DoesNotExist(job->job().name());
    if (!result.ok()) return Hide(result.status());
    if (result->earlier.has_value()) {
      if (!SameReport(*result->earlier, call.report)) return ReportIsTaken(job->job().name(), call.report);
      return result->round;
    }
    if (result->round.revision == revision) return result->round;
    revision = result->round.revision;  // Another rank has opened the round with another revision meanwhile.
  }
}

RoundOpening RoundBarrier::OpeningOf(const PreparedJob& job) const {
  const absl::Time now = options_.now();
  return {.revision = job.job().profile_revision(),
          .open_time = now,
          .deadline = now + job.QuorumTimeout(options_.quorum_timeout)};
}

void RoundBarrier::PlanSoon(const RoundId& id, const std::string& tenant, WorkQueue& queue) {
  {
    absl::MutexLock lock(&mutex_);
    if (!in_search_.insert(id).second) return;  // Its waiters are taken after it has ended.
  }
  queue.Continue(tenant, [this, id, tenant] { Plan(id, tenant); });
}

void RoundBarrier::PlanUnasked(const RoundId& id) {
  {
    absl::MutexLock lock(&mutex_);
    if (hopeless_.contains(id)) return;
  }
  PlanSoon(id, /*tenant=*/"", searches_);
}

// A waiter that is added after the others were taken finds the round not in search, so it begins another one, which
// finds the plan.
void RoundBarrier::Plan(const RoundId& id, const std::string& tenant) {
  const absl::StatusOr<v1::Plan> plan = MakeAndKeepPlan(id, tenant);
  {
    absl::MutexLock lock(&mutex_);
    in_search_.erase(id);
    if (plan.ok()) hopeless_.erase(id);
    if (!plan.ok() && !MayPass(plan.status())) hopeless_.insert(id);
  }
  if (plan.ok()) timer_->Forget(id);
  Answer(waiters_.Take(id), plan);
}

absl::StatusOr<v1::Plan> RoundBarrier::MakeAndKeepPlan(const RoundId& id, const std::string& tenant) {
  const absl::StatusOr<KeptRound> round = store_.GetRound(id.job_id, id.round);
  if (absl::IsNotFound(round.status())) return JobWasDeleted();
  if (!round.ok()) return Hide(round.status());
  if (round->is_planned) return ReadPlan(id);
  const absl::StatusOr<std::shared_ptr<const PreparedJob>> job = jobs_.FindRevision(id.job_id, round->revision);
  if (!job.ok()) return job.status();
  const absl::StatusOr<RoundAverage> average = AverageRound(store_, **job, id.job_id, id.round, /*missing_ranks=*/{});
  if (absl::IsNotFound(average.status())) return JobWasDeleted();
  if (!average.ok()) return Hide(average.status());
  absl::StatusOr<v1::Plan> plan = SearchRound(tenant, **job, id, *average);
  if (CanBeMended(plan.status())) plan = SearchWithUpdate(tenant, **job, id, *average, plan.status());
  if (absl::IsCancelled(plan.status())) return Draining();
  if (!plan.ok()) return plan;
  const absl::Status put = store_.PutPlan(id.job_id, {.plan = *plan, .missing_ranks = average->missing_ranks});
  if (put.ok()) {
    TellPlan(*plan, average->missing_ranks.size());
    return plan;
  }
  if (absl::IsAlreadyExists(put)) return ReadPlan(id);  // Another replica was quicker.
  if (absl::IsNotFound(put)) return JobWasDeleted();
  return Hide(put);
}

absl::StatusOr<v1::Plan> RoundBarrier::SearchRound(const std::string& tenant, const PreparedJob& job, const RoundId& id,
                                                   const RoundAverage& average) {
  if (absl::Status status = job.ValidateAverage(average.measurements); !status.ok()) return status;
  const absl::StatusOr<std::optional<v1::Plan>> previous = FindPreviousPlan(job.job().name(), id);
  if (!previous.ok()) return previous.status();
  return Search(tenant, job, id.round, average.measurements, *previous,
                {.cancelled = [this] { return is_stopped_.load(); }});
}

// Otherwise the round would never end: it keeps its revision, and the next one cannot begin.
absl::StatusOr<v1::Plan> RoundBarrier::SearchWithUpdate(const std::string& tenant, const PreparedJob& job,
                                                        const RoundId& id, const RoundAverage& average,
                                                        const absl::Status& error) {
  const absl::StatusOr<FoundJob> latest = jobs_.Find({tenant, job.job().name()});
  const bool may_help = latest.ok() && latest->id == id.job_id &&
                        latest->job->job().profile_revision() != job.job().profile_revision() &&
                        latest->job->profile().digest() == job.profile().digest() &&
                        (average.has_importance || !SelectsTensors(latest->job->job().options()));
  if (!may_help) return SayHowToMend(error);
  absl::StatusOr<v1::Plan> plan = SearchRound(tenant, *latest->job, id, average);
  return CanBeMended(plan.status()) ? SayHowToMend(plan.status()) : plan;
}

absl::StatusOr<v1::Plan> RoundBarrier::ReadPlan(const RoundId& id) {
  absl::StatusOr<KeptPlan> kept = store_.GetPlan(id.job_id, id.round);
  if (absl::IsNotFound(kept.status())) return JobWasDeleted();
  if (!kept.ok()) return Hide(kept.status());
  return std::move(kept->plan);
}

// A store that cannot be reached tells nothing; its feed says when to look again.
void RoundBarrier::AnswerIfPlanned(const RoundId& id) {
  const absl::StatusOr<KeptRound> round = store_.GetRound(id.job_id, id.round);
  if (absl::IsNotFound(round.status())) return Answer(waiters_.Take(id), JobWasDeleted());
  if (!round.ok() || !round->is_planned) return;
  timer_->Forget(id);
  Answer(waiters_.Take(id), ReadPlan(id));
}

void RoundBarrier::Tell(const Change& change) {
  switch (change.kind) {
    case Change::Kind::kPlan: {
      const RoundId id = {change.job_id, change.round};
      if (!waiters_.Has(id) || IsInSearch(id)) return;  // The search answers them.
      return calls_.Continue("", [this, id] { AnswerIfPlanned(id); });
    }
    case Change::Kind::kJobDeleted:
      return calls_.Continue("", [this, job_id = change.job_id] { EndJob(job_id); });
    case Change::Kind::kAny:
      for (const RoundId& id : waiters_.Rounds()) calls_.Continue("", [this, id] { AnswerIfPlanned(id); });
  }
}

void RoundBarrier::EndJob(int64_t job_id) {
  {
    absl::MutexLock lock(&mutex_);
    constexpr int64_t kLastRound = std::numeric_limits<int64_t>::max();
    hopeless_.erase(hopeless_.lower_bound({job_id, 0}), hopeless_.upper_bound({job_id, kLastRound}));
  }
  Answer(waiters_.TakeJob(job_id), JobWasDeleted());
}

void RoundBarrier::LookAroundSoon() {
  if (is_looking_.exchange(true)) return;
  calls_.Continue("", [this] {
    LookAround();
    is_looking_ = false;
  });
}

// Rounds are left to the replica that opened them for a tick after their deadline.
void RoundBarrier::LookAround() {
  for (const RoundWaiter& waiter : waiters_.TakeGone()) waiter.done(HasGone(waiter.limits));
  const absl::StatusOr<std::vector<KeptRound>> forgotten =
      store_.ListOpenRounds(options_.now() - options_.tick, kMaxForgottenRounds + NumHopeless());
  if (!forgotten.ok()) {
    Hide(forgotten.status()).IgnoreError();
    return;
  }
  for (const KeptRound& round : *forgotten) PlanUnasked({round.job_id, round.round});
}

bool RoundBarrier::IsDraining() {
  absl::MutexLock lock(&mutex_);
  return is_draining_;
}

bool RoundBarrier::IsInSearch(const RoundId& id) {
  absl::MutexLock lock(&mutex_);
  return in_search_.contains(id);
}

int RoundBarrier::NumHopeless() {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(hopeless_.size());
}

void RoundBarrier::Answer(const std::vector<RoundWaiter>& waiters, const absl::StatusOr<v1::Plan>& plan) const {
  for (const RoundWaiter& waiter : waiters) {
    if (options_.observer.on_wait) options_.observer.on_wait(waiter.limits.clock() - waiter.since);
    waiter.done(plan);
  }
}

void RoundBarrier::TellPlan(const v1::Plan& plan, size_t num_missing_ranks) const {
  if (options_.observer.on_plan) options_.observer.on_plan(plan, static_cast<int64_t>(num_missing_ranks));
}

}  // namespace greenplan
