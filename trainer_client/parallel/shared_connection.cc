#include "trainer_client/parallel/shared_connection.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "planner/job/prepared_job.h"
#include "planner/job/report_average.h"

namespace greenplan::trainer {
namespace {

// A status or a message as bytes: the code in decimal, a space, and the error's text or the serialized message.
template <typename Message>
std::string Pack(const absl::StatusOr<Message>& result) {
  if (!result.ok()) return absl::StrCat(static_cast<int>(result.status().code()), " ", result.status().message());
  return absl::StrCat("0 ", result->SerializeAsString());
}

template <typename Message>
absl::StatusOr<Message> Unpack(const std::string& bytes) {
  const size_t space = bytes.find(' ');
  int code = 0;
  if (space == std::string::npos || !absl::SimpleAtoi(bytes.substr(0, space), &code)) {
    return absl::InternalError("a rank sent something that is no result");
  }
  if (code != 0) return absl::Status(static_cast<absl::StatusCode>(code), bytes.substr(space + 1));
  Message message;
  if (!message.ParseFromString(bytes.substr(space + 1))) return absl::InternalError("a rank sent a damaged message");
  return message;
}

class SharedConnection : public Connection {
 public:
  SharedConnection(std::shared_ptr<Connection> connection, SharedPlanner planner, RankGroup& ranks)
      : connection_(std::move(connection)), planner_(planner), ranks_(ranks) {}

  absl::StatusOr<v1::Job> CreateJob(const v1::Job& request) override {
    v1::Job job = request;
    job.set_world_size(planner_ == SharedPlanner::kDaemon ? ranks_.world_size() : 1);
    absl::StatusOr<v1::Job> created = connection_->CreateJob(job);
    absl::StatusOr<v1::Job> digest = v1::Job();
    if (created.ok()) {
      digest->set_profile_digest(created->profile_digest());
    } else {
      digest = created.status();
    }
    absl::StatusOr<std::vector<std::string>> digests = ranks_.Gather(Pack(digest));
    if (!digests.ok()) return digests.status();
    if (!created.ok()) return created;
    for (size_t rank = 0; rank < digests->size(); ++rank) {
      const absl::StatusOr<v1::Job> other = Unpack<v1::Job>((*digests)[rank]);
      if (!other.ok()) {
        return absl::Status(other.status().code(),
                            absl::StrCat("rank ", rank, " could not create the job: ", other.status().message()));
      }
      if (other->profile_digest() == created->profile_digest()) continue;
      return absl::FailedPreconditionError(
          absl::StrCat("rank ", rank, " profiled another step than rank ", ranks_.rank(),
                       "; every rank needs the same model, options and shapes of data"));
    }
    if (planner_ == SharedPlanner::kDaemon) return created;
    absl::StatusOr<std::shared_ptr<const PreparedJob>> prepared = PreparedJob::Create(NewJob(job, absl::Now()));
    if (!prepared.ok()) return prepared.status();
    jobs_[request.name()] = *std::move(prepared);
    return created;
  }

  absl::StatusOr<v1::Plan> PlanRound(const std::string& job_name, const v1::ImportanceReport& request) override {
    v1::ImportanceReport report = request;
    absl::StatusOr<v1::Plan> plan;
    if (planner_ == SharedPlanner::kDaemon) {
      report.set_rank(ranks_.rank());
      plan = connection_->PlanRound(job_name, report);
    } else {
      plan = PlanAverage(job_name, report);
    }
    absl::StatusOr<std::vector<std::string>> results = ranks_.Gather(Pack(plan));
    if (!results.ok()) return results.status();
    absl::StatusOr<v1::Plan> agreed = Agree(*results);
    if (planner_ == SharedPlanner::kDaemon && absl::IsAlreadyExists(agreed.status())) return RoundOrWait(*results);
    return agreed;
  }

  absl::StatusOr<v1::Plan> GetPlan(const std::string& plan_name) override { return connection_->GetPlan(plan_name); }

  absl::Status ReportOutcome(const std::string& job_name, const v1::Outcome& outcome) override {
    if (planner_ == SharedPlanner::kLocal) return connection_->ReportOutcome(job_name, outcome);
    v1::Outcome own = outcome;
    own.set_rank(ranks_.rank());
    return connection_->ReportOutcome(job_name, own);
  }

  absl::Status RestorePlan(const std::string& job_name, const v1::Plan& plan) override {
    return connection_->RestorePlan(job_name, plan);
  }

 private:
  // On rank 0 the plan for the mean of all reports; elsewhere an error that Agree() passes over.
  absl::StatusOr<v1::Plan> PlanAverage(const std::string& job_name, const v1::ImportanceReport& report) {
    absl::StatusOr<std::vector<std::string>> reports = ranks_.Gather(report.SerializeAsString());
    if (!reports.ok()) return reports.status();
    if (ranks_.rank() != 0) return absl::UnavailableError("rank 0 plans");
    const auto job = jobs_.find(job_name);
    if (job == jobs_.end()) return DoesNotExist(job_name);
    const v1::ModelProfile& profile = job->second->job().profile();
    ReportAverage average(profile.tensors_size(), profile.blocks_size());
    int64_t sample_count = 0;
    for (const std::string& bytes : *reports) {
      v1::ImportanceReport other;
      if (!other.ParseFromString(bytes)) return absl::InternalError("a rank sent a damaged report");
      const absl::StatusOr<Measurements> measurements = job->second->ReadReport(other);
      if (!measurements.ok()) return measurements.status();
      average.Add(*measurements, other.sample_count());
      sample_count += other.sample_count();
    }
    v1::ImportanceReport mean = report;
    const Measurements result = average.Result();
    mean.set_sample_count(sample_count);
    mean.mutable_importance()->Assign(result.importance.begin(), result.importance.end());
    mean.mutable_unmeasured()->Assign(result.unmeasured.begin(), result.unmeasured.end());
    mean.mutable_sensitivity()->Assign(result.sensitivity.begin(), result.sensitivity.end());
    mean.clear_standard_error();  // Each rank's own.
    return connection_->PlanRound(job_name, mean);
  }

  // The one result of all ranks: the plan that some of them have, or the error of the first.
  static absl::StatusOr<v1::Plan> Agree(const std::vector<std::string>& results) {
    std::optional<v1::Plan> agreed;
    size_t from = 0;
    for (size_t rank = 0; rank < results.size(); ++rank) {
      absl::StatusOr<v1::Plan> plan = Unpack<v1::Plan>(results[rank]);
      if (!plan.ok()) continue;
      if (!agreed.has_value()) {
        agreed = *std::move(plan);
        from = rank;
      } else if (plan->digest() != agreed->digest()) {
        return absl::InternalError(absl::StrCat("ranks ", from, " and ", rank, " got different plans for round ",
                                                agreed->round(), " (digests ", agreed->digest(), " and ",
                                                plan->digest(), ")"));
      }
    }
    if (agreed.has_value()) return *std::move(agreed);
    return Unpack<v1::Plan>(results[0]);
  }

  // The daemon has an earlier report of rank 0 for the round. If it could not be reached by another rank, it still
  // waits for that one's report, and the round is to be tried again; otherwise the round is over.
  static absl::StatusOr<v1::Plan> RoundOrWait(const std::vector<std::string>& results) {
    for (const std::string& result : results) {
      absl::StatusOr<v1::Plan> plan = Unpack<v1::Plan>(result);
      if (!absl::IsAlreadyExists(plan.status())) return plan;
    }
    return Unpack<v1::Plan>(results[0]);
  }

  const std::shared_ptr<Connection> connection_;
  const SharedPlanner planner_;
  RankGroup& ranks_;
  std::map<std::string, std::shared_ptr<const PreparedJob>> jobs_;  // By name; with kLocal alone.
};

}  // namespace

std::unique_ptr<Connection> ShareConnection(std::shared_ptr<Connection> connection, SharedPlanner planner,
                                            RankGroup& ranks) {
  return std::make_unique<SharedConnection>(std::move(connection), planner, ranks);
}

}  // namespace greenplan::trainer
