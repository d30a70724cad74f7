#include "planner/store/memory/memory_store.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "planner/store/memory/shared_strings.h"
#include "planner/store/serialized_job.h"

namespace greenplan {
namespace {

struct Round {
  KeptRound round;
  std::map<int32_t, v1::ImportanceReport> reports;  // By rank.
};

// A revision of a job, serialized, which takes less than half of what the messages do. Many jobs have the same profile.
struct StoredRevision {
  int64_t number = 0;
  std::string rest = {};            // The job without its profile.
  SharedStrings::Ref profile = {};  // Null if the job has none.
};

struct StoredJob {
  JobKey key;
  std::vector<StoredRevision> revisions;  // In order, from the first one.
  int64_t num_bytes = 0;                  // Of their messages.
  absl::Time last_use;
  std::map<int64_t, Round> rounds;
  std::map<int64_t, KeptPlan> plans;
  std::map<std::pair<int64_t, int32_t>, v1::Outcome> outcomes;  // By round and rank.

  const StoredRevision& latest() const { return revisions.back(); }
};

v1::Job Rest(const StoredRevision& revision) {
  v1::Job job;
  job.ParseFromString(revision.rest);
  return job;
}

v1::Job Whole(const StoredRevision& revision) {
  v1::Job job = Rest(revision);
  if (revision.profile != nullptr) job.mutable_profile()->ParseFromString(*revision.profile);
  return job;
}

// Adds to a list, unless it is long enough.
template <typename Message>
class List {
 public:
  explicit List(int limit) : limit_(limit) {}

  // Whether no further message is to be added.
  bool IsFull() const { return static_cast<int>(messages_.size()) >= limit_ || num_bytes_ >= kMaxListBytes; }
  void Add(Message message) {
    num_bytes_ += static_cast<int64_t>(message.ByteSizeLong());
    messages_.push_back(std::move(message));
  }
  std::vector<Message> Take() { return std::move(messages_); }

 private:
  const int limit_;
  int64_t num_bytes_ = 0;
  std::vector<Message> messages_;
};

absl::Status NoJob(absl::string_view name) { return absl::NotFoundError(absl::StrCat(name, " does not exist")); }
absl::Status NoJob(int64_t job_id) { return NoJob(absl::StrCat("the job of id ", job_id)); }

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

class MemoryStore : public Store {
 public:
  absl::Status CreateJob(const JobKey& key, const KeptJob& job) override {
    absl::MutexLock lock(&mutex_);
    if (!ids_.try_emplace({key.tenant, key.name}, job.id).second) {
      return absl::AlreadyExistsError(absl::StrCat(key.name, " exists"));
    }
    jobs_[job.id] = {.key = key,
                     .revisions = {Serialize(job.job)},
                     .num_bytes = static_cast<int64_t>(job.job.ByteSizeLong()),
                     .last_use = ToTime(job.job.create_time())};
    return absl::OkStatus();
  }

  absl::StatusOr<KeptJob> GetJob(const JobKey& key) override {
    KeptJob result;
    StoredRevision latest;
    {
      absl::MutexLock lock(&mutex_);
      const StoredJob* job = Find(key);
      if (job == nullptr) return NoJob(key.name);
      result.id = ids_.at({key.tenant, key.name});
      latest = job->latest();
    }
    result.job = Whole(latest);
    return result;
  }

  absl::StatusOr<JobHead> GetJobHead(const JobKey& key) override {
    absl::MutexLock lock(&mutex_);
    const StoredJob* job = Find(key);
    if (job == nullptr) return NoJob(key.name);
    return JobHead{ids_.at({key.tenant, key.name}), job->latest().number};
  }

  absl::StatusOr<v1::Job> GetJobRevision(int64_t job_id, int64_t revision) override {
    const absl::StatusOr<StoredRevision> found = FindRevision(job_id, revision);
    if (!found.ok()) return found.status();
    return Whole(*found);
  }

  absl::StatusOr<int64_t> GetJobSize(int64_t job_id, int64_t revision) override {
    const absl::StatusOr<StoredRevision> found = FindRevision(job_id, revision);
    if (!found.ok()) return found.status();
    return static_cast<int64_t>(found->rest.size() + (found->profile == nullptr ? 0 : found->profile->size()));
  }

  absl::StatusOr<std::string> GetSerializedJob(int64_t job_id, int64_t revision) override {
    const absl::StatusOr<StoredRevision> found = FindRevision(job_id, revision);
    if (!found.ok()) return found.status();
    return found->profile == nullptr ? found->rest : JoinJob(found->rest, *found->profile);
  }

  absl::Status UpdateJob(int64_t job_id, const v1::Job& update) override {
    absl::MutexLock lock(&mutex_);
    StoredJob* job = Find(job_id);
    if (job == nullptr) return NoJob(job_id);
    if (update.profile_revision() != job->latest().number + 1) {
      return absl::AlreadyExistsError(
          absl::StrCat("revision ", update.profile_revision(), " of ", job->key.name, " is not the next one"));
    }
    job->revisions.push_back(Serialize(update));
    job->num_bytes += static_cast<int64_t>(update.ByteSizeLong());
    job->last_use = std::max(job->last_use, ToTime(update.update_time()));
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::string& tenant, const std::string& after_name,
                                                int limit) override {
    absl::MutexLock lock(&mutex_);
    List<v1::Job> result(limit);
    for (auto id = ids_.upper_bound({tenant, after_name});
         id != ids_.end() && id->first.first == tenant && !result.IsFull(); ++id) {
      result.Add(Rest(jobs_.at(id->second).latest()));
    }
    return result.Take();
  }

  absl::Status DeleteJob(int64_t job_id) override { return DeleteIdleJob(job_id, absl::InfiniteFuture()); }

  absl::Status DeleteIdleJob(int64_t job_id, absl::Time time) override {
    {
      absl::MutexLock lock(&mutex_);
      const StoredJob* job = Find(job_id);
      if (job == nullptr || job->last_use >= time) return NoJob(job_id);
      for (const auto& [number, round] : job->rounds) open_rounds_.erase({round.round.deadline, job_id, number});
      for (const StoredRevision& revision : job->revisions) {
        if (revision.profile != nullptr) profiles_.Drop(revision.profile);
      }
      ids_.erase({job->key.tenant, job->key.name});
      jobs_.erase(job_id);
    }
    feed_.Publish({.kind = Change::Kind::kJobDeleted, .job_id = job_id});
    return absl::OkStatus();
  }

  absl::StatusOr<TenantUsage> GetUsage(const std::string& tenant) override {
    absl::MutexLock lock(&mutex_);
    TenantUsage usage;
    for (auto id = ids_.lower_bound({tenant, ""}); id != ids_.end() && id->first.first == tenant; ++id) {
      ++usage.num_jobs;
      usage.num_bytes += jobs_.at(id->second).num_bytes;
    }
    return usage;
  }

  absl::StatusOr<ReportResult> AddReport(int64_t job_id, const v1::ImportanceReport& report,
                                         const RoundOpening& opening) override {
    absl::MutexLock lock(&mutex_);
    StoredJob* job = Find(job_id);
    if (job == nullptr) return NoJob(job_id);
    Round& round = OpenRound(job_id, *job, report.round(), opening);
    ReportResult result;
    if (const auto earlier = round.reports.find(report.rank()); earlier != round.reports.end()) {
      result.earlier = earlier->second;
    } else if (round.round.revision == opening.revision) {
      round.reports.emplace(report.rank(), report);
      ++round.round.num_reports;
    }
    result.round = round.round;
    return result;
  }

  absl::StatusOr<KeptRound> GetRound(int64_t job_id, int64_t round_number) override {
    absl::MutexLock lock(&mutex_);
    if (const Round* round = FindRound(job_id, round_number)) return round->round;
    return NoRound(job_id, round_number);
  }

  absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(int64_t job_id, int64_t round_number,
                                                                int32_t after_rank, int limit) override {
    absl::MutexLock lock(&mutex_);
    List<v1::ImportanceReport> result(limit);
    const Round* round = FindRound(job_id, round_number);
    if (round == nullptr) return result.Take();
    const auto& reports = round->reports;
    for (auto report = reports.upper_bound(after_rank); report != reports.end() && !result.IsFull(); ++report) {
      result.Add(report->second);
    }
    return result.Take();
  }

  absl::StatusOr<std::vector<KeptRound>> ListOpenRounds(absl::Time until, int limit) override {
    absl::MutexLock lock(&mutex_);
    std::vector<KeptRound> result;
    for (const auto& [deadline, job_id, round] : open_rounds_) {
      if (deadline > until || result.size() >= limit) break;
      if (const Round* open = FindRound(job_id, round)) result.push_back(open->round);
    }
    return result;
  }

  absl::Status PutPlan(int64_t job_id, const NewPlan& plan) override {
    const int64_t round = plan.plan.round();
    {
      absl::MutexLock lock(&mutex_);
      StoredJob* job = Find(job_id);
      if (job == nullptr) return NoJob(job_id);
      if (job->plans.contains(round)) {
        return absl::AlreadyExistsError(absl::StrCat("round ", round, " of ", job->key.name, " has a plan"));
      }
      if (plan.report.has_value()) {
        Round& opened = OpenRound(job_id, *job, round, plan.opening);
        if (!opened.reports.emplace(plan.report->rank(), *plan.report).second) {
          return absl::AlreadyExistsError(
              absl::StrCat("rank ", plan.report->rank(), " of ", job->key.name, " has reported for round ", round));
        }
        ++opened.round.num_reports;
      }
      job->plans[round] = {plan.plan, plan.missing_ranks};
      if (const auto opened = job->rounds.find(round); opened != job->rounds.end()) {
        opened->second.round.is_planned = true;
        open_rounds_.erase({opened->second.round.deadline, job_id, round});
      }
    }
    feed_.Publish({.kind = Change::Kind::kPlan, .job_id = job_id, .round = round});
    return absl::OkStatus();
  }

  absl::StatusOr<KeptPlan> GetPlan(int64_t job_id, int64_t round) override {
    absl::MutexLock lock(&mutex_);
    const StoredJob* job = Find(job_id);
    if (job == nullptr || !job->plans.contains(round)) return NoRound(job_id, round);
    return job->plans.at(round);
  }

  absl::StatusOr<KeptPlan> GetLatestPlan(int64_t job_id) override {
    absl::MutexLock lock(&mutex_);
    const StoredJob* job = Find(job_id);
    if (job == nullptr || job->plans.empty()) {
      return absl::NotFoundError(absl::StrCat("the job of id ", job_id, " has no plan"));
    }
    return job->plans.rbegin()->second;
  }

  absl::StatusOr<std::vector<v1::Plan>> ListPlans(int64_t job_id, int64_t start_round, int limit) override {
    absl::MutexLock lock(&mutex_);
    List<v1::Plan> result(limit);
    const StoredJob* job = Find(job_id);
    if (job == nullptr) return result.Take();
    const auto& plans = job->plans;
    for (auto plan = plans.lower_bound(start_round); plan != plans.end() && !result.IsFull(); ++plan) {
      result.Add(plan->second.plan);
    }
    return result.Take();
  }

  absl::StatusOr<std::optional<v1::Outcome>> AddOutcome(int64_t job_id, const v1::Outcome& outcome) override {
    absl::MutexLock lock(&mutex_);
    StoredJob* job = Find(job_id);
    if (job == nullptr) return NoJob(job_id);
    const auto [kept, is_new] = job->outcomes.try_emplace({outcome.round(), outcome.rank()}, outcome);
    return is_new ? std::nullopt : std::optional<v1::Outcome>(kept->second);
  }

  absl::StatusOr<std::vector<v1::Outcome>> ListOutcomes(int64_t job_id, int64_t after_round, int32_t after_rank,
                                                        int limit) override {
    absl::MutexLock lock(&mutex_);
    List<v1::Outcome> result(limit);
    const StoredJob* job = Find(job_id);
    if (job == nullptr) return result.Take();
    const auto& outcomes = job->outcomes;
    for (auto outcome = outcomes.upper_bound({after_round, after_rank}); outcome != outcomes.end() && !result.IsFull();
         ++outcome) {
      result.Add(outcome->second);
    }
    return result.Take();
  }

  absl::StatusOr<std::vector<int64_t>> ListIdleJobs(absl::Time time, int limit) override {
    absl::MutexLock lock(&mutex_);
    std::vector<int64_t> result;
    for (auto job = jobs_.begin(); job != jobs_.end() && result.size() < limit; ++job) {
      if (job->second.last_use < time) result.push_back(job->first);
    }
    return result;
  }

  absl::Status DeleteReports(int64_t job_id, int64_t round) override {
    absl::MutexLock lock(&mutex_);
    StoredJob* job = Find(job_id);
    if (job == nullptr) return absl::OkStatus();
    for (auto old = job->rounds.begin(); old != job->rounds.lower_bound(round); ++old) {
      if (old->second.round.is_planned) old->second.reports.clear();
    }
    return absl::OkStatus();
  }

  std::unique_ptr<Subscription> Subscribe(ChangeListener listener) override {
    return feed_.Subscribe(std::move(listener));
  }

 private:
  StoredRevision Serialize(v1::Job job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    StoredRevision revision = {.number = job.profile_revision()};
    if (job.has_profile()) revision.profile = profiles_.Share(job.profile().SerializeAsString());
    job.clear_profile();
    revision.rest = job.SerializeAsString();
    return revision;
  }

  StoredJob* Find(int64_t job_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto job = jobs_.find(job_id);
    return job == jobs_.end() ? nullptr : &job->second;
  }

  StoredJob* Find(const JobKey& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto id = ids_.find({key.tenant, key.name});
    return id == ids_.end() ? nullptr : Find(id->second);
  }

  // A copy, which shares the profile.
  absl::StatusOr<StoredRevision> FindRevision(int64_t job_id, int64_t revision) {
    absl::MutexLock lock(&mutex_);
    const StoredJob* job = Find(job_id);
    if (job == nullptr) return NoJob(job_id);
    const auto kept = absl::c_find_if(job->revisions, [&](const auto& each) { return each.number == revision; });
    if (kept != job->revisions.end()) return *kept;
    return absl::NotFoundError(absl::StrCat("revision ", revision, " of ", job->key.name, " does not exist"));
  }

  const Round* FindRound(int64_t job_id, int64_t round_number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const StoredJob* job = Find(job_id);
    if (job == nullptr) return nullptr;
    const auto round = job->rounds.find(round_number);
    return round == job->rounds.end() ? nullptr : &round->second;
  }

  absl::Status NoRound(int64_t job_id, int64_t round) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const StoredJob* job = Find(job_id);
    return absl::NotFoundError(
        absl::StrCat("round ", round, " of ", job == nullptr ? "a deleted job" : job->key.name, " does not exist"));
  }

  Round& OpenRound(int64_t job_id, StoredJob& job, int64_t round_number, const RoundOpening& opening)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto [round, is_new] = job.rounds.try_emplace(round_number);
    if (is_new) {
      const bool is_planned = job.plans.contains(round_number);
      round->second.round = {.job_id = job_id,
                             .round = round_number,
                             .revision = opening.revision,
                             .open_time = opening.open_time,
                             .deadline = opening.deadline,
                             .is_planned = is_planned};
      job.last_use = std::max(job.last_use, opening.open_time);
      if (!is_planned) open_rounds_.emplace(opening.deadline, job_id, round_number);
    }
    return round->second;
  }

  ChangeFeed feed_;
  absl::Mutex mutex_;
  std::map<std::pair<std::string, std::string>, int64_t> ids_ ABSL_GUARDED_BY(mutex_);  // By tenant and name.
  std::map<int64_t, StoredJob> jobs_ ABSL_GUARDED_BY(mutex_);
  SharedStrings profiles_ ABSL_GUARDED_BY(mutex_);
  // Deadline, job and round of every round that was opened and has no plan.
  std::set<std::tuple<absl::Time, int64_t, int64_t>> open_rounds_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Store> NewMemoryStore() { return std::make_unique<MemoryStore>(); }

}  // namespace greenplan
