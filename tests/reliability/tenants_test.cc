// Tenants of one greenpland: what they see of each other, and what one that asks for too much does to the others.

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "planner/job/test_jobs.h"
#include "tests/reliability/other_callers.h"
#include "tests/reliability/stress_row.h"
#include "tests/service/daemon_process.h"

namespace greenplan {
namespace {

// SHA-256 of "a" and of "b".
constexpr char kTokens[] = R"(
[[token]]
tenant = "a"
role = "admin"
sha256 = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
[[token]]
tenant = "b"
role = "admin"
sha256 = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
)";

constexpr double kCallsPerSecond = 100;

class TenantsTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& content) const {
    const std::string path = data_.path() + "/" + name;
    std::ofstream(path) << content;
    return path;
  }

  ServerSecurity TokenOf(const std::string& tenant) const { return {.token_file = Write(tenant, tenant)}; }

  std::unique_ptr<v1::PlannerService::Stub> NewStub() const {
    return v1::PlannerService::NewStub(grpc::CreateChannel(daemon_.address(), grpc::InsecureChannelCredentials()));
  }

  const TemporaryFolder data_;
  ServingDaemon daemon_{
      data_.path() + "/jobs",
      {"--tokens", Write("tokens.toml", kTokens), "--quotas",
       Write("quotas.toml", absl::StrCat("[[quota]]\ntenant = \"a\"\ncalls_per_second = ", kCallsPerSecond, "\n"))}};
};

// Every call about a job, made by a tenant. Returns the errors; OK where there was none.
std::vector<std::string> AskAbout(const std::string& job_name, v1::PlannerService::Stub& stub,
                                  const std::string& token) {
  std::vector<std::string> errors;
  const auto call = [&](auto method, const auto& request, auto response) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Minutes(1)));
    context.AddMetadata("authorization", "Bearer " + token);
    const grpc::Status status = (stub.*method)(&context, request, &response);
    errors.push_back(absl::StrCat(status.error_code(), ": ", status.error_message()));
  };
  using Stub = v1::PlannerService::Stub;
  v1::GetJobRequest get_job;
  get_job.set_name(job_name);
  call(&Stub::GetJob, get_job, v1::Job());
  v1::DeleteJobRequest delete_job;
  delete_job.set_name(job_name);
  call(&Stub::DeleteJob, delete_job, google::protobuf::Empty());
  v1::UpdateJobRequest update_job;
  *update_job.mutable_job() = TestJob(job_name);
  call(&Stub::UpdateJob, update_job, v1::Job());
  v1::PlanRoundRequest plan_round;
  plan_round.set_job(job_name);
  *plan_round.mutable_report() = TestReport(0);
  call(&Stub::PlanRound, plan_round, v1::Plan());
  v1::GetPlanRequest get_plan;
  get_plan.set_name(job_name + "/plans/0");
  call(&Stub::GetPlan, get_plan, v1::Plan());
  v1::ListPlansRequest list_plans;
  list_plans.set_parent(job_name);
  call(&Stub::ListPlans, list_plans, v1::ListPlansResponse());
  v1::WhatIfRequest what_if;
  what_if.set_job(job_name);
  what_if.add_budgets()->set_fraction_of_backward(0.5);
  call(&Stub::WhatIf, what_if, v1::WhatIfResponse());
  v1::ReportOutcomeRequest report_outcome;
  report_outcome.set_job(job_name);
  *report_outcome.mutable_outcome() = TestOutcome(0);
  call(&Stub::ReportOutcome, report_outcome, google::protobuf::Empty());
  v1::ListOutcomesRequest list_outcomes;
  list_outcomes.set_parent(job_name);
  call(&Stub::ListOutcomes, list_outcomes, v1::ListOutcomesResponse());
  return errors;
}

TEST_F(TenantsTest, AnotherTenantsJobLooksLikeNone) {
  StressRow row("all refused");
  const auto a = *Connect({.planner = daemon_.address(), .timeout = absl::Minutes(1), .security = TokenOf("a")});
  ASSERT_TRUE(a->CreateJob(TestJob("jobs/kept")).ok());
  ASSERT_TRUE(a->PlanRound("jobs/kept", TestReport(0)).ok());
  const auto stub = NewStub();
  const std::vector<std::string> of_kept = AskAbout("jobs/kept", *stub, "b");
  const std::vector<std::string> of_none = AskAbout("jobs/none", *stub, "b");
  ASSERT_EQ(of_kept.size(), of_none.size());
  for (size_t i = 0; i < of_kept.size(); ++i) {
    EXPECT_THAT(of_kept[i], ::testing::StartsWith("5: ")) << "NOT_FOUND, call " << i;
    EXPECT_EQ(of_kept[i], absl::StrReplaceAll(of_none[i], {{"jobs/none", "jobs/kept"}})) << "call " << i;
  }
  EXPECT_TRUE(a->GetPlan("jobs/kept/plans/0").ok());
  row.Report(absl::StrCat("each of ", of_kept.size(), " RPCs for another tenant's job"),
             "NOT_FOUND, as for a job that does not exist");
}

// Calls at a steady rate, whether or not they are answered, and whatever the answer: a client that obeys no delay.
class Flood {
 public:
  Flood(v1::PlannerService::Stub* stub, std::string token, double calls_per_second)
      : stub_(*stub), token_(std::move(token)), pause_(absl::Seconds(1) / calls_per_second) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Flood() {
    is_ending_ = true;
    thread_.join();
    while (num_open_ > 0) absl::SleepFor(absl::Milliseconds(1));
  }

  int64_t num_accepted() const { return num_accepted_; }
  int64_t num_refused() const { return num_refused_; }
  int64_t num_failed() const { return num_failed_; }

 private:
  struct Call {
    grpc::ClientContext context;
    v1::PlanRoundRequest request;
    v1::Plan plan;
  };

  void Run() {
    absl::Time next = absl::Now();
    for (int64_t round = 0; !is_ending_; ++round) {
      auto* call = new Call;
      call->context.AddMetadata("authorization", "Bearer " + token_);
      call->request.set_job("jobs/other-0");
      *call->request.mutable_report() = TestReport(0);
      ++num_open_;
      stub_.async()->PlanRound(&call->context, &call->request, &call->plan, [this, call](const grpc::Status& status) {
        const bool is_quota = status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
        ++(status.ok() ? num_accepted_ : is_quota ? num_refused_ : num_failed_);
        delete call;
        --num_open_;
      });
      next += pause_;
      absl::SleepFor(next - absl::Now());
    }
  }

  v1::PlannerService::Stub& stub_;
  const std::string token_;
  const absl::Duration pause_;
  std::atomic<bool> is_ending_ = false;
  std::atomic<int64_t> num_open_ = 0, num_accepted_ = 0, num_refused_ = 0, num_failed_ = 0;
  std::thread thread_;
};

TEST_F(TenantsTest, OneAtTenTimesItsQuotaSlowsDownNobodyElse) {
  StressRow row("others' p99 < 1.5x");
  const OtherCallers jobs_of_a(daemon_.address(), TokenOf("a"), /*num_callers=*/1);
  OtherCallers others(daemon_.address(), TokenOf("b"));
  const auto stub = NewStub();
  std::unique_ptr<Flood> flood;
  int64_t num_accepted = 0, num_refused = 0, num_failed = 0;
  const absl::Duration phase = ShortOrLong(absl::Seconds(1), absl::Seconds(5));
  const int cycles = ShortOrLong(2, 9);
  const auto p99 = others.Compare(
      {.cycles = cycles, .phase = phase},
      [&] { flood = std::make_unique<Flood>(stub.get(), "a", 10 * kCallsPerSecond); },
      [&] {
        num_accepted += flood->num_accepted();
        num_refused += flood->num_refused();
        num_failed += flood->num_failed();
        flood = nullptr;
      });
  p99.ExpectRatioBelow(1.5);
  EXPECT_EQ(num_failed, 0);
  EXPECT_GT(num_refused, num_accepted);
  // Each time, a second's worth at once and what the rate gives; the phases are a little longer than asked for.
  EXPECT_LE(num_accepted, cycles * kCallsPerSecond * (absl::ToDoubleSeconds(phase) + 1) * 1.5);
  row.Report(absl::StrCat("one tenant calls ", 10 * kCallsPerSecond, " times per second, 10 times its quota"),
             absl::StrCat(num_accepted, " of its calls taken, ", num_refused, " refused; ", p99.ToString()));
}

}  // namespace
}  // namespace greenplan
