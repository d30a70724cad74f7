#include "planner/job/prepared_job.h"

#include <cmath>
#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/test_jobs.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::shared_ptr<const PreparedJob> PrepareTestJob() {
  auto job = PreparedJob::Create(NewJob(TestJob("jobs/a"), absl::UnixEpoch()));
  EXPECT_TRUE(job.ok()) << job.status();
  return *job;
}

TEST(JobTest, NewJobSetsEveryOutputOnlyField) {
  v1::Job request = TestJob("jobs/a");
  request.set_profile_revision(17);
  request.set_profile_digest("made up");
  const v1::Job job = NewJob(request, absl::FromUnixSeconds(1'000'000));
  EXPECT_EQ(job.profile_revision(), 1);
  EXPECT_EQ(job.profile_digest(), TestReport(0).profile_digest());
  EXPECT_EQ(job.create_time().seconds(), 1'000'000);
}

TEST(JobTest, ContentIsTheSameWhateverOutputOnlyFieldsSay) {
  const v1::Job request = TestJob("jobs/a");
  EXPECT_TRUE(SameContent(request, NewJob(request, absl::UnixEpoch())));
  v1::Job other = request;
  other.mutable_options()->set_seed(1);
  EXPECT_FALSE(SameContent(request, other));
  other = request;
  other.mutable_profile()->mutable_tensors(2)->set_weight_grad_cost(99);
  EXPECT_FALSE(SameContent(request, other));
}

TEST(JobTest, TheNextRevisionTakesWhatTheRequestHas) {
  const v1::Job job = NewJob(TestJob("jobs/a"), absl::UnixEpoch());
  v1::Job request;
  request.mutable_options()->set_method(v1::METHOD_FULL);
  request.mutable_quorum_timeout()->set_seconds(3);
  const auto next = NextRevision(job, request, absl::FromUnixSeconds(5));
  ASSERT_TRUE(next.ok() && next->has_value()) << next.status();
  EXPECT_EQ((*next)->profile_revision(), 2);
  EXPECT_EQ((*next)->options().method(), v1::METHOD_FULL);
  EXPECT_FALSE((*next)->options().has_budget());
  EXPECT_EQ((*next)->quorum_timeout().seconds(), 3);
  EXPECT_EQ((*next)->profile_digest(), job.profile_digest());
  EXPECT_EQ((*next)->world_size(), 1);
  EXPECT_EQ((*next)->create_time().seconds(), 0);
  EXPECT_EQ((*next)->update_time().seconds(), 5);

  request.Clear();
  *request.mutable_profile() = job.profile();
  request.mutable_profile()->mutable_tensors(0)->set_weight_grad_cost(9);
  EXPECT_NE((*NextRevision(job, request, absl::UnixEpoch()))->profile_digest(), job.profile_digest());
}

TEST(JobTest, AnUpdateThatChangesNothingIsNoRevisionAndAnEmptyOneIsRefused) {
  const v1::Job job = NewJob(TestJob("jobs/a"), absl::UnixEpoch());
  EXPECT_FALSE(NextRevision(job, job, absl::Now())->has_value());
  v1::Job request;
  EXPECT_EQ(FieldOf(NextRevision(job, request, absl::Now()).status()), "job");
  request = job;
  request.set_world_size(2);
  EXPECT_EQ(FieldOf(NextRevision(job, request, absl::Now()).status()), "job.world_size");
}

TEST(JobTest, ReportsAreComparedBitForBit) {
  v1::ImportanceReport a = TestReport(0);
  a.set_importance(0, 0.0);
  v1::ImportanceReport b = a;
  EXPECT_TRUE(SameReport(a, b));
  b.set_importance(0, -0.0);
  EXPECT_FALSE(SameReport(a, b));
}

TEST(PreparedJobTest, PlansTheBestMaskUnderTheRoundsName) {
  const v1::ImportanceReport report = TestReport(3);
  const auto job = PrepareTestJob();
  const auto measurements = job->ReadReport(report);
  ASSERT_TRUE(measurements.ok()) << measurements.status();
  const auto plan = job->PlanRound(report.round(), *measurements, nullptr, {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->name(), "jobs/a/plans/3");
  EXPECT_EQ(plan->round(), 3);
  EXPECT_EQ(plan->trainable(), kTestPlanTrainable);
  EXPECT_EQ(plan->value(), 5);
  EXPECT_EQ(plan->predicted_cost(), 14);
  EXPECT_EQ(plan->profile_revision(), 1);
  EXPECT_EQ(plan->digest().size(), 64u);
}

TEST(PreparedJobTest, MalformedJobsAreRefusedNamingTheField) {
  struct Case {
    void (*spoil)(v1::Job&);
    absl::StatusCode code;
    std::string message;
  };
  const Case cases[] = {
      {[](v1::Job& job) { job.set_name("a"); }, absl::StatusCode::kInvalidArgument, "job.name is \"a\""},
      {[](v1::Job& job) { job.set_world_size(0); }, absl::StatusCode::kInvalidArgument, "job.world_size is 0"},
      {[](v1::Job& job) { job.mutable_quorum_timeout(); }, absl::StatusCode::kInvalidArgument,
       "job.quorum_timeout is 0"},
      {[](v1::Job& job) { job.mutable_quorum_timeout()->set_seconds(-1); }, absl::StatusCode::kInvalidArgument,
       "job.quorum_timeout is -1 s"},
      {[](v1::Job& job) { job.set_world_size(1000); }, absl::StatusCode::kOk, ""},
      {[](v1::Job& job) { job.clear_profile(); }, absl::StatusCode::kInvalidArgument, "job.profile is missing"},
      {[](v1::Job& job) { job.mutable_profile()->clear_cost_unit(); }, absl::StatusCode::kInvalidArgument,
       "job.profile.cost_unit is missing"},
      {[](v1::Job& job) { job.mutable_profile()->mutable_ops(1)->set_cost(-1); }, absl::StatusCode::kInvalidArgument,
       "job.profile.ops[1].cost is -1"},
      {[](v1::Job& job) { job.mutable_options()->mutable_budget()->set_fraction_of_full(1.0000001); },
       absl::StatusCode::kInvalidArgument, "job.options.budget.fraction_of_full is 1.0000001;"},
      {[](v1::Job& job) { job.mutable_profile()->mutable_tensors(1)->set_weight_grad_cost(-3); },
       absl::StatusCode::kInvalidArgument, "job.profile.tensors[1].weight_grad_cost is -3"},
      {[](v1::Job& job) { job.clear_options(); }, absl::StatusCode::kOk, ""},
      {[](v1::Job& job) { job.mutable_options()->mutable_budget()->set_fraction_of_full(std::nan("")); },
       absl::StatusCode::kInvalidArgument, "fraction_of_full is nan"},
      {[](v1::Job& job) { job.mutable_options()->add_always("nobody"); }, absl::StatusCode::kInvalidArgument,
       "job.options.always[0] is \"nobody\""},
  };
  for (const Case& c : cases) {
    v1::Job job = TestJob("jobs/a");
    c.spoil(job);
    const absl::Status status = PreparedJob::Create(NewJob(job, absl::UnixEpoch())).status();
    EXPECT_EQ(status.code(), c.code) << status;
    EXPECT_THAT(status.message(), HasSubstr(c.message));
    EXPECT_THAT(std::string(status.message()), StartsWith(FieldOf(status)));
    EXPECT_EQ(FieldOf(status).empty(), status.ok());
  }
}

TEST(PreparedJobTest, MalformedReportsAreRefusedNamingTheField) {
  struct Case {
    void (*spoil)(v1::ImportanceReport&);
    absl::StatusCode code;
    std::string message;
  };
  const Case cases[] = {
      {[](auto& report) { report.set_round(-1); }, absl::StatusCode::kInvalidArgument, "report.round is -1"},
      {[](auto& report) { report.set_rank(1); }, absl::StatusCode::kInvalidArgument, "report.rank is 1"},
      {[](auto& report) { report.set_rank(-1); }, absl::StatusCode::kInvalidArgument, "report.rank is -1"},
      {[](auto& report) { report.clear_profile_digest(); }, absl::StatusCode::kInvalidArgument,
       "report.profile_digest is empty"},
      {[](auto& report) { report.set_profile_digest(std::string(64, '0')); }, absl::StatusCode::kFailedPrecondition,
       "report.profile_digest"},
      {[](auto& report) { report.add_importance(1); }, absl::StatusCode::kInvalidArgument,
       "report.importance has 5 entries"},
      {[](auto& report) { report.set_importance(2, INFINITY); }, absl::StatusCode::kInvalidArgument,
       "report.importance[2] is inf"},
      {[](auto& report) { report.set_sample_count(-1); }, absl::StatusCode::kInvalidArgument,
       "report.sample_count is -1"},
      {[](auto& report) {
         for (int k = 0; k < 2; ++k) report.set_importance(k, 1.7e308);
       },
       absl::StatusCode::kInvalidArgument, "report.importance: the sum of |importance| overflows"},
      {[](auto& report) { report.add_unmeasured(4); }, absl::StatusCode::kInvalidArgument, "report.unmeasured[0] is 4"},
  };
  const auto job = PrepareTestJob();
  for (const Case& c : cases) {
    v1::ImportanceReport report = TestReport(0);
    c.spoil(report);
    const absl::Status status = job->ReadReport(report).status();
    EXPECT_EQ(status.code(), c.code) << status;
    EXPECT_THAT(status.message(), HasSubstr(c.message));
    EXPECT_THAT(std::string(status.message()), StartsWith(FieldOf(status)));
    EXPECT_NE(FieldOf(status), "");
  }
}

TEST(PreparedJobTest, ADeadlineThatHasPassedIsExceeded) {
  const auto job = PrepareTestJob();
  const auto measurements = job->ReadReport(TestReport(0));
  ASSERT_TRUE(measurements.ok()) << measurements.status();
  const auto plan = job->PlanRound(0, *measurements, nullptr, {.deadline = -absl::InfiniteDuration()});
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kDeadlineExceeded) << plan.status();
}

TEST(PreparedJobTest, APreviousPlanOfAnotherProfileIsRefusedByName) {
  const auto job = PrepareTestJob();
  const auto measurements = job->ReadReport(TestReport(1));
  ASSERT_TRUE(measurements.ok()) << measurements.status();
  v1::Plan previous;
  previous.set_trainable("\x01\x02");
  const absl::Status status = job->PlanRound(1, *measurements, &previous, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("previous_plan.trainable has 2 bytes"));
  EXPECT_EQ(FieldOf(status), "previous_plan.trainable");
}

TEST(PreparedJobTest, AnAverageWhoseSumsOverflowIsRefused) {
  const auto job = PrepareTestJob();
  EXPECT_TRUE(job->ValidateAverage({.importance = {1, 2, 3, 4}}).ok());
  EXPECT_EQ(job->ValidateAverage({.importance = {1e308, 1e308, 0, 0}}).code(), absl::StatusCode::kInvalidArgument);
}

TEST(PreparedJobTest, APlanOfAnEarlierProfileIsNotInForce) {
  const auto job = PrepareTestJob();
  const auto measurements = job->ReadReport(TestReport(1));
  v1::Plan previous;
  previous.set_trainable("\x01\x02");
  previous.set_profile_digest(std::string(64, '0'));
  EXPECT_TRUE(job->PlanRound(1, *measurements, &previous, {}).ok());
}

TEST(PreparedJobTest, TheNextPlanningIsExpectedToTakeWhatLongOnesHaveTakenLately) {
  const auto job = PrepareTestJob();
  EXPECT_EQ(job->ExpectedPlanning(), absl::InfiniteDuration());
  job->RecordPlanning(absl::Milliseconds(8));
  EXPECT_EQ(job->ExpectedPlanning(), absl::Milliseconds(8));
  job->RecordPlanning(absl::Milliseconds(1));
  EXPECT_EQ(job->ExpectedPlanning(), absl::Milliseconds(7));
  job->RecordPlanning(absl::Seconds(1));
  EXPECT_EQ(job->ExpectedPlanning(), absl::Seconds(1));
}

TEST(PreparedJobTest, TheQuorumTimeoutIsTheJobsOrTheDaemons) {
  EXPECT_EQ(PrepareTestJob()->QuorumTimeout(absl::Seconds(7)), absl::Seconds(7));
  v1::Job request = TestJob("jobs/a");
  request.mutable_quorum_timeout()->set_nanos(500'000'000);
  const auto job = PreparedJob::Create(NewJob(request, absl::UnixEpoch()));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ((*job)->QuorumTimeout(absl::Seconds(7)), absl::Milliseconds(500));
}

TEST(PreparedJobTest, PinsAboveTheBudgetNameTheirField) {
  v1::Job request = TestJob("jobs/a");
  for (const v1::Tensor& tensor : request.profile().tensors()) request.mutable_options()->add_always(tensor.name());
  for (const v1::Method method : {v1::METHOD_SELECTION, v1::METHOD_JOINT}) {
    request.mutable_options()->set_method(method);
    const auto job = PreparedJob::Create(NewJob(request, absl::UnixEpoch()));
    ASSERT_TRUE(job.ok()) << job.status();
    const absl::Status status = (*job)->PlanRound(0, *(*job)->ReadReport(TestReport(0)), nullptr, {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(FieldOf(status), "job.options.always") << status;
    EXPECT_EQ((*job)->CheckOptions(), status) << "it can be known before anything is measured";
  }
  EXPECT_EQ(PrepareTestJob()->CheckOptions(), absl::OkStatus());
}

}  // namespace
}  // namespace greenplan
