#include "tests/reliability/impatient_ranks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "greenplan/v1/planner_service.pb.h"
#include "gtest/gtest.h"
#include "planner/job/test_jobs.h"
#include "tests/replicas/training.h"
#include "tests/service/raw_call.h"

namespace greenplan {
namespace {

// Leaves the machine to the daemon.
constexpr absl::Duration kPauseAfterError = absl::Milliseconds(10);

// One attempt.
template <typename Response>
absl::StatusOr<Response> CallOnce(const std::string& address, const char* method,
                                  const google::protobuf::Message& request) {
  const absl::StatusOr<std::string> bytes =
      RawUnaryCall(address, absl::StrCat("/greenplan.v1.PlannerService/", method), request.SerializeAsString());
  if (!bytes.ok()) return bytes.status();
  Response response;
  EXPECT_TRUE(response.ParseFromString(*bytes));
  return response;
}

absl::StatusOr<v1::Job> CreateJob(const std::string& address, const std::string& name) {
  v1::CreateJobRequest request;
  *request.mutable_job() = TestJob(name);
  return CallOnce<v1::Job>(address, "CreateJob", request);
}

}  // namespace

ImpatientRanks::ImpatientRanks(const std::string& address, const std::string& name, int num_ranks)
    : address_(address), name_(name), progress_(num_ranks) {
  for (int i = 0; i < num_ranks; ++i) threads_.emplace_back([this, i] { Train(i); });
}

ImpatientRanks::~ImpatientRanks() { Stop(); }

void ImpatientRanks::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopped_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool ImpatientRanks::IsStopped() const {
  absl::MutexLock lock(&mutex_);
  return is_stopped_;
}

bool ImpatientRanks::WaitForErrors(int64_t count, absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  std::vector<int64_t> wanted;
  for (const Progress& progress : progress_) wanted.push_back(progress.num_errors + count);
  const auto are_there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (progress_[i].num_errors < wanted[i]) return false;
    }
    return true;
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&are_there), timeout);
}

absl::Duration ImpatientRanks::WaitForSuccess(absl::Duration timeout) {
  const absl::Time start = absl::Now();
  absl::MutexLock lock(&mutex_);
  ++period_;
  const auto have_all = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::all_of(progress_.begin(), progress_.end(),
                       [this](const Progress& progress) { return progress.last_success == period_; });
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&have_all), timeout) ? absl::Now() - start : timeout;
}

std::map<absl::StatusCode, int64_t> ImpatientRanks::errors() const {
  absl::MutexLock lock(&mutex_);
  return errors_;
}

std::map<absl::StatusCode, std::string> ImpatientRanks::messages() const {
  absl::MutexLock lock(&mutex_);
  return messages_;
}

absl::Status ImpatientRanks::TryNext(int64_t round, bool& has_plan, const std::string& job_name) {
  if (!has_plan) {
    v1::PlanRoundRequest request;
    request.set_job(job_name);
    *request.mutable_report() = MakeReport(round, /*rank=*/0);
    const auto plan = CallOnce<v1::Plan>(address_, "PlanRound", request);
    if (!plan.ok()) return plan.status();
    history_.AddPlan(job_name, request.report(), *plan);
    has_plan = true;
    return absl::OkStatus();
  }
  v1::ReportOutcomeRequest request;
  request.set_job(job_name);
  *request.mutable_outcome() = TestOutcome(round);
  const auto reported = CallOnce<google::protobuf::Empty>(address_, "ReportOutcome", request);
  if (!reported.ok()) return reported.status();
  history_.AddOutcome(job_name, request.outcome());
  has_plan = false;
  return absl::OkStatus();
}

void ImpatientRanks::Train(int index) {
  const std::string job_name = absl::StrCat(name_, index);
  bool has_job = false;
  bool has_plan = false;
  for (int64_t round = 0; !IsStopped();) {
    int64_t period;
    {
      absl::MutexLock lock(&mutex_);
      period = period_;
    }
    absl::Status status;
    if (!has_job) {
      const auto job = CreateJob(address_, job_name);
      status = job.status();
      has_job = job.ok();
      if (has_job) history_.AddJob(*job);
    } else {
      status = TryNext(round, has_plan, job_name);
      if (status.ok() && !has_plan) ++round;
    }
    if (!status.ok()) absl::SleepFor(kPauseAfterError);
    absl::MutexLock lock(&mutex_);
    if (status.ok()) {
      progress_[index].last_success = period;
    } else {
      ++progress_[index].num_errors;
      ++errors_[status.code()];
      messages_[status.code()] = std::string(status.message());
    }
  }
}

}  // namespace greenplan
