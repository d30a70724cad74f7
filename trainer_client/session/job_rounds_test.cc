#include "trainer_client/session/job_rounds.h"

#include <deque>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Answers PlanRound with what the test queued (OK when nothing is), and notes what it was asked.
class FakeConnection : public Connection {
 public:
  absl::StatusOr<v1::Job> CreateJob(const v1::Job& job) override {
    created = job;
    v1::Job kept = job;
    kept.set_profile_digest("digest");
    return kept;
  }
  absl::StatusOr<v1::Plan> PlanRound(const std::string& job_name, const v1::ImportanceReport& report) override {
    rounds_asked.push_back(report.round());
    last_report = report;
    if (!failures.empty()) {
      absl::Status failure = failures.front();
      failures.pop_front();
      if (!failure.ok()) return failure;
    }
    v1::Plan plan;
    plan.set_round(report.round());
    plan.set_profile_digest(digest_of_plans);
    return plan;
  }
  absl::StatusOr<v1::Plan> GetPlan(const std::string&) override { return absl::NotFoundError("no plan"); }
  absl::Status ReportOutcome(const std::string& job_name, const v1::Outcome& outcome) override {
    EXPECT_EQ(job_name, "jobs/j");
    outcomes_sent.push_back(outcome.round());
    if (outcome_answers.empty()) return absl::OkStatus();
    absl::Status answer = outcome_answers.front();
    outcome_answers.pop_front();
    return answer;
  }

  absl::Status RestorePlan(const std::string& job_name, const v1::Plan& plan) override {
    EXPECT_EQ(job_name, "jobs/j");
    rounds_restored.push_back(plan.round());
    return absl::OkStatus();
  }

  std::string digest_of_plans = "digest";
  v1::Job created;
  v1::ImportanceReport last_report;
  std::vector<int64_t> rounds_asked;
  std::deque<absl::Status> failures;
  std::vector<int64_t> rounds_restored;
  std::vector<int64_t> outcomes_sent;  // By their rounds.
  std::deque<absl::Status> outcome_answers;
};

struct JobRoundsTest : ::testing::Test {
  JobRoundsTest() {
    v1::ModelProfile profile;
    profile.set_model("m");
    EXPECT_TRUE(rounds.CreateJob(profile, v1::PlanOptions()).ok());
  }

  // Plans the next round and applies the plan.
  absl::StatusOr<JobRounds::Answer> PlanAndApply() {
    if (!rounds.AsksPlanner()) return rounds.KeepPlan();
    absl::StatusOr<JobRounds::Answer> answer = rounds.PlanNextRound({});
    if (answer.ok()) rounds.TakeOver(*answer);
    return answer;
  }

  void AddOutcomes(std::vector<int64_t> of_rounds) {
    for (int64_t round : of_rounds) {
      v1::Outcome outcome;
      outcome.set_round(round);
      rounds.AddOutcome(outcome);
    }
  }

  std::shared_ptr<FakeConnection> connection = std::make_shared<FakeConnection>();
  JobRounds rounds{connection, "jobs/j"};
};

TEST_F(JobRoundsTest, CreatesTheJobForOneRankAndSendsItsDigest) {
  EXPECT_EQ(connection->created.name(), "jobs/j");
  EXPECT_EQ(connection->created.profile().model(), "m");
  EXPECT_EQ(connection->created.world_size(), 1);
  ASSERT_TRUE(rounds.PlanNextRound({}).ok());
  EXPECT_EQ(connection->last_report.profile_digest(), "digest");
}

TEST_F(JobRoundsTest, NumbersRoundsFromZero) {
  for (int round = 0; round < 3; ++round) {
    auto answer = PlanAndApply();
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(answer->plan.round(), round);
    EXPECT_EQ(answer->notice, "");
  }
}

TEST_F(JobRoundsTest, APlanThatWasNotAppliedIsNotInForce) {
  ASSERT_TRUE(rounds.PlanNextRound({}).ok());
  EXPECT_FALSE(rounds.plan().has_value());
  EXPECT_EQ(rounds.next_round(), 0);
  ASSERT_TRUE(PlanAndApply().ok());
  EXPECT_EQ(rounds.plan()->round(), 0);
  EXPECT_EQ(rounds.next_round(), 1);

  ASSERT_TRUE(rounds.PlanNextRound({}).ok());
  connection->failures = {absl::UnavailableError("gone")};
  const auto answer = PlanAndApply();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->plan.round(), 0) << "the plan of round 1 was not applied";
  EXPECT_EQ(rounds.next_round(), 1);
}

TEST_F(JobRoundsTest, FailsBeforeTheFirstPlan) {
  connection->failures = {absl::UnavailableError("connection refused")};
  EXPECT_EQ(PlanAndApply().status(), absl::UnavailableError("connection refused"));
  EXPECT_EQ(rounds.next_round(), 0);
}

TEST_F(JobRoundsTest, KeepsThePlanInForceWhenThePlannerGoesAwayAndTriesTheRoundAgain) {
  ASSERT_TRUE(PlanAndApply().ok());
  for (absl::Status failure : {absl::UnavailableError("gone"), absl::DeadlineExceededError("gone"),
                               absl::NotFoundError("gone"), absl::InternalError("gone")}) {
    const int64_t round = rounds.plan()->round();
    connection->failures = {failure};
    auto answer = PlanAndApply();
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_FALSE(answer->is_new);
    EXPECT_EQ(answer->plan.round(), round);
    EXPECT_EQ(answer->notice, absl::StrCat("no new plan for round ", round + 1, " (gone); training goes on with the ",
                                           "plan of round ", round, " until the planner answers"));
    answer = PlanAndApply();
    ASSERT_TRUE(answer.ok());
    EXPECT_TRUE(answer->is_new);
    EXPECT_EQ(answer->plan.round(), round + 1);
    EXPECT_EQ(answer->notice, absl::StrCat("the planner answers again, from round ", round + 1, " on"));
  }
}

TEST_F(JobRoundsTest, AsksAPlannerThatStaysAwayEverMoreRarelyAndTellsItOnce) {
  ASSERT_TRUE(PlanAndApply().ok());
  connection->failures.assign(8, absl::UnavailableError("gone"));
  connection->rounds_asked.clear();
  int notices = 0;
  std::vector<int> asked_at;
  for (int round = 0; round < 80; ++round) {
    const size_t asked = connection->rounds_asked.size();
    auto answer = PlanAndApply();
    ASSERT_TRUE(answer.ok());
    notices += !answer->notice.empty();
    if (connection->rounds_asked.size() > asked) asked_at.push_back(round);
    if (answer->is_new) break;
  }
  EXPECT_THAT(asked_at, ElementsAre(0, 1, 3, 7, 15, 31, 47, 63, 79));
  EXPECT_EQ(notices, 2) << "when it goes away and when it is back";
  EXPECT_EQ(rounds.plan()->round(), 1);
}

TEST_F(JobRoundsTest, RefusesAPlanForAnotherProfile) {
  connection->digest_of_plans = "another";
  const absl::Status first = PlanAndApply().status();
  EXPECT_EQ(first.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(first.message()),
              HasSubstr("digest \"another\", but the profile of this model and batch has"));
  connection->digest_of_plans = "digest";
  ASSERT_TRUE(PlanAndApply().ok());
  connection->digest_of_plans = "another";
  const auto later = PlanAndApply();
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_FALSE(later->is_new);
  EXPECT_THAT(later->notice, HasSubstr("digest \"another\""));
  EXPECT_EQ(rounds.CheckProfile(later->plan), absl::OkStatus());
}

TEST_F(JobRoundsTest, ReportsOurOwnMistakesEvenWithAPlanInForce) {
  ASSERT_TRUE(PlanAndApply().ok());
  for (const absl::Status& mistake :
       {absl::InvalidArgumentError("importance[3] is nan"), absl::UnimplementedError("no such method")}) {
    connection->failures = {mistake};
    EXPECT_EQ(PlanAndApply().status(), mistake);
  }
}

TEST_F(JobRoundsTest, PassesOverRoundsThatThePlannerHoldsWithOtherReports) {
  connection->failures = {absl::AlreadyExistsError("round 0"), absl::AlreadyExistsError("round 1")};
  auto answer = PlanAndApply();
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->plan.round(), 2);
  EXPECT_THAT(connection->rounds_asked, ElementsAre(0, 1, 2));
}

TEST_F(JobRoundsTest, SendsOutcomesOnceInTheirOrder) {
  AddOutcomes({0, 1});
  EXPECT_THAT(connection->outcomes_sent, IsEmpty());
  EXPECT_EQ(rounds.SendOutcomes(), "");
  EXPECT_EQ(rounds.SendOutcomes(), "");
  EXPECT_THAT(connection->outcomes_sent, ElementsAre(0, 1));
  EXPECT_THAT(rounds.outcomes(), IsEmpty());
}

TEST_F(JobRoundsTest, PassesOverOutcomesThatThePlannerHasOrDoesNotWant) {
  connection->outcome_answers = {absl::AlreadyExistsError("another"), absl::FailedPreconditionError("no plan"),
                                 absl::PermissionDeniedError("not yours"), absl::PermissionDeniedError("not yours")};
  AddOutcomes({0, 1});
  EXPECT_EQ(rounds.SendOutcomes(), "") << "a repeat is expected after a resume";
  AddOutcomes({2});
  EXPECT_EQ(rounds.SendOutcomes(), "the planner did not take what came of round 2 (not yours); training goes on");
  AddOutcomes({3});
  EXPECT_EQ(rounds.SendOutcomes(), "") << "told once";
  EXPECT_THAT(connection->outcomes_sent, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(rounds.outcomes(), IsEmpty());
}

TEST_F(JobRoundsTest, OutcomesWaitForAPlannerThatIsAway) {
  ASSERT_TRUE(PlanAndApply().ok());
  for (absl::Status away : {absl::UnavailableError("gone"), absl::DeadlineExceededError("gone")}) {
    connection->outcomes_sent.clear();
    connection->outcome_answers = {away};
    AddOutcomes({0, 1});
    rounds.SendOutcomes();
    rounds.SendOutcomes();
    EXPECT_THAT(connection->outcomes_sent, ElementsAre(0)) << "each try takes a whole timeout";
    EXPECT_EQ(rounds.outcomes().size(), 2u);
    ASSERT_TRUE(PlanAndApply()->is_new);
    rounds.SendOutcomes();
    EXPECT_THAT(connection->outcomes_sent, ElementsAre(0, 0, 1));
  }
  connection->outcomes_sent.clear();
  connection->failures = {absl::UnavailableError("gone")};
  ASSERT_FALSE(PlanAndApply()->is_new);
  AddOutcomes({2});
  EXPECT_EQ(rounds.SendOutcomes(), "") << "that it is away has been told";
  EXPECT_THAT(connection->outcomes_sent, IsEmpty());
}

TEST_F(JobRoundsTest, ContinuesWhereARunStopped) {
  v1::Plan plan;
  plan.set_round(4);
  ASSERT_EQ(rounds.Continue(plan, 5), absl::OkStatus());
  EXPECT_EQ(rounds.plan()->round(), 4);
  EXPECT_THAT(connection->rounds_restored, ElementsAre(4)) << "the planner has to weigh its next plan against this one";
  connection->failures = {absl::UnavailableError("gone")};
  EXPECT_EQ(PlanAndApply()->plan.round(), 4);
  EXPECT_EQ(PlanAndApply()->plan.round(), 5);
}

}  // namespace
}  // namespace greenplan::trainer
