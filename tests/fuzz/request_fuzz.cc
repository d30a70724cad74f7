// Requests to the planner service in one process, over a store in memory. An input is a sequence of calls: a byte that
// names the call, the length of its message in two bytes, and the message in binary form. Whatever is asked, a call
// answers once or blames the caller; a plan keeps its budget, the same report gets the same plan, and so does every
// rank.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/stubs/logging.h"
#include "greenplan/v1/planner_service.pb.h"
#include "planner/service/job_engine.h"
#include "planner/service/plan_waiter.h"
#include "planner/service/solve.h"
#include "planner/store/memory/memory_store.h"
#include "tests/fuzz/require.h"

namespace greenplan {
namespace {

constexpr absl::Duration kPatience = absl::Milliseconds(200);
const std::string kTenant = "a";

CallLimits Limits() { return {.deadline = SteadyNow() + kPatience}; }

void RequireCallersFault(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDeadlineExceeded:
      return;
    default:
      Require(false, "a call answers or blames the caller", status);
  }
}

void CheckPlan(const absl::StatusOr<v1::Plan>& plan) {
  RequireCallersFault(plan.status());
  if (!plan.ok() || plan->method() == v1::METHOD_FULL || plan->status() == v1::PLAN_STATUS_EMPTY) return;
  Require(plan->predicted_cost() <= plan->budget(), "a plan keeps its budget");
  Require(plan->value() <= plan->upper_bound(), "no value exceeds its bound");
}

// The planner of one input.
class Planner {
 public:
  // Makes the call that `which` names, if `bytes` are a request of it.
  void MakeCall(char which, absl::string_view bytes) {
    switch (which) {
      case 'c':
        return Parsed<v1::CreateJobRequest>(bytes, [&](const auto& r) { Check(engine_.jobs().CreateJob(kTenant, r)); });
      case 'j':
        return Parsed<v1::GetJobRequest>(bytes, [&](const auto& r) {
          Check(engine_.jobs().GetJob(kTenant, r, [](int64_t) { return absl::OkStatus(); }));
        });
      case 'l':
        return Parsed<v1::ListJobsRequest>(bytes, [&](const auto& r) { Check(engine_.jobs().ListJobs(kTenant, r)); });
      case 'u':
        return Parsed<v1::UpdateJobRequest>(bytes, [&](const auto& r) { Check(engine_.jobs().UpdateJob(kTenant, r)); });
      case 'd':
        return Parsed<v1::DeleteJobRequest>(
            bytes, [&](const auto& r) { RequireCallersFault(engine_.jobs().DeleteJob(kTenant, r)); });
      case 'r':
        return Parsed<v1::PlanRoundRequest>(bytes, [&](const auto& r) { PlanRound(r); });
      case 'p':
        return Parsed<v1::GetPlanRequest>(bytes,
                                          [&](const auto& r) { CheckPlan(engine_.plans().GetPlan(kTenant, r)); });
      case 'n':
        return Parsed<v1::ListPlansRequest>(bytes,
                                            [&](const auto& r) { Check(engine_.plans().ListPlans(kTenant, r)); });
      case 'w':
        return Parsed<v1::WhatIfRequest>(bytes, [&](const auto& r) { WhatIf(r); });
      case 'o':
        return Parsed<v1::ReportOutcomeRequest>(
            bytes, [&](const auto& r) { RequireCallersFault(engine_.plans().ReportOutcome(kTenant, r)); });
      case 'q':
        return Parsed<v1::ListOutcomesRequest>(bytes,
                                               [&](const auto& r) { Check(engine_.plans().ListOutcomes(kTenant, r)); });
      default:
        return Parsed<v1::SolveRequest>(bytes, [&](const auto& r) { CheckPlan(Solve(r, Limits())); });
    }
  }

  // Ends the calls that wait for other ranks, and compares what the ranks of each round got.
  void Finish() {
    engine_.rounds().Stop();
    for (const auto& [round, calls] : calls_) {
      std::optional<std::string> first;
      for (const PlanWaiter& call : calls) {
        const absl::StatusOr<v1::Plan>& plan = call.Wait();
        if (absl::IsUnavailable(plan.status())) continue;  // It still waited.
        CheckPlan(plan);
        if (!plan.ok()) continue;
        if (!first.has_value()) first = plan->SerializeAsString();
        Require(*first == plan->SerializeAsString(), "every rank of a round gets the same plan");
      }
    }
  }

 private:
  template <typename Request, typename Call>
  static void Parsed(absl::string_view bytes, const Call& call) {
    Request request;
    if (request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) call(request);
  }

  template <typename Response>
  static void Check(const absl::StatusOr<Response>& response) {
    RequireCallersFault(response.status());
  }

  void PlanRound(const v1::PlanRoundRequest& request) {
    const JobKey key = {kTenant, request.job()};
    const absl::StatusOr<FoundJob> job = engine_.jobs().Find(key);
    if (!job.ok()) return RequireCallersFault(job.status());
    const bool waits = job->job->job().world_size() > 1;
    const PlanWaiter call(engine_.rounds(), key, request.report(), waits ? CallLimits() : Limits());
    if (waits) return calls_[{job->id, request.report().round()}].push_back(call);
    CheckPlan(call.Wait());
    if (!call.Wait().ok()) return;
    const std::string plan = call.Wait()->SerializeAsString();
    const PlanWaiter again(engine_.rounds(), key, request.report(), Limits());
    Require(again.Wait().ok() && again.Wait()->SerializeAsString() == plan, "the same report gets the same plan",
            again.Wait().status());
    v1::GetPlanRequest get;
    get.set_name(call.Wait()->name());
    const absl::StatusOr<v1::Plan> kept = engine_.plans().GetPlan(kTenant, get);
    Require(kept.ok() && kept->SerializeAsString() == plan, "a plan that was answered is kept", kept.status());
  }

  void WhatIf(const v1::WhatIfRequest& request) {
    const absl::StatusOr<v1::WhatIfResponse> response = engine_.what_if().Answer(kTenant, request, Limits());
    RequireCallersFault(response.status());
    if (!response.ok()) return;
    Require(response->plans_size() == request.budgets_size(), "a plan for each budget");
    for (const v1::Plan& plan : response->plans()) CheckPlan(plan);
  }

  const std::unique_ptr<Store> store_ = NewMemoryStore();
  JobEngine engine_{store_.get(), {.calls = {.num_threads = 1}, .searches = {.num_threads = 1}}};
  std::map<RoundId, std::vector<PlanWaiter>> calls_;  // Of rounds of several ranks.
};

void MakeCalls(absl::string_view input) {
  google::protobuf::SetLogHandler(nullptr);
  Planner planner;
  while (input.size() > 3) {
    const size_t length = static_cast<uint8_t>(input[1]) << 8 | static_cast<uint8_t>(input[2]);
    planner.MakeCall(input[0], input.substr(3, length));
    input.remove_prefix(std::min(input.size(), 3 + length));
  }
  planner.Finish();
}

}  // namespace
}  // namespace greenplan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  greenplan::MakeCalls({reinterpret_cast<const char*>(data), size});
  return 0;
}
