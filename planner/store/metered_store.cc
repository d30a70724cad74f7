#include "planner/store/metered_store.h"

#include <chrono>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace greenplan {
namespace {

absl::StatusCode CodeOf(const absl::Status& status) { return status.code(); }

template <typename T>
absl::StatusCode CodeOf(const absl::StatusOr<T>& result) {
  return result.status().code();
}

class MeteredStore : public Store {
 public:
  MeteredStore(Store* store, StoreMeter meter) : store_(*store), meter_(std::move(meter)) {}

  absl::Status CreateJob(const JobKey& key, const KeptJob& job) override {
    return Measure("CreateJob", [&] { return store_.CreateJob(key, job); });
  }
  absl::StatusOr<KeptJob> GetJob(const JobKey& key) override {
    return Measure("GetJob", [&] { return store_.GetJob(key); });
  }
  absl::StatusOr<JobHead> GetJobHead(const JobKey& key) override {
    return Measure("GetJobHead", [&] { return store_.GetJobHead(key); });
  }
  absl::StatusOr<v1::Job> GetJobRevision(int64_t job_id, int64_t revision) override {
    return Measure("GetJobRevision", [&] { return store_.GetJobRevision(job_id, revision); });
  }
  absl::StatusOr<int64_t> GetJobSize(int64_t job_id, int64_t revision) override {
    return Measure("GetJobSize", [&] { return store_.GetJobSize(job_id, revision); });
  }
  absl::StatusOr<std::string> GetSerializedJob(int64_t job_id, int64_t revision) override {
    return Measure("GetSerializedJob", [&] { return store_.GetSerializedJob(job_id, revision); });
  }
  absl::Status UpdateJob(int64_t job_id, const v1::Job& job) override {
    return Measure("UpdateJob", [&] { return store_.UpdateJob(job_id, job); });
  }
  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::string& tenant, const std::string& after_name,
                                                int limit) override {
    return Measure("ListJobs", [&] { return store_.ListJobs(tenant, after_name, limit); });
  }
  absl::Status DeleteJob(int64_t job_id) override {
    return Measure("DeleteJob", [&] { return store_.DeleteJob(job_id); });
  }
  absl::Status DeleteIdleJob(int64_t job_id, absl::Time time) override {
    return Measure("DeleteIdleJob", [&] { return store_.DeleteIdleJob(job_id, time); });
  }
  absl::StatusOr<TenantUsage> GetUsage(const std::string& tenant) override {
    return Measure("GetUsage", [&] { return store_.GetUsage(tenant); });
  }
  absl::StatusOr<ReportResult> AddReport(int64_t job_id, const v1::ImportanceReport& report,
                                         const RoundOpening& opening) override {
    return Measure("AddReport", [&] { return store_.AddReport(job_id, report, opening); });
  }
  absl::StatusOr<KeptRound> GetRound(int64_t job_id, int64_t round) override {
    return Measure("GetRound", [&] { return store_.GetRound(job_id, round); });
  }
  absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(int64_t job_id, int64_t round, int32_t after_rank,
                                                                int limit) override {
    return Measure("ListReports", [&] { return store_.ListReports(job_id, round, after_rank, limit); });
  }
  absl::StatusOr<std::vector<KeptRound>> ListOpenRounds(absl::Time until, int limit) override {
    return Measure("ListOpenRounds", [&] { return store_.ListOpenRounds(until, limit); });
  }
  absl::Status PutPlan(int64_t job_id, const NewPlan& plan) override {
    return Measure("PutPlan", [&] { return store_.PutPlan(job_id, plan); });
  }
  absl::StatusOr<KeptPlan> GetPlan(int64_t job_id, int64_t round) override {
    return Measure("GetPlan", [&] { return store_.GetPlan(job_id, round); });
  }
  absl::StatusOr<KeptPlan> GetLatestPlan(int64_t job_id) override {
    return Measure("GetLatestPlan", [&] { return store_.GetLatestPlan(job_id); });
  }
  absl::StatusOr<std::vector<v1::Plan>> ListPlans(int64_t job_id, int64_t start_round, int limit) override {
    return Measure("ListPlans", [&] { return store_.ListPlans(job_id, start_round, limit); });
  }
  absl::StatusOr<std::optional<v1::Outcome>> AddOutcome(int64_t job_id, const v1::Outcome& outcome) override {
    return Measure("AddOutcome", [&] { return store_.AddOutcome(job_id, outcome); });
  }
  absl::StatusOr<std::vector<v1::Outcome>> ListOutcomes(int64_t job_id, int64_t after_round, int32_t after_rank,
                                                        int limit) override {
    return Measure("ListOutcomes", [&] { return store_.ListOutcomes(job_id, after_round, after_rank, limit); });
  }
  absl::StatusOr<std::vector<int64_t>> ListIdleJobs(absl::Time time, int limit) override {
    return Measure("ListIdleJobs", [&] { return store_.ListIdleJobs(time, limit); });
  }
  absl::Status DeleteReports(int64_t job_id, int64_t round) override {
    return Measure("DeleteReports", [&] { return store_.DeleteReports(job_id, round); });
  }
  std::unique_ptr<Subscription> Subscribe(ChangeListener listener) override {
    return store_.Subscribe(std::move(listener));
  }

 private:
  template <typename Call>
  std::invoke_result_t<Call> Measure(absl::string_view method, Call call) {
    const auto start = std::chrono::steady_clock::now();
    std::invoke_result_t<Call> result = call();
    meter_(method, CodeOf(result), absl::FromChrono(std::chrono::steady_clock::now() - start));
    return result;
  }

  Store& store_;
  const StoreMeter meter_;
};

}  // namespace

std::unique_ptr<Store> NewMeteredStore(Store* store, StoreMeter meter) {
  return std::make_unique<MeteredStore>(store, std::move(meter));
}

}  // namespace greenplan
