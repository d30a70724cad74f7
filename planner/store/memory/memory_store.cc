#include "planner/store/memory/memory_store.h"

#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace greenplan {
namespace {

struct Round {
  std::map<int32_t, v1::ImportanceReport> reports;  // By rank.
  v1::Plan plan;
};

struct KeptJob {
  v1::Job job;
  std::map<int64_t, Round> rounds;
};

class MemoryStore : public Store {
 public:
  absl::Status PutJob(const v1::Job& job) override {
    absl::MutexLock lock(&mutex_);
    if (jobs_.try_emplace(job.name(), KeptJob{job, {}}).second) return absl::OkStatus();
    return absl::AlreadyExistsError(absl::StrCat(job.name(), " exists"));
  }

  absl::StatusOr<v1::Job> GetJob(const std::string& job_name) override {
    absl::MutexLock lock(&mutex_);
    const auto job = jobs_.find(job_name);
    if (job == jobs_.end()) return NoJob(job_name);
    return job->second.job;
  }

  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::string& after_name, int limit) override {
    absl::MutexLock lock(&mutex_);
    std::vector<v1::Job> result;
    for (auto job = jobs_.upper_bound(after_name); job != jobs_.end() && result.size() < limit; ++job) {
      result.push_back(job->second.job);
    }
    return result;
  }

  absl::Status PutRound(const std::string& job_name, const std::vector<v1::ImportanceReport>& reports,
                        const v1::Plan& plan) override {
    absl::MutexLock lock(&mutex_);
    const auto job = jobs_.find(job_name);
    if (job == jobs_.end()) return NoJob(job_name);
    const auto [round, is_new] = job->second.rounds.try_emplace(plan.round());
    if (!is_new) return absl::AlreadyExistsError(absl::StrCat("round ", plan.round(), " of ", job_name, " exists"));
    for (const v1::ImportanceReport& report : reports) round->second.reports.emplace(report.rank(), report);
    round->second.plan = plan;
    return absl::OkStatus();
  }

  absl::StatusOr<v1::Plan> GetPlan(const std::string& job_name, int64_t round_number) override {
    absl::MutexLock lock(&mutex_);
    if (const Round* round = FindRound(job_name, round_number)) return round->plan;
    return absl::NotFoundError(absl::StrCat("round ", round_number, " of ", job_name, " does not exist"));
  }

  absl::StatusOr<std::vector<v1::Plan>> ListPlans(const std::string& job_name, int64_t start_round,
                                                  int limit) override {
    absl::MutexLock lock(&mutex_);
    std::vector<v1::Plan> result;
    const auto job = jobs_.find(job_name);
    if (job == jobs_.end()) return result;
    const auto& rounds = job->second.rounds;
    for (auto round = rounds.lower_bound(start_round); round != rounds.end() && result.size() < limit; ++round) {
      result.push_back(round->second.plan);
    }
    return result;
  }

  absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(const std::string& job_name,
                                                                int64_t round_number) override {
    absl::MutexLock lock(&mutex_);
    std::vector<v1::ImportanceReport> result;
    if (const Round* round = FindRound(job_name, round_number)) {
      for (const auto& [rank, report] : round->reports) result.push_back(report);
    }
    return result;
  }

 private:
  static absl::Status NoJob(const std::string& job_name) {
    return absl::NotFoundError(absl::StrCat(job_name, " does not exist"));
  }

  const Round* FindRound(const std::string& job_name, int64_t round_number) const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    const auto job = jobs_.find(job_name);
    if (job == jobs_.end()) return nullptr;
    const auto round = job->second.rounds.find(round_number);
    return round == job->second.rounds.end() ? nullptr : &round->second;
  }

  absl::Mutex mutex_;
  std::map<std::string, KeptJob> jobs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Store> NewMemoryStore() { return std::make_unique<MemoryStore>(); }

}  // namespace greenplan
