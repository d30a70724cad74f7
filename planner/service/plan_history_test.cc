#include "planner/service/plan_history.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/test_jobs.h"
#include "planner/service/test_rounds.h"
#include "planner/store/memory/memory_store.h"
#include "planner/store/testing/broken_store.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

v1::GetPlanRequest ByName(const std::string& name) {
  v1::GetPlanRequest request;
  request.set_name(name);
  return request;
}

template <typename Request>
Request PageOf(const std::string& parent, int page_size, const std::string& page_token) {
  Request request;
  request.set_parent(parent);
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  return request;
}
v1::ListPlansRequest PlansOf(const std::string& parent, int page_size = 0, const std::string& page_token = "") {
  return PageOf<v1::ListPlansRequest>(parent, page_size, page_token);
}
v1::ListOutcomesRequest OutcomesOf(const std::string& parent, int page_size = 0, const std::string& page_token = "") {
  return PageOf<v1::ListOutcomesRequest>(parent, page_size, page_token);
}

v1::ReportOutcomeRequest Report(const std::string& job, const v1::Outcome& outcome) {
  v1::ReportOutcomeRequest request;
  request.set_job(job);
  *request.mutable_outcome() = outcome;
  return request;
}

v1::Outcome OutcomeOf(int64_t round, int32_t rank) {
  v1::Outcome outcome = TestOutcome(round);
  outcome.set_rank(rank);
  return outcome;
}

class PlanHistoryTest : public ::testing::Test {
 protected:
  PlanHistoryTest()
      : store_(NewMemoryStore()),
        jobs_(store_.get(), {}),
        history_(
            store_.get(), &jobs_,
            {.observer = {.on_outcome = [this](const std::string& tenant, const v1::Job& job, const v1::Plan& plan,
                                               const v1::Outcome& outcome) {
               observed_.push_back(absl::StrCat(tenant, "/", job.name(), " ", plan.name(), " rank ", outcome.rank()));
             }}}) {
    v1::Job job = TestJob("jobs/a");
    job.set_world_size(2);
    CreateTestJob(jobs_, "", job);
  }

  v1::Plan PlanRound(int64_t round) { return PlanTestRound(*store_, jobs_, {"", "jobs/a"}, {TestReport(round)}); }

  const std::unique_ptr<Store> store_;
  JobDirectory jobs_;
  std::vector<std::string> observed_;  // Outcomes that the observer was told of.
  PlanHistory history_;
};

TEST_F(PlanHistoryTest, APlanIsAnsweredAsItWasMade) {
  const v1::Plan plan = PlanRound(0);
  const auto kept = history_.GetPlan("", ByName("jobs/a/plans/0"));
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->SerializeAsString(), plan.SerializeAsString());
  EXPECT_EQ(kept->trainable(), kTestPlanTrainable);
  EXPECT_EQ(history_.GetPlan("", ByName("jobs/a/plans/1")).status(),
            absl::NotFoundError("jobs/a/plans/1 does not exist"));
  EXPECT_EQ(history_.GetPlan("", ByName("jobs/b/plans/0")).status(), absl::NotFoundError("jobs/b does not exist"));
  EXPECT_EQ(history_.GetPlan("other", ByName("jobs/a/plans/0")).status(), absl::NotFoundError("jobs/a does not exist"));
  EXPECT_EQ(FieldOf(history_.GetPlan("", ByName("jobs/a")).status()), "name");
}

TEST_F(PlanHistoryTest, PlansAreListedByRoundAndByPages) {
  std::vector<std::string> plans;
  for (int round = 0; round < 5; ++round) plans.push_back(PlanRound(round).SerializeAsString());
  std::vector<std::string> listed;
  std::string token;
  int num_pages = 0;
  do {
    const auto page = history_.ListPlans("", PlansOf("jobs/a", 2, token));
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Plan& plan : page->plans()) listed.push_back(plan.SerializeAsString());
    token = page->next_page_token();
    ++num_pages;
  } while (!token.empty());
  EXPECT_EQ(listed, plans);
  EXPECT_EQ(num_pages, 3);
  EXPECT_EQ(history_.ListPlans("", PlansOf("jobs/a"))->plans_size(), 5);
}

TEST_F(PlanHistoryTest, AListRefusesWhatIsNotItsOwn) {
  PlanRound(0);
  PlanRound(1);
  CreateTestJob(jobs_, "", TestJob("jobs/b"));
  const std::string token = history_.ListPlans("", PlansOf("jobs/a", 1))->next_page_token();
  ASSERT_NE(token, "");
  for (const absl::Status& status : {history_.ListPlans("", PlansOf("jobs/b", 1, token)).status(),
                                     history_.ListOutcomes("", OutcomesOf("jobs/a", 1, token)).status(),
                                     history_.ListPlans("", PlansOf("jobs/a", 1, "next")).status(),
                                     history_.ListOutcomes("", OutcomesOf("jobs/a", 1, "next")).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(FieldOf(status), "page_token");
  }
  EXPECT_EQ(FieldOf(history_.ListPlans("", PlansOf("jobs/a", -1)).status()), "page_size");
  EXPECT_EQ(FieldOf(history_.ListOutcomes("", OutcomesOf("jobs/a", -1)).status()), "page_size");
  EXPECT_EQ(FieldOf(history_.ListPlans("", PlansOf("a")).status()), "parent");
  EXPECT_EQ(FieldOf(history_.ListOutcomes("", OutcomesOf("a")).status()), "parent");
  const absl::Status not_found = absl::NotFoundError("jobs/a does not exist");
  EXPECT_EQ(history_.ListPlans("other", PlansOf("jobs/a")).status(), not_found);
  EXPECT_EQ(history_.ListOutcomes("other", OutcomesOf("jobs/a")).status(), not_found);
}

TEST_F(PlanHistoryTest, OutcomesAreListedByRoundThenRankAndByPages) {
  PlanRound(0);
  PlanRound(1);
  std::vector<std::string> expected;
  for (const auto& [round, rank] : {std::pair(0, 0), {0, 1}, {1, 0}, {1, 1}}) {
    expected.push_back(OutcomeOf(round, rank).SerializeAsString());
  }
  for (const auto& [round, rank] : {std::pair(1, 1), {0, 1}, {1, 0}, {0, 0}}) {
    EXPECT_EQ(history_.ReportOutcome("", Report("jobs/a", OutcomeOf(round, rank))), absl::OkStatus());
  }
  for (const int page_size : {1, 2, 3, 4, 5}) {
    std::vector<std::string> listed;
    std::string token;
    do {
      const auto page = history_.ListOutcomes("", OutcomesOf("jobs/a", page_size, token));
      ASSERT_TRUE(page.ok()) << page.status();
      EXPECT_LE(page->outcomes_size(), page_size);
      for (const v1::Outcome& outcome : page->outcomes()) listed.push_back(outcome.SerializeAsString());
      token = page->next_page_token();
    } while (!token.empty());
    EXPECT_EQ(listed, expected);
  }
}

TEST_F(PlanHistoryTest, ARankHasOneOutcomePerRound) {
  PlanRound(0);
  const v1::Outcome outcome = OutcomeOf(0, 1);
  EXPECT_EQ(history_.ReportOutcome("", Report("jobs/a", outcome)), absl::OkStatus());
  EXPECT_EQ(history_.ReportOutcome("", Report("jobs/a", outcome)), absl::OkStatus()) << "the same again";
  v1::Outcome other = outcome;
  other.set_train_loss(2);
  const absl::Status taken = history_.ReportOutcome("", Report("jobs/a", other));
  EXPECT_EQ(taken.code(), absl::StatusCode::kAlreadyExists) << taken;
  EXPECT_THAT(taken.message(), HasSubstr("rank 1 of jobs/a has reported another outcome for round 0"));
  EXPECT_THAT(observed_, ElementsAre("/jobs/a jobs/a/plans/0 rank 1"));
  const auto kept = history_.ListOutcomes("", OutcomesOf("jobs/a"));
  ASSERT_EQ(kept->outcomes_size(), 1);
  EXPECT_EQ(kept->outcomes(0).SerializeAsString(), outcome.SerializeAsString());
}

TEST_F(PlanHistoryTest, AnOutcomeIsCheckedBeforeItIsKept) {
  PlanRound(0);
  v1::Outcome outcome = OutcomeOf(0, 2);
  EXPECT_EQ(FieldOf(history_.ReportOutcome("", Report("jobs/a", outcome))), "outcome.rank");
  outcome = OutcomeOf(0, 0);
  outcome.set_energy_joules(-1);
  EXPECT_EQ(FieldOf(history_.ReportOutcome("", Report("jobs/a", outcome))), "outcome.energy_joules");
  const absl::Status unplanned = history_.ReportOutcome("", Report("jobs/a", OutcomeOf(1, 0)));
  EXPECT_EQ(unplanned.code(), absl::StatusCode::kFailedPrecondition) << unplanned;
  EXPECT_THAT(unplanned.message(), HasSubstr("outcome.round is 1; that round of jobs/a has no plan"));
  EXPECT_EQ(FieldOf(unplanned), "outcome.round");
  EXPECT_EQ(history_.ReportOutcome("", Report("jobs/b", OutcomeOf(0, 0))),
            absl::NotFoundError("jobs/b does not exist"));
  EXPECT_EQ(history_.ReportOutcome("other", Report("jobs/a", OutcomeOf(0, 0))),
            absl::NotFoundError("jobs/a does not exist"));
  EXPECT_EQ(FieldOf(history_.ReportOutcome("", Report("a", OutcomeOf(0, 0)))), "job");
  EXPECT_EQ(history_.ListOutcomes("", OutcomesOf("jobs/a"))->outcomes_size(), 0);
}

TEST(PlanHistoryStoreErrorTest, NoCallTellsTheClientWhereTheStoreFailed) {
  const std::unique_ptr<Store> memory = NewMemoryStore();
  JobDirectory jobs(memory.get(), {});
  CreateTestJob(jobs, "", TestJob("jobs/a"));
  BrokenStore broken(absl::DataLossError("/secret/path is damaged"));
  std::vector<absl::Status> log;
  PlanHistory history(&broken, &jobs, {.on_store_error = [&](const absl::Status& status) { log.push_back(status); }});
  const absl::Status answers[] = {
      history.GetPlan("", ByName("jobs/a/plans/0")).status(),
      history.ListPlans("", PlansOf("jobs/a")).status(),
      history.ReportOutcome("", Report("jobs/a", TestOutcome(0))),
      history.ListOutcomes("", OutcomesOf("jobs/a")).status(),
  };
  for (const absl::Status& answer : answers) {
    EXPECT_EQ(answer.code(), absl::StatusCode::kInternal) << answer;
    EXPECT_THAT(answer.message(), Not(HasSubstr("/secret/path")));
  }
  EXPECT_EQ(log.size(), std::size(answers));
}

}  // namespace
}  // namespace greenplan
