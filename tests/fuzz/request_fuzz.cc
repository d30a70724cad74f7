// Requests to the planner service in one process, over a store in memory. An input is a sequence of calls: a byte that
// names the call, the length of its message in two bytes, and the message in binary form. Whatever is asked, a call
// answers or blames the caller; a plan keeps its budget, and the same report gets the same plan.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/stubs/logging.h"
#include "greenplan/v1/planner_service.pb.h"
#include "planner/service/job_engine.h"
#include "planner/store/memory/memory_store.h"
#include "tests/fuzz/require.h"

namespace greenplan {
namespace {

constexpr absl::Duration kPatience = absl::Milliseconds(200);

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

void PlanRound(JobEngine& engine, const v1::PlanRoundRequest& request) {
  const absl::StatusOr<v1::Plan> plan = engine.PlanRound(request.job(), request.report(), Limits());
  CheckPlan(plan);
  if (!plan.ok()) return;
  const absl::StatusOr<v1::Plan> again = engine.PlanRound(request.job(), request.report(), Limits());
  Require(again.ok() && again->SerializeAsString() == plan->SerializeAsString(), "the same report gets the same plan",
          again.status());
  const absl::StatusOr<v1::Plan> kept = engine.GetPlan(plan->name());
  Require(kept.ok() && kept->SerializeAsString() == plan->SerializeAsString(), "a plan that was answered is kept",
          kept.status());
}

template <typename Request, typename Call>
void Parsed(absl::string_view bytes, const Call& call) {
  Request request;
  if (request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) call(request);
}

void MakeCall(JobEngine& engine, char which, absl::string_view bytes) {
  switch (which) {
    case 'c':
      return Parsed<v1::CreateJobRequest>(
          bytes, [&](const v1::CreateJobRequest& r) { RequireCallersFault(engine.CreateJob(r.job()).status()); });
    case 'j':
      return Parsed<v1::GetJobRequest>(
          bytes, [&](const v1::GetJobRequest& r) { RequireCallersFault(engine.GetJob(r.name()).status()); });
    case 'r':
      return Parsed<v1::PlanRoundRequest>(bytes, [&](const v1::PlanRoundRequest& r) { PlanRound(engine, r); });
    case 'p':
      return Parsed<v1::GetPlanRequest>(bytes,
                                        [&](const v1::GetPlanRequest& r) { CheckPlan(engine.GetPlan(r.name())); });
    default:
      return Parsed<v1::SolveRequest>(bytes, [&](const v1::SolveRequest& r) { CheckPlan(engine.Solve(r, Limits())); });
  }
}

void MakeCalls(absl::string_view input) {
  google::protobuf::SetLogHandler(nullptr);
  const auto store = NewMemoryStore();
  JobEngine engine(store.get(), {});
  while (input.size() > 3) {
    const size_t length = static_cast<uint8_t>(input[1]) << 8 | static_cast<uint8_t>(input[2]);
    MakeCall(engine, input[0], input.substr(3, length));
    input.remove_prefix(std::min(input.size(), 3 + length));
  }
}

}  // namespace
}  // namespace greenplan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  greenplan::MakeCalls({reinterpret_cast<const char*>(data), size});
  return 0;
}
