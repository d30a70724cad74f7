#ifndef GREENPLAN_PLANNER_STORE_TESTING_STORE_WRAPPER_H_
#define GREENPLAN_PLANNER_STORE_TESTING_STORE_WRAPPER_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "planner/store/store.h"

namespace greenplan {

// Passes every call on to another store. A test derives from it to count calls of one method, or to come between.
class StoreWrapper : public Store {
 public:
  // `store` must outlive the wrapper.
  explicit StoreWrapper(Store* store) : store_(*store) {}

  absl::Status CreateJob(const JobKey& key, const KeptJob& job) override { return store_.CreateJob(key, job); }
  absl::StatusOr<KeptJob> GetJob(const JobKey& key) override { return store_.GetJob(key); }
  absl::StatusOr<JobHead> GetJobHead(const JobKey& key) override { return store_.GetJobHead(key); }
  absl::StatusOr<v1::Job> GetJobRevision(int64_t job_id, int64_t revision) override {
    return store_.GetJobRevision(job_id, revision);
  }
  absl::StatusOr<int64_t> GetJobSize(int64_t job_id, int64_t revision) override {
    return store_.GetJobSize(job_id, revision);
  }
  absl::StatusOr<std::string> GetSerializedJob(int64_t job_id, int64_t revision) override {
    return store_.GetSerializedJob(job_id, revision);
  }
  absl::Status UpdateJob(int64_t job_id, const v1::Job& job) override { return store_.UpdateJob(job_id, job); }
  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::string& tenant, const std::string& after_name,
                                                int limit) override {
    return store_.ListJobs(tenant, after_name, limit);
  }
  absl::Status DeleteJob(int64_t job_id) override { return store_.DeleteJob(job_id); }
  absl::Status DeleteIdleJob(int64_t job_id, absl::Time time) override { return store_.DeleteIdleJob(job_id, time); }
  absl::StatusOr<TenantUsage> GetUsage(const std::string& tenant) override { return store_.GetUsage(tenant); }
  absl::StatusOr<ReportResult> AddReport(int64_t job_id, const v1::ImportanceReport& report,
                                         const RoundOpening& opening) override {
    return store_.AddReport(job_id, report, opening);
  }
  absl::StatusOr<KeptRound> GetRound(int64_t job_id, int64_t round) override { return store_.GetRound(job_id, round); }
  absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(int64_t job_id, int64_t round, int32_t after_rank,
                                                                int limit) override {
    return store_.ListReports(job_id, round, after_rank, limit);
  }
  absl::StatusOr<std::vector<KeptRound>> ListOpenRounds(absl::Time until, int limit) override {
    return store_.ListOpenRounds(until, limit);
  }
  absl::Status PutPlan(int64_t job_id, const NewPlan& plan) override { return store_.PutPlan(job_id, plan); }
  absl::StatusOr<KeptPlan> GetPlan(int64_t job_id, int64_t round) override { return store_.GetPlan(job_id, round); }
  absl::StatusOr<KeptPlan> GetLatestPlan(int64_t job_id) override { return store_.GetLatestPlan(job_id); }
  absl::StatusOr<std::vector<v1::Plan>> ListPlans(int64_t job_id, int64_t start_round, int limit) override {
    return store_.ListPlans(job_id, start_round, limit);
  }
  absl::StatusOr<std::optional<v1::Outcome>> AddOutcome(int64_t job_id, const v1::Outcome& outcome) override {
    return store_.AddOutcome(job_id, outcome);
  }
  absl::StatusOr<std::vector<v1::Outcome>> ListOutcomes(int64_t job_id, int64_t after_round, int32_t after_rank,
                                                        int limit) override {
    return store_.ListOutcomes(job_id, after_round, after_rank, limit);
  }
  absl::StatusOr<std::vector<int64_t>> ListIdleJobs(absl::Time time, int limit) override {
    return store_.ListIdleJobs(time, limit);
  }
  absl::Status DeleteReports(int64_t job_id, int64_t round) override { return store_.DeleteReports(job_id, round); }
  std::unique_ptr<Subscription> Subscribe(ChangeListener listener) override {
    return store_.Subscribe(std::move(listener));
  }

 private:
  Store& store_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_TESTING_STORE_WRAPPER_H_
