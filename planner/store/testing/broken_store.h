#ifndef GREENPLAN_PLANNER_STORE_TESTING_BROKEN_STORE_H_
#define GREENPLAN_PLANNER_STORE_TESTING_BROKEN_STORE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "planner/store/store.h"

namespace greenplan {

// A store whose medium has failed: every call answers `error`.
class BrokenStore : public Store {
 public:
  explicit BrokenStore(absl::Status error) : error_(std::move(error)) {}

  absl::Status CreateJob(const JobKey&, const KeptJob&) override { return error_; }
  absl::StatusOr<KeptJob> GetJob(const JobKey&) override { return error_; }
  absl::StatusOr<JobHead> GetJobHead(const JobKey&) override { return error_; }
  absl::StatusOr<v1::Job> GetJobRevision(int64_t, int64_t) override { return error_; }
  absl::StatusOr<int64_t> GetJobSize(int64_t, int64_t) override { return error_; }
  absl::StatusOr<std::string> GetSerializedJob(int64_t, int64_t) override { return error_; }
  absl::Status UpdateJob(int64_t, const v1::Job&) override { return error_; }
  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::string&, const std::string&, int) override { return error_; }
  absl::Status DeleteJob(int64_t) override { return error_; }
  absl::Status DeleteIdleJob(int64_t, absl::Time) override { return error_; }
  absl::StatusOr<TenantUsage> GetUsage(const std::string&) override { return error_; }
  absl::StatusOr<ReportResult> AddReport(int64_t, const v1::ImportanceReport&, const RoundOpening&) override {
    return error_;
  }
  absl::StatusOr<KeptRound> GetRound(int64_t, int64_t) override { return error_; }
  absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(int64_t, int64_t, int32_t, int) override {
    return error_;
  }
  absl::StatusOr<std::vector<KeptRound>> ListOpenRounds(absl::Time, int) override { return error_; }
  absl::Status PutPlan(int64_t, const NewPlan&) override { return error_; }
  absl::StatusOr<KeptPlan> GetPlan(int64_t, int64_t) override { return error_; }
  absl::StatusOr<KeptPlan> GetLatestPlan(int64_t) override { return error_; }
  absl::StatusOr<std::vector<v1::Plan>> ListPlans(int64_t, int64_t, int) override { return error_; }
  absl::StatusOr<std::optional<v1::Outcome>> AddOutcome(int64_t, const v1::Outcome&) override { return error_; }
  absl::StatusOr<std::vector<v1::Outcome>> ListOutcomes(int64_t, int64_t, int32_t, int) override { return error_; }
  absl::StatusOr<std::vector<int64_t>> ListIdleJobs(absl::Time, int) override { return error_; }
  absl::Status DeleteReports(int64_t, int64_t) override { return error_; }
  std::unique_ptr<Subscription> Subscribe(ChangeListener) override { return std::make_unique<Subscription>(); }

 private:
  const absl::Status error_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_TESTING_BROKEN_STORE_H_
