#include "tests/reliability/answer_check.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "greenplan/v1/planner_service.pb.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Answers each method as it is told, with OK and an empty message where it is told nothing.
class CannedPlanner : public PlannerChannel {
 public:
  absl::Status Call(absl::string_view method, const google::protobuf::Message& request,
                    google::protobuf::Message& response, absl::Duration) override {
    calls_ += absl::StrCat(method, " ");
    const auto answer = answers_.find(std::string(method));
    if (answer == answers_.end()) return absl::OkStatus();
    if (!answer->second.ok()) return answer->second.status();
    EXPECT_TRUE(response.ParseFromString(*answer->second));
    return absl::OkStatus();
  }

  void Answer(const std::string& method, const google::protobuf::Message& response) {
    answers_.insert_or_assign(method, response.SerializeAsString());
  }
  void Refuse(const std::string& method, absl::Status status) {
    answers_.insert_or_assign(method, absl::StatusOr<std::string>(std::move(status)));
  }
  const std::string& calls() const { return calls_; }

 private:
  std::map<std::string, absl::StatusOr<std::string>> answers_;
  std::string calls_;
};

class AnswerCheckTest : public ::testing::Test {
 protected:
  AnswerCheckTest() {
    job_.set_name("jobs/a");
    plan_.set_name("jobs/a/plans/2");
    report_.set_round(2);
    outcome_.set_rank(1);
  }

  std::vector<std::string> FindFaults() {
    return FindChangedAnswers({{.job_name = "jobs/a", .job = job_},
                               {.job_name = "jobs/a", .report = report_, .plan = plan_},
                               {.job_name = "jobs/a", .outcome = outcome_}},
                              planner_);
  }
  void AnswerAll() {
    planner_.Answer("GetJob", job_);
    planner_.Answer("GetPlan", plan_);
    planner_.Answer("PlanRound", plan_);
    v1::ListOutcomesResponse outcomes;
    *outcomes.add_outcomes() = outcome_;
    planner_.Answer("ListOutcomes", outcomes);
  }

  CannedPlanner planner_;
  v1::Job job_;
  v1::Plan plan_;
  v1::ImportanceReport report_;
  v1::Outcome outcome_;
};

TEST_F(AnswerCheckTest, TheSameAnswersAreNoFault) {
  AnswerAll();
  EXPECT_THAT(FindFaults(), IsEmpty());
  EXPECT_EQ(planner_.calls(), "GetJob GetPlan PlanRound ListOutcomes ReportOutcome ");
}

TEST_F(AnswerCheckTest, ReportsOfOddRoundsAreNotPutBack) {
  AnswerAll();
  report_.set_round(3);
  EXPECT_THAT(FindFaults(), IsEmpty());
  EXPECT_EQ(planner_.calls(), "GetJob GetPlan ListOutcomes ReportOutcome ");
}

TEST_F(AnswerCheckTest, OtherAnswersAreFaults) {
  AnswerAll();
  job_.set_world_size(2);
  plan_.set_value(2);
  EXPECT_THAT(FindFaults(), ElementsAre(AllOf(HasSubstr("GetJob of name: \"jobs/a\""), HasSubstr("another answer")),
                                        HasSubstr("GetPlan of name: \"jobs/a/plans/2\""), HasSubstr("PlanRound")));
}

TEST_F(AnswerCheckTest, WhatIsLostIsAFault) {
  planner_.Answer("GetJob", job_);
  planner_.Refuse("GetPlan", absl::NotFoundError("no such plan"));
  planner_.Answer("PlanRound", plan_);
  planner_.Refuse("ReportOutcome", absl::FailedPreconditionError("no such round"));
  EXPECT_THAT(FindFaults(), ElementsAre(HasSubstr("NOT_FOUND: no such plan"), HasSubstr("not in the list of jobs/a"),
                                        HasSubstr("FAILED_PRECONDITION")));
}

}  // namespace
}  // namespace greenplan
