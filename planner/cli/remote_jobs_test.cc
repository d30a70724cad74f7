#include "planner/cli/remote_jobs.h"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/test_jobs.h"

namespace greenplan {
namespace {

using google::protobuf::Message;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A daemon whose answers the test has written down, by method, in the order of the calls.
class ScriptedChannel : public PlannerChannel {
 public:
  struct Script {
    std::map<std::string, std::deque<std::string>> answers;  // Serialized.
    std::vector<std::string> calls;                          // "GetJob name: ..."
  };

  explicit ScriptedChannel(Script* script) : script_(script) {}

  absl::Status Call(absl::string_view method, const Message& request, Message& response, absl::Duration) override {
    script_->calls.push_back(absl::StrCat(method, " ", request.ShortDebugString()));
    std::deque<std::string>& answers = script_->answers[std::string(method)];
    if (answers.empty()) return absl::NotFoundError("there is none");
    response.ParseFromString(answers.front());
    answers.pop_front();
    return absl::OkStatus();
  }

 private:
  Script* script_;
};

class RemoteJobsTest : public ::testing::Test {
 protected:
  void Answer(const std::string& method, const Message& message) {
    script_.answers[method].push_back(message.SerializeAsString());
  }

  // The job as a daemon answers it.
  static v1::Job KeptJob() {
    v1::Job job = TestJob("jobs/a");
    job.set_profile_revision(2);
    return job;
  }

  static v1::Plan KeptPlan(int64_t round) {
    v1::Plan plan;
    plan.set_round(round);
    plan.set_method(v1::METHOD_SELECTION);
    plan.set_trainable(kTestPlanTrainable);
    plan.set_profile_revision(2);
    plan.set_value(5);
    return plan;
  }

  static v1::WhatIfRequest OneBudget() {
    v1::WhatIfRequest request;
    request.set_job("jobs/a");
    request.add_budgets()->set_fraction_of_full(0.5);
    return request;
  }

  ScriptedChannel::Script script_;
  RemoteJobs jobs_{std::make_unique<ScriptedChannel>(&script_)};
};

TEST_F(RemoteJobsTest, ListsEveryPage) {
  v1::ListJobsResponse page;
  page.add_jobs()->set_name("jobs/a");
  page.set_next_page_token("more");
  Answer("ListJobs", page);
  page.mutable_jobs(0)->set_name("jobs/b");
  page.clear_next_page_token();
  Answer("ListJobs", page);
  const auto jobs = jobs_.List();
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  ASSERT_EQ(jobs->size(), 2);
  EXPECT_EQ((*jobs)[1].name(), "jobs/b");
  EXPECT_THAT(script_.calls, ElementsAre("ListJobs page_size: 1000", "ListJobs page_size: 1000 page_token: \"more\""));
}

TEST_F(RemoteJobsTest, ListsEveryPlan) {
  v1::ListPlansResponse page;
  *page.add_plans() = KeptPlan(0);
  page.set_next_page_token("more");
  Answer("ListPlans", page);
  *page.mutable_plans(0) = KeptPlan(1);
  page.clear_next_page_token();
  Answer("ListPlans", page);
  const auto plans = jobs_.ListPlans("jobs/a");
  ASSERT_TRUE(plans.ok()) << plans.status();
  ASSERT_EQ(plans->size(), 2);
  EXPECT_EQ((*plans)[1].round(), 1);
}

TEST_F(RemoteJobsTest, APlanComesWithTheJobAtItsRevision) {
  Answer("GetPlan", KeptPlan(3));
  Answer("GetJob", KeptJob());
  const auto plan = jobs_.GetPlan("jobs/a", 3);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->plan.trainable, ElementsAre(false, true, true, false));
  EXPECT_THAT(script_.calls,
              ElementsAre("GetPlan name: \"jobs/a/plans/3\"", "GetJob name: \"jobs/a\" profile_revision: 2"));
}

TEST_F(RemoteJobsTest, ACurveComesWithWhatItRestsOn) {
  v1::WhatIfResponse response;
  *response.add_plans() = KeptPlan(0);
  *response.mutable_importance() = TestReport(0);
  Answer("WhatIf", response);
  Answer("GetJob", KeptJob());
  const auto curve = jobs_.WhatIf(OneBudget());
  ASSERT_TRUE(curve.ok()) << curve.status();
  EXPECT_EQ(curve->plans.size(), 1);
  EXPECT_THAT(curve->measurements.importance, ElementsAre(1, 4, 1, 4));
}

TEST_F(RemoteJobsTest, AnswersThatCannotBeAreErrorsOfThePlanner) {
  {
    v1::Plan plan = KeptPlan(0);
    plan.set_trainable("\xff\xff");
    Answer("GetPlan", plan);
    Answer("GetJob", KeptJob());
    const absl::Status status = jobs_.GetPlan("jobs/a", 0).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(status.message()), HasSubstr("the planner's answer cannot be used: trainable"));
  }
  {
    Answer("GetJob", v1::Job());
    EXPECT_EQ(jobs_.Get("jobs/a").status().code(), absl::StatusCode::kInternal);
  }
  {
    Answer("WhatIf", v1::WhatIfResponse());
    const absl::Status status = jobs_.WhatIf(OneBudget()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(status.message()), HasSubstr("0 plans for 1 budgets"));
  }
}

TEST_F(RemoteJobsTest, ErrorsAreTheDaemons) {
  EXPECT_EQ(jobs_.List().status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(jobs_.Get("jobs/a").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(jobs_.Delete("jobs/a").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(jobs_.ListPlans("jobs/a").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(jobs_.GetPlan("jobs/a", 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(jobs_.Importance("jobs/a", 0).status().code(), absl::StatusCode::kNotFound);
}

TEST(JobNameOfTest, TakesTheIdOrTheWholeName) {
  EXPECT_EQ(*JobNameOf("JOB", "a"), "jobs/a");
  EXPECT_EQ(*JobNameOf("JOB", "jobs/a"), "jobs/a");
  const absl::Status status = JobNameOf("--job", "a b").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(status), "--job");
}

}  // namespace
}  // namespace greenplan
