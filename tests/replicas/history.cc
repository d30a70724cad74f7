#include "tests/replicas/history.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace greenplan {
namespace {

constexpr int kAll = 1'000'000;

// The messages of one round by rank.
template <typename Message>
std::map<int32_t, std::string> ByRank(const absl::StatusOr<std::vector<Message>>& messages, int64_t round) {
  std::map<int32_t, std::string> by_rank;
  if (!messages.ok()) return by_rank;
  for (const Message& message : *messages) {
    if (message.round() == round) by_rank[message.rank()] = message.SerializeAsString();
  }
  return by_rank;
}

void Compare(const std::map<int32_t, std::string>& acknowledged, const std::map<int32_t, std::string>& kept,
             const std::string& what, std::vector<std::string>& faults) {
  for (const auto& [rank, bytes] : acknowledged) {
    const auto found = kept.find(rank);
    if (found == kept.end()) {
      faults.push_back(absl::StrCat(what, " of rank ", rank, " was acknowledged and is lost"));
    } else if (found->second != bytes) {
      faults.push_back(absl::StrCat(what, " of rank ", rank, " was acknowledged and another one is kept"));
    }
  }
}

}  // namespace

void History::AddJob(const v1::Job& job) {
  absl::MutexLock lock(&mutex_);
  jobs_[job.name()] = job.SerializeAsString();
  new_answers_.push_back({.job_name = job.name(), .job = job});
  ++num_answers_;
}

void History::AddPlan(const std::string& job_name, const v1::ImportanceReport& report, const v1::Plan& plan) {
  absl::MutexLock lock(&mutex_);
  Acknowledged& round = rounds_[{job_name, report.round()}];
  round.plans[report.rank()] = plan.SerializeAsString();
  round.reports[report.rank()] = report.SerializeAsString();
  new_answers_.push_back({.job_name = job_name, .report = report, .plan = plan});
  ++num_plans_;
  ++num_answers_;
}

void History::AddOutcome(const std::string& job_name, const v1::Outcome& outcome) {
  absl::MutexLock lock(&mutex_);
  rounds_[{job_name, outcome.round()}].outcomes[outcome.rank()] = outcome.SerializeAsString();
  new_answers_.push_back({.job_name = job_name, .outcome = outcome});
  ++num_answers_;
}

bool History::WaitForPlans(int64_t count, absl::Duration timeout) const {
  const auto are_there = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return num_plans_ >= count; };
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&are_there), timeout);
}

int64_t History::num_plans() const {
  absl::MutexLock lock(&mutex_);
  return num_plans_;
}

int64_t History::num_answers() const {
  absl::MutexLock lock(&mutex_);
  return num_answers_;
}

std::vector<History::Answer> History::TakeNewAnswers() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(new_answers_, {});
}

std::vector<std::string> History::FindFaults(Store& store) const {
  std::vector<std::string> faults;
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, bytes] : jobs_) {
    const absl::StatusOr<KeptJob> kept = store.GetJob({"", name});
    if (!kept.ok()) {
      faults.push_back(absl::StrCat(name, " was acknowledged: ", kept.status().ToString()));
    } else if (kept->job.SerializeAsString() != bytes) {
      faults.push_back(absl::StrCat(name, " was acknowledged and another one is kept"));
    }
  }
  for (const auto& [key, acknowledged] : rounds_) {
    const auto& [job_name, round] = key;
    const std::string where = absl::StrCat(job_name, ", round ", round, ": ");
    const absl::StatusOr<JobHead> job = store.GetJobHead({"", job_name});
    if (!job.ok()) {
      faults.push_back(absl::StrCat(where, job.status().ToString()));
      continue;
    }
    if (!acknowledged.plans.empty()) {
      const absl::StatusOr<KeptPlan> kept = store.GetPlan(job->id, round);
      std::map<int32_t, std::string> same_for_all;
      for (const auto& [rank, bytes] : acknowledged.plans) {
        if (kept.ok()) same_for_all[rank] = kept->plan.SerializeAsString();
      }
      Compare(acknowledged.plans, same_for_all, where + "the plan", faults);
    }
    Compare(acknowledged.reports, ByRank(store.ListReports(job->id, round, -1, kAll), round), where + "the report",
            faults);
    if (acknowledged.outcomes.empty()) continue;
    const int num_ranks = acknowledged.outcomes.rbegin()->first + 1;
    Compare(acknowledged.outcomes, ByRank(store.ListOutcomes(job->id, round, -1, num_ranks), round),
            where + "the outcome", faults);
  }
  return faults;
}

}  // namespace greenplan
