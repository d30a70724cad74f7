#include "tests/reliability/answer_check.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/empty.pb.h"
#include "greenplan/v1/planner_service.pb.h"

namespace greenplan {
namespace {

constexpr absl::Duration kTimeout = absl::Minutes(2);

class AnswerCheck {
 public:
  explicit AnswerCheck(PlannerChannel& planner) : planner_(planner) {}

  void Check(const History::Answer& answer) {
    if (answer.job.has_value()) CheckJob(*answer.job);
    if (answer.report.has_value()) CheckPlan(answer);
    if (answer.outcome.has_value()) CheckOutcome(answer);
  }

  std::vector<std::string> faults() && { return std::move(faults_); }

 private:
  template <typename Response>
  void ExpectAnswer(const char* method, const google::protobuf::Message& request, const Response& expected) {
    Response response;
    const absl::Status status = planner_.Call(method, request, response, kTimeout);
    if (!status.ok()) {
      AddFault(method, request, status.ToString());
    } else if (response.SerializeAsString() != expected.SerializeAsString()) {
      AddFault(method, request, absl::StrCat("another answer, ", response.ShortDebugString()));
    }
  }

  void CheckJob(const v1::Job& job) {
    v1::GetJobRequest request;
    request.set_name(job.name());
    ExpectAnswer("GetJob", request, job);
  }

  void CheckPlan(const History::Answer& answer) {
    v1::GetPlanRequest get;
    get.set_name(answer.plan.name());
    ExpectAnswer("GetPlan", get, answer.plan);
    if (answer.report->round() % 2 != 0) return;
    v1::PlanRoundRequest again;
    again.set_job(answer.job_name);
    *again.mutable_report() = *answer.report;
    ExpectAnswer("PlanRound", again, answer.plan);
  }

  // The list comes first: the same outcome once more would put back one that was lost.
  void CheckOutcome(const History::Answer& answer) {
    if (ListedOutcomes(answer.job_name).count(answer.outcome->SerializeAsString()) == 0) {
      AddFault("ListOutcomes", *answer.outcome, absl::StrCat("not in the list of ", answer.job_name));
    }
    v1::ReportOutcomeRequest again;
    again.set_job(answer.job_name);
    *again.mutable_outcome() = *answer.outcome;
    ExpectAnswer("ReportOutcome", again, google::protobuf::Empty());
  }

  // The list as it was when it was first asked for.
  const std::set<std::string>& ListedOutcomes(const std::string& job_name) {
    const auto [listed, is_new] = outcomes_.try_emplace(job_name);
    if (!is_new) return listed->second;
    v1::ListOutcomesRequest request;
    request.set_parent(job_name);
    request.set_page_size(1000);
    do {
      v1::ListOutcomesResponse page;
      const absl::Status status = planner_.Call("ListOutcomes", request, page, kTimeout);
      if (!status.ok()) {
        AddFault("ListOutcomes", request, status.ToString());
        break;
      }
      for (const v1::Outcome& outcome : page.outcomes()) listed->second.insert(outcome.SerializeAsString());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return listed->second;
  }

  void AddFault(const char* method, const google::protobuf::Message& request, const std::string& what) {
    faults_.push_back(absl::StrCat(method, " of ", request.ShortDebugString(), ": ", what));
  }

  PlannerChannel& planner_;
  std::map<std::string, std::set<std::string>> outcomes_;  // By job, as bytes.
  std::vector<std::string> faults_;
};

}  // namespace

std::vector<std::string> FindChangedAnswers(const std::vector<History::Answer>& answers, PlannerChannel& planner) {
  AnswerCheck check(planner);
  for (const History::Answer& answer : answers) check.Check(answer);
  return std::move(check).faults();
}

}  // namespace greenplan
