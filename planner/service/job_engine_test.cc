#include "planner/service/job_engine.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/test_jobs.h"
#include "planner/store/memory/memory_store.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class JobEngineTest : public ::testing::Test {
 protected:
  JobEngineTest() : store_(NewMemoryStore()), engine_(store_.get(), {.now = [] { return absl::UnixEpoch(); }}) {}

  const std::unique_ptr<Store> store_;
  JobEngine engine_;
};

TEST_F(JobEngineTest, CreateJobIsIdempotentByContentAlone) {
  v1::Job request = TestJob("jobs/a");
  const auto job = engine_.CreateJob(request);
  ASSERT_TRUE(job.ok()) << job.status();
  request.set_profile_digest("ignored");
  const auto again = engine_.CreateJob(request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), job->SerializeAsString());
  EXPECT_EQ(engine_.GetJob("jobs/a")->SerializeAsString(), job->SerializeAsString());

  request.mutable_options()->mutable_budget()->set_fraction_of_backward(0.25);
  EXPECT_EQ(engine_.CreateJob(request).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(JobEngineTest, AMalformedJobIsNotKept) {
  v1::Job request = TestJob("jobs/a");
  request.set_world_size(2);
  EXPECT_EQ(engine_.CreateJob(request).status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(engine_.GetJob("jobs/a").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(JobEngineTest, APlanIsInTheStoreBeforeItIsAnswered) {
  ASSERT_TRUE(engine_.CreateJob(TestJob("jobs/a")).ok());
  const auto plan = engine_.PlanRound("jobs/a", TestReport(0), {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(store_->GetPlan("jobs/a", 0)->SerializeAsString(), plan->SerializeAsString());
}

TEST_F(JobEngineTest, AnEngineOnTheSameStoreGoesOn) {
  ASSERT_TRUE(engine_.CreateJob(TestJob("jobs/a")).ok());
  const auto plan = engine_.PlanRound("jobs/a", TestReport(0), {});
  JobEngine restarted(store_.get(), {});
  EXPECT_EQ(restarted.PlanRound("jobs/a", TestReport(0), {})->SerializeAsString(), plan->SerializeAsString());
  EXPECT_EQ(restarted.GetPlan("jobs/a/plans/0")->SerializeAsString(), plan->SerializeAsString());
  EXPECT_TRUE(restarted.PlanRound("jobs/a", TestReport(1), {}).ok());
}

TEST_F(JobEngineTest, RoundsArePlannedInOrder) {
  ASSERT_TRUE(engine_.CreateJob(TestJob("jobs/a")).ok());
  const auto early = engine_.PlanRound("jobs/a", TestReport(1), {});
  EXPECT_EQ(early.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(early.status().message(), HasSubstr("report.round is 1; round 0 of jobs/a has no plan yet"));
  ASSERT_TRUE(engine_.PlanRound("jobs/a", TestReport(0), {}).ok());
  EXPECT_TRUE(engine_.PlanRound("jobs/a", TestReport(1), {}).ok());
}

TEST_F(JobEngineTest, ThePlanInForceStaysWithinTheChurnThreshold) {
  v1::Job job = TestJob("jobs/a");
  job.mutable_options()->set_churn_threshold(10);
  ASSERT_TRUE(engine_.CreateJob(job).ok());
  const auto first = engine_.PlanRound("jobs/a", TestReport(0), {});
  v1::ImportanceReport report = TestReport(1);
  report.set_importance(3, 6);  // Alone worth 6, more than the 5 of the plan in force.
  const auto second = engine_.PlanRound("jobs/a", report, {});
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(second->trainable(), first->trainable());
  EXPECT_EQ(second->digest(), first->digest());
}

TEST_F(JobEngineTest, ACancelledRoundIsNotKept) {
  ASSERT_TRUE(engine_.CreateJob(TestJob("jobs/a")).ok());
  const auto plan = engine_.PlanRound("jobs/a", TestReport(0), {.cancelled = [] { return true; }});
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kCancelled) << plan.status();
  EXPECT_EQ(engine_.GetPlan("jobs/a/plans/0").status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(engine_.PlanRound("jobs/a", TestReport(0), {}).ok());
}

// A chain long and irregular enough that its search asks for a stop many times.
v1::Job LongJob(const std::string& name) {
  constexpr int kLength = 3000;
  v1::Job job = TestJob(name);
  job.mutable_profile()->clear_ops();
  job.mutable_profile()->clear_tensors();
  for (int i = 0; i < kLength; ++i) {
    v1::Op* op = job.mutable_profile()->add_ops();
    op->set_cost(1000 + i * 7919 % 1013);
    if (i + 1 < kLength) op->add_inputs()->set_op(i + 1);
    v1::Tensor* tensor = job.mutable_profile()->add_tensors();
    tensor->set_name(std::to_string(i));
    tensor->set_op(kLength - 1 - i);
    tensor->set_weight_grad_cost(1000 + i * 104729 % 1009);
  }
  return job;
}

v1::ImportanceReport LongReport(const v1::Job& job) {
  v1::ImportanceReport report;
  report.set_profile_digest(job.profile_digest());
  for (const v1::Tensor& tensor : job.profile().tensors()) report.add_importance(tensor.weight_grad_cost() + 1e-3);
  return report;
}

// The limits of a caller with 20 ms left, on a clock that moves on by 1 ms whenever it is asked.
CallLimits InAHurry() {
  return {.deadline = absl::Milliseconds(20),
          .clock = [now = absl::ZeroDuration()]() mutable { return now += absl::Milliseconds(1); }};
}

TEST_F(JobEngineTest, ARoundThatADeadlineCutsShortStaysOpen) {
  const auto job = engine_.CreateJob(LongJob("jobs/a"));
  ASSERT_TRUE(job.ok()) << job.status();
  const v1::ImportanceReport report = LongReport(*job);
  const auto cut_short = engine_.PlanRound("jobs/a", report, InAHurry());
  EXPECT_EQ(cut_short.status().code(), absl::StatusCode::kDeadlineExceeded) << cut_short.status();
  EXPECT_EQ(engine_.GetPlan("jobs/a/plans/0").status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(store_->ListReports("jobs/a", 0)->empty());
  v1::ImportanceReport other = report;
  other.set_epoch(1);
  const auto plan = engine_.PlanRound("jobs/a", other, {});
  EXPECT_TRUE(plan.ok()) << plan.status();
}

TEST_F(JobEngineTest, ATimeLimitBoundsTheRoundAndItsPlanIsKept) {
  v1::Job request = LongJob("jobs/a");
  request.mutable_options()->mutable_time_limit()->set_nanos(2'000'000);
  const auto job = engine_.CreateJob(request);
  ASSERT_TRUE(job.ok()) << job.status();
  const auto plan = engine_.PlanRound("jobs/a", LongReport(*job), InAHurry());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->status(), v1::PLAN_STATUS_FEASIBLE);
  EXPECT_EQ(engine_.GetPlan("jobs/a/plans/0")->SerializeAsString(), plan->SerializeAsString());
}

TEST_F(JobEngineTest, SolveAnswersTheBestPlanFoundBeforeTheDeadline) {
  const v1::Job job = NewJob(LongJob("jobs/a"), absl::UnixEpoch());
  v1::SolveRequest request;
  *request.mutable_profile() = job.profile();
  *request.mutable_importance() = LongReport(job);
  *request.mutable_options() = job.options();
  const auto plan = engine_.Solve(request, InAHurry());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->status(), v1::PLAN_STATUS_FEASIBLE);
  EXPECT_LE(plan->predicted_cost(), plan->budget());
}

TEST_F(JobEngineTest, SolveNamesThePartOfTheRequestThatIsWrong) {
  v1::SolveRequest request;
  *request.mutable_profile() = TestProfile();
  *request.mutable_options() = TestJob("jobs/a").options();
  EXPECT_EQ(FieldOf(engine_.Solve(request, {}).status()), "importance");
  *request.mutable_importance() = TestReport(0);
  request.mutable_previous_plan()->set_trainable("");
  EXPECT_EQ(FieldOf(engine_.Solve(request, {}).status()), "previous_plan.trainable");
  request.clear_previous_plan();
  for (const v1::Tensor& tensor : request.profile().tensors()) request.mutable_options()->add_always(tensor.name());
  EXPECT_EQ(FieldOf(engine_.Solve(request, {}).status()), "always");
}

TEST_F(JobEngineTest, CallsThatRaceForARoundGetOnePlan) {
  ASSERT_TRUE(engine_.CreateJob(TestJob("jobs/a")).ok());
  absl::Mutex mutex;
  std::vector<std::string> plans;
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&, i] {
      v1::ImportanceReport report = TestReport(0);
      report.set_epoch(i % 2);
      const auto plan = engine_.PlanRound("jobs/a", report, {});
      if (!plan.ok()) {
        EXPECT_EQ(plan.status().code(), absl::StatusCode::kAlreadyExists) << plan.status();
        return;
      }
      absl::MutexLock lock(&mutex);
      plans.push_back(plan->SerializeAsString());
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(plans.size(), 4u) << "all that sent the report that won, and no other";
  for (const std::string& plan : plans) EXPECT_EQ(plan, plans[0]);
}

TEST_F(JobEngineTest, SolveKeepsNothingAndNeedsNoDigest) {
  v1::SolveRequest request;
  *request.mutable_profile() = TestProfile();
  *request.mutable_importance() = TestReport(0);
  request.mutable_importance()->clear_profile_digest();
  *request.mutable_options() = TestJob("jobs/a").options();
  const auto plan = engine_.Solve(request, {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->trainable(), kTestPlanTrainable);
  EXPECT_EQ(plan->name(), "");
  EXPECT_TRUE(store_->ListJobs("", 1)->empty());
  EXPECT_EQ(engine_.Solve(request, {.cancelled = [] { return true; }}).status().code(), absl::StatusCode::kCancelled);

  request.clear_profile();
  EXPECT_EQ(engine_.Solve(request, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

// A store whose medium has gone away.
class BrokenStore : public Store {
 public:
  explicit BrokenStore(absl::Status error) : error_(error) {}
  absl::Status PutJob(const v1::Job&) override { return error_; }
  absl::StatusOr<v1::Job> GetJob(const std::string&) override { return error_; }
  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::string&, int) override { return error_; }
  absl::Status PutRound(const std::string&, const std::vector<v1::ImportanceReport>&, const v1::Plan&) override {
    return error_;
  }
  absl::StatusOr<v1::Plan> GetPlan(const std::string&, int64_t) override { return error_; }
  absl::StatusOr<std::vector<v1::Plan>> ListPlans(const std::string&, int64_t, int) override { return error_; }
  absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(const std::string&, int64_t) override { return error_; }

 private:
  const absl::Status error_;
};

TEST(JobEngineStoreErrorTest, TheCallerLearnsThatTheStoreFailedAndTheLogWhere) {
  const struct {
    absl::Status error;
    absl::StatusCode answer;
  } cases[] = {
      {absl::UnavailableError("/secret/path is in use"), absl::StatusCode::kUnavailable},
      {absl::ResourceExhaustedError("/secret/path cannot grow"), absl::StatusCode::kUnavailable},
      {absl::DataLossError("/secret/path is damaged"), absl::StatusCode::kInternal},
      {absl::InternalError("/secret/path failed"), absl::StatusCode::kInternal},
  };
  for (const auto& c : cases) {
    BrokenStore store(c.error);
    std::vector<absl::Status> log;
    JobEngine engine(&store, {.on_store_error = [&](const absl::Status& status) { log.push_back(status); }});
    const absl::Status answers[] = {
        engine.CreateJob(TestJob("jobs/a")).status(),
        engine.GetJob("jobs/a").status(),
        engine.PlanRound("jobs/a", TestReport(0), {}).status(),
        engine.GetPlan("jobs/a/plans/0").status(),
    };
    for (const absl::Status& answer : answers) {
      EXPECT_EQ(answer.code(), c.answer) << answer;
      EXPECT_THAT(answer.message(), Not(HasSubstr("/secret/path")));
    }
    EXPECT_EQ(log, std::vector<absl::Status>(std::size(answers), c.error));
  }
}

}  // namespace
}  // namespace greenplan
