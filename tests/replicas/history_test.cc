#include "tests/replicas/history.h"

#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/store/memory/memory_store.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kJob[] = "jobs/a";

v1::ImportanceReport MakeReport(int32_t rank, double importance = 1) {
  v1::ImportanceReport report;
  report.set_round(2);
  report.set_rank(rank);
  report.add_importance(importance);
  return report;
}

v1::Plan MakePlan(double value = 1) {
  v1::Plan plan;
  plan.set_round(2);
  plan.set_value(value);
  return plan;
}

v1::Outcome MakeOutcome(double loss = 1) {
  v1::Outcome outcome;
  outcome.set_round(2);
  outcome.set_train_loss(loss);
  return outcome;
}

// A store that holds round 2 of a job, with one report, its plan and one outcome.
class HistoryTest : public ::testing::Test {
 protected:
  HistoryTest() {
    v1::Job job;
    job.set_name(kJob);
    EXPECT_TRUE(store_->CreateJob({"", kJob}, {1, job}).ok());
    NewPlan plan;
    plan.plan = MakePlan();
    plan.report = MakeReport(0);
    EXPECT_TRUE(store_->PutPlan(1, plan).ok());
    EXPECT_TRUE(store_->AddOutcome(1, MakeOutcome()).ok());
  }

  const std::unique_ptr<Store> store_ = NewMemoryStore();
  History history_;
};

TEST_F(HistoryTest, WhatIsKeptAsItWasAcknowledgedIsNoFault) {
  history_.AddPlan(kJob, MakeReport(0), MakePlan());
  history_.AddOutcome(kJob, MakeOutcome());
  EXPECT_THAT(history_.FindFaults(*store_), IsEmpty());
  EXPECT_EQ(history_.num_plans(), 1);
}

TEST_F(HistoryTest, AJobThatIsLostOrReplacedIsAFault) {
  v1::Job job;
  job.set_name(kJob);
  history_.AddJob(job);
  EXPECT_THAT(history_.FindFaults(*store_), IsEmpty());
  job.set_world_size(9);
  history_.AddJob(job);
  EXPECT_THAT(history_.FindFaults(*store_), ElementsAre("jobs/a was acknowledged and another one is kept"));
  ASSERT_TRUE(store_->DeleteJob(1).ok());
  EXPECT_EQ(history_.FindFaults(*store_).size(), 1u);
}

TEST_F(HistoryTest, TellsEveryAnswerOnce) {
  history_.AddPlan(kJob, MakeReport(0), MakePlan());
  history_.AddOutcome(kJob, MakeOutcome());
  EXPECT_EQ(history_.num_answers(), 2);
  const std::vector<History::Answer> answers = history_.TakeNewAnswers();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(answers[0].report.has_value());
  EXPECT_TRUE(answers[1].outcome.has_value());
  EXPECT_THAT(history_.TakeNewAnswers(), IsEmpty());
}

TEST_F(HistoryTest, SaysWhenPlansDoNotCome) {
  history_.AddPlan(kJob, MakeReport(0), MakePlan());
  EXPECT_TRUE(history_.WaitForPlans(1));
  EXPECT_FALSE(history_.WaitForPlans(2, absl::ZeroDuration()));
}

TEST_F(HistoryTest, AnotherPlanForOneRankIsAFault) {
  ASSERT_TRUE(store_->AddReport(1, MakeReport(1), {}).ok());
  history_.AddPlan(kJob, MakeReport(0), MakePlan());
  history_.AddPlan(kJob, MakeReport(1), MakePlan(7));
  EXPECT_THAT(history_.FindFaults(*store_),
              ElementsAre("jobs/a, round 2: the plan of rank 1 was acknowledged and another one is kept"));
}

TEST_F(HistoryTest, WhatIsLostIsAFault) {
  history_.AddPlan(kJob, MakeReport(3), MakePlan());
  v1::Outcome lost = MakeOutcome();
  lost.set_rank(4);
  history_.AddOutcome(kJob, lost);
  EXPECT_THAT(history_.FindFaults(*store_),
              ElementsAre("jobs/a, round 2: the report of rank 3 was acknowledged and is lost",
                          "jobs/a, round 2: the outcome of rank 4 was acknowledged and is lost"));
  ASSERT_TRUE(store_->DeleteJob(1).ok());
  EXPECT_EQ(history_.FindFaults(*store_).size(), 1u) << "the job is lost";
}

TEST_F(HistoryTest, WhatWasReplacedIsAFault) {
  history_.AddPlan(kJob, MakeReport(0, 9), MakePlan());
  history_.AddOutcome(kJob, MakeOutcome(9));
  EXPECT_THAT(history_.FindFaults(*store_),
              ElementsAre("jobs/a, round 2: the report of rank 0 was acknowledged and another one is kept",
                          "jobs/a, round 2: the outcome of rank 0 was acknowledged and another one is kept"));
}

}  // namespace
}  // namespace greenplan
