#include "planner/service/what_if.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/test_jobs.h"
#include "planner/service/solve.h"
#include "planner/service/test_rounds.h"
#include "planner/store/memory/memory_store.h"
#include "planner/store/testing/broken_store.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// For these shares of backward.
v1::WhatIfRequest AboutJob(const std::string& name, const std::vector<double>& budgets = {0.5, 1}) {
  v1::WhatIfRequest request;
  request.set_job(name);
  for (const double budget : budgets) request.add_budgets()->set_fraction_of_backward(budget);
  return request;
}

v1::WhatIfRequest Inline() {
  v1::WhatIfRequest request = AboutJob("");
  *request.mutable_profile() = TestProfile();
  *request.mutable_importance() = TestReport(0);
  return request;
}

class WhatIfTest : public ::testing::Test {
 protected:
  WhatIfTest() : store_(NewMemoryStore()), jobs_(store_.get(), {}), what_if_(store_.get(), &jobs_, nullptr) {}

  absl::StatusOr<v1::WhatIfResponse> Ask(const v1::WhatIfRequest& request, const std::string& tenant = "") {
    return what_if_.Answer(tenant, request, {});
  }

  void Create(int world_size = 1) {
    v1::Job job = TestJob("jobs/a");
    job.set_world_size(world_size);
    CreateTestJob(jobs_, "", job);
  }

  v1::Plan PlanRound(const std::vector<v1::ImportanceReport>& reports) {
    return PlanTestRound(*store_, jobs_, {"", "jobs/a"}, reports);
  }

  absl::StatusOr<v1::Job> Update(const v1::Job& change) {
    v1::UpdateJobRequest request;
    *request.mutable_job() = change;
    request.mutable_job()->set_name("jobs/a");
    request.mutable_job()->clear_world_size();
    return jobs_.UpdateJob("", request);
  }

  const std::unique_ptr<Store> store_;
  JobDirectory jobs_;
  WhatIf what_if_;
};

TEST_F(WhatIfTest, PlansEveryBudgetFromInlineData) {
  const auto response = Ask(Inline());
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->plans_size(), 2);
  EXPECT_EQ(response->plans(0).trainable(), kTestPlanTrainable);
  EXPECT_EQ(response->plans(0).name(), "");
  EXPECT_EQ(response->plans(1).value(), 10);
  EXPECT_FALSE(response->has_importance());
}

TEST_F(WhatIfTest, PlansWhatSolvePlans) {
  v1::WhatIfRequest request = Inline();
  request.mutable_options()->set_seed(3);
  request.mutable_options()->add_never("layer1");
  const auto curve = Ask(request);
  ASSERT_TRUE(curve.ok()) << curve.status();
  for (int i = 0; i < 2; ++i) {
    v1::SolveRequest alone;
    *alone.mutable_profile() = request.profile();
    *alone.mutable_importance() = request.importance();
    *alone.mutable_options() = request.options();
    *alone.mutable_options()->mutable_budget() = request.budgets(i);
    EXPECT_EQ(Solve(alone, {})->digest(), curve->plans(i).digest()) << i;
  }
}

TEST_F(WhatIfTest, PlansFromTheMeanThatTheLatestPlanRestsOn) {
  Create(/*world_size=*/3);
  PlanRound({TestReport(0)});
  v1::ImportanceReport first = TestReport(1), second = TestReport(1), late = TestReport(1);
  second.set_rank(2);
  for (int k = 0; k < 4; ++k) second.set_importance(k, 10 - first.importance(k));
  second.add_unmeasured(0);
  second.set_importance(0, 0);
  const v1::Plan plan = PlanRound({first, second});
  late.set_rank(1);
  late.set_importance(2, 1000);
  ASSERT_TRUE(store_->AddReport(jobs_.Find({"", "jobs/a"})->id, late, {.revision = 1}).ok());

  const auto response = Ask(AboutJob("jobs/a"));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->plans(0).digest(), plan.digest()) << "with the job's budget";
  EXPECT_EQ(response->plans(0).profile_revision(), 1);
  EXPECT_EQ(response->importance().round(), 1);
  EXPECT_EQ(response->importance().profile_digest(), first.profile_digest());
  EXPECT_THAT(response->importance().importance(), ElementsAre(1, 5, 5, 5));
  EXPECT_THAT(response->importance().unmeasured(), IsEmpty());

  v1::WhatIfRequest request = AboutJob("jobs/a");
  request.set_round(0);
  const auto earlier = Ask(request);
  ASSERT_TRUE(earlier.ok()) << earlier.status();
  EXPECT_THAT(earlier->importance().importance(), ElementsAre(1, 4, 1, 4));
}

TEST_F(WhatIfTest, TakesTheJobsOptionsWhereTheRequestHasNone) {
  Create();
  PlanRound({TestReport(0)});
  v1::Job change;
  *change.mutable_options() = TestJob("jobs/a").options();
  change.mutable_options()->add_never("layer1");
  ASSERT_TRUE(Update(change).ok());
  EXPECT_EQ(Ask(AboutJob("jobs/a", {1}))->plans(0).value(), 6) << "as they are now";
  v1::WhatIfRequest request = AboutJob("jobs/a", {1});
  request.mutable_options()->add_never("layer3");
  request.mutable_options()->add_never("layer1");
  EXPECT_EQ(Ask(request)->plans(0).value(), 2);
}

// The measurements say nothing about the new profile, so the curve is that of the old one.
TEST_F(WhatIfTest, AnotherProfileCountsOnceARoundIsPlannedWithIt) {
  Create();
  PlanRound({TestReport(0)});
  v1::Job change = TestJob("jobs/a");
  change.mutable_profile()->mutable_tensors(0)->set_name("renamed");
  change.mutable_options()->add_never("renamed");
  const auto updated = Update(change);
  ASSERT_TRUE(updated.ok()) << updated.status();
  const auto before = Ask(AboutJob("jobs/a", {1}));
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_EQ(before->plans(0).profile_revision(), 1);
  EXPECT_EQ(before->plans(0).value(), 10);

  v1::ImportanceReport report = TestReport(1);
  report.set_profile_digest(updated->profile_digest());
  PlanRound({report});
  const auto after = Ask(AboutJob("jobs/a", {1}));
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->plans(0).profile_revision(), 2);
  EXPECT_EQ(after->plans(0).value(), 9);
}

TEST_F(WhatIfTest, AJobWithoutAPlannedRoundHasNothingToGoBy) {
  Create(/*world_size=*/2);
  const auto code = [this](std::optional<int64_t> round) {
    v1::WhatIfRequest request = AboutJob("jobs/a");
    if (round.has_value()) request.set_round(*round);
    return Ask(request).status();
  };
  ASSERT_TRUE(store_->AddReport(jobs_.Find({"", "jobs/a"})->id, TestReport(0), {.revision = 1}).ok());
  EXPECT_EQ(code(std::nullopt), absl::FailedPreconditionError("no round of jobs/a is planned yet"));
  EXPECT_EQ(code(0), WithField(absl::FailedPreconditionError("round 0 of jobs/a has no plan"), "round"));
  EXPECT_EQ(FieldOf(code(-1)), "round");

  PlanRound({TestReport(0)});
  PlanRound({TestReport(1)});
  EXPECT_EQ(code(0), absl::OkStatus());
  ASSERT_TRUE(store_->DeleteReports(jobs_.Find({"", "jobs/a"})->id, 1).ok());
  EXPECT_EQ(code(0), absl::FailedPreconditionError("the reports for round 0 of jobs/a are kept no longer"));
  EXPECT_EQ(code(1), absl::OkStatus());
}

TEST_F(WhatIfTest, MethodsThatNeedImportanceAreRefusedWhereNoRankReportedAny) {
  v1::Job job = TestJob("jobs/a");
  job.mutable_options()->set_method(v1::METHOD_DROP);
  job.mutable_options()->mutable_budget()->set_fraction_of_backward(0.75);
  job.mutable_profile()->add_blocks()->set_name("block");
  job.mutable_profile()->mutable_ops(1)->set_block(0);
  const v1::Job created = CreateTestJob(jobs_, "", job);
  v1::ImportanceReport report = TestReport(0);
  report.set_profile_digest(created.profile_digest());
  report.clear_importance();
  report.add_sensitivity(2);
  const v1::Plan plan = PlanRound({report});

  const auto curve = Ask(AboutJob("jobs/a", {0.9, 0.75}));
  ASSERT_TRUE(curve.ok()) << curve.status();
  EXPECT_EQ(curve->plans(1).digest(), plan.digest());
  EXPECT_THAT(curve->importance().importance(), IsEmpty());
  EXPECT_THAT(curve->importance().unmeasured(), IsEmpty());
  EXPECT_THAT(curve->importance().sensitivity(), ElementsAre(2));
  v1::WhatIfRequest request = AboutJob("jobs/a");
  request.mutable_options()->set_method(v1::METHOD_SELECTION);
  const absl::Status status = Ask(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(status.message(), HasSubstr("no rank of jobs/a has reported importance for round 0"));
}

TEST_F(WhatIfTest, AnotherTenantsJobDoesNotExist) {
  Create();
  PlanRound({TestReport(0)});
  EXPECT_EQ(Ask(AboutJob("jobs/a"), "other").status(), absl::NotFoundError("jobs/a does not exist"));
}

TEST_F(WhatIfTest, EitherAJobOrInlineData) {
  Create();
  v1::WhatIfRequest request = Inline();
  request.set_job("jobs/a");
  EXPECT_EQ(FieldOf(Ask(request).status()), "job");
  request.clear_profile();
  EXPECT_EQ(FieldOf(Ask(request).status()), "job");
  EXPECT_EQ(FieldOf(Ask({}).status()), "job");
  request = Inline();
  request.set_round(0);
  EXPECT_EQ(FieldOf(Ask(request).status()), "round");
  EXPECT_EQ(FieldOf(Ask(AboutJob("a")).status()), "job");
}

TEST_F(WhatIfTest, NamesTheBudgetThatIsWrong) {
  Create();
  PlanRound({TestReport(0)});
  for (v1::WhatIfRequest request : {Inline(), AboutJob("jobs/a")}) {
    request.mutable_budgets(1)->set_fraction_of_backward(1.5);
    absl::Status status = Ask(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(FieldOf(status), "budgets[1].fraction_of_backward");
    EXPECT_THAT(status.message(), HasSubstr("budgets[1].fraction_of_backward is 1.5; allowed: "));
    request.mutable_budgets(1)->Clear();
    EXPECT_EQ(FieldOf(Ask(request).status()), "budgets[1]");
    request.mutable_budgets(0)->set_max_saved_bytes(-1);
    EXPECT_EQ(FieldOf(Ask(request).status()), "budgets[0].max_saved_bytes");
    request.clear_budgets();
    EXPECT_EQ(FieldOf(Ask(request).status()), "budgets");
    request.add_budgets()->set_mean_drop_rate(0.5);
    EXPECT_EQ(FieldOf(Ask(request).status()), "budgets[0].mean_drop_rate");
    request.mutable_budgets(0)->set_absolute(20);
    request.mutable_options()->set_method(v1::METHOD_FULL);
    EXPECT_EQ(FieldOf(Ask(request).status()), "budgets[0]");
  }
}

TEST_F(WhatIfTest, SaysHowManyBudgetsItTakes) {
  v1::WhatIfRequest request = Inline();
  for (int i = 0; i < 1'000'000; ++i) request.add_budgets()->set_absolute(20);
  const absl::Status status = Ask(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(FieldOf(status), "budgets");
  EXPECT_THAT(std::string(status.message()), ::testing::StartsWith("budgets has 1000002 entries; allowed: at most "));
}

TEST_F(WhatIfTest, NamesWhatElseIsWrong) {
  v1::WhatIfRequest request = Inline();
  request.mutable_options()->add_always("layer9");
  EXPECT_EQ(FieldOf(Ask(request).status()), "options.always[0]");
  request = Inline();
  request.mutable_profile()->mutable_ops(1)->set_cost(-1);
  EXPECT_EQ(FieldOf(Ask(request).status()), "profile.ops[1].cost");
  request.clear_profile();
  EXPECT_EQ(FieldOf(Ask(request).status()), "profile");
  request = Inline();
  request.mutable_importance()->add_importance(1);
  EXPECT_EQ(FieldOf(Ask(request).status()), "importance.importance");
  request = AboutJob("", {0.001});
  *request.mutable_profile() = TestProfile();
  *request.mutable_importance() = TestReport(0);
  request.mutable_options()->add_always("layer0");
  absl::Status status = Ask(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(FieldOf(status), "options.always");
  request.mutable_options()->set_method(v1::METHOD_DROP);
  request.mutable_options()->clear_always();
  status = Ask(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(FieldOf(status), "budgets");
  request = Inline();
  request.clear_importance();
  EXPECT_EQ(FieldOf(Ask(request).status()), "importance");
  request = Inline();
  request.mutable_importance()->set_profile_digest(std::string(64, '0'));
  EXPECT_EQ(Ask(request).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(WhatIfTest, AnswersTheBestPlansFoundBeforeTheDeadlineAndNobodyWhoHasGone) {
  v1::WhatIfRequest request = AboutJob("", {0.3, 0.6});
  *request.mutable_profile() = LongTestJob("").profile();
  *request.mutable_importance() = LongTestReport(0);
  const auto response = what_if_.Answer("", request, TestLimitsInAHurry());
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->plans(0).status(), v1::PLAN_STATUS_FEASIBLE);
  const CallLimits gone = {.cancelled = [] { return true; }};
  EXPECT_EQ(what_if_.Answer("", request, gone).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(WhatIfTest, DoesNotTellTheClientWhereTheStoreFailed) {
  Create();
  BrokenStore broken(absl::UnavailableError("/secret/path is in use"));
  std::vector<absl::Status> log;
  WhatIf what_if(&broken, &jobs_, [&](const absl::Status& status) { log.push_back(status); });
  const absl::Status status = what_if.Answer("", AboutJob("jobs/a"), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), ::testing::Not(HasSubstr("/secret/path")));
  EXPECT_EQ(log.size(), 1);
}

}  // namespace
}  // namespace greenplan
