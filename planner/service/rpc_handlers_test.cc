#include "planner/service/rpc_handlers.h"

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/support/async_unary_call.h"
#include "grpcpp/support/channel_arguments.h"
#include "gtest/gtest.h"
#include "planner/admission/quotas.h"
#include "planner/job/test_jobs.h"
#include "planner/rpc/grpc_status.h"
#include "planner/rpc/retry_delay.h"
#include "planner/security/access.h"
#include "planner/security/audit.h"
#include "planner/service/test_server.h"
#include "planner/store/memory/memory_store.h"
#include "planner/store/testing/store_wrapper.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using Stub = v1::PlannerService::Stub;

class RpcHandlersTest : public ::testing::Test {
 protected:
  // Calls `method` of the stub with `request`.
  template <typename Method, typename Request, typename Response>
  grpc::Status Call(Method method, const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    return (stub_.get()->*method)(&context, request, response);
  }

  TestServer server_;
  const std::unique_ptr<Stub> stub_ = server_.NewStub();
};

TEST_F(RpcHandlersTest, AnswersJobsPlansAndSolutions) {
  v1::CreateJobRequest create;
  *create.mutable_job() = TestJob("jobs/a");
  v1::Job job;
  ASSERT_TRUE(Call(&Stub::CreateJob, create, &job).ok());
  v1::GetJobRequest get_job;
  get_job.set_name("jobs/a");
  v1::Job kept_job;
  ASSERT_TRUE(Call(&Stub::GetJob, get_job, &kept_job).ok());
  EXPECT_EQ(kept_job.SerializeAsString(), job.SerializeAsString());

  v1::PlanRoundRequest round;
  round.set_job("jobs/a");
  *round.mutable_report() = TestReport(0);
  v1::Plan plan;
  ASSERT_TRUE(Call(&Stub::PlanRound, round, &plan).ok());
  v1::GetPlanRequest get_plan;
  get_plan.set_name("jobs/a/plans/0");
  v1::Plan kept_plan;
  ASSERT_TRUE(Call(&Stub::GetPlan, get_plan, &kept_plan).ok());
  EXPECT_EQ(kept_plan.SerializeAsString(), plan.SerializeAsString());

  v1::SolveRequest solve;
  *solve.mutable_profile() = TestProfile();
  *solve.mutable_importance() = TestReport(0);
  *solve.mutable_options() = create.job().options();
  v1::Plan solution;
  ASSERT_TRUE(Call(&Stub::Solve, solve, &solution).ok());
  EXPECT_EQ(solution.digest(), plan.digest());
}

TEST_F(RpcHandlersTest, ErrorsKeepTheirCodeAndMessage) {
  v1::GetJobRequest request;
  v1::Job job;
  request.set_name("jobs/a");
  grpc::Status status = Call(&Stub::GetJob, request, &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "jobs/a does not exist");
  request.set_name("a");
  status = Call(&Stub::GetJob, request, &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("name is \"a\""));
}

TEST_F(RpcHandlersTest, AnErrorGetsThroughHoweverLongTheNamesInIt) {
  v1::CreateJobRequest request;
  *request.mutable_job() = TestJob("jobs/a");
  for (int k = 0; k < 2; ++k)
    request.mutable_job()->mutable_profile()->mutable_tensors(k)->set_name(std::string(100'000, 'x'));
  v1::Job job;
  const grpc::Status status = Call(&Stub::CreateJob, request, &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("tensors[1].name"));
}

TEST_F(RpcHandlersTest, EmptyRequestsAreRefusedNotFatal) {
  google::protobuf::Empty empty;
  v1::Job job;
  v1::Plan plan;
  v1::ListPlansResponse plans;
  v1::ListOutcomesResponse outcomes;
  v1::WhatIfResponse what_if;
  const grpc::Status answers[] = {
      Call(&Stub::CreateJob, v1::CreateJobRequest(), &job),
      Call(&Stub::GetJob, v1::GetJobRequest(), &job),
      Call(&Stub::UpdateJob, v1::UpdateJobRequest(), &job),
      Call(&Stub::DeleteJob, v1::DeleteJobRequest(), &empty),
      Call(&Stub::PlanRound, v1::PlanRoundRequest(), &plan),
      Call(&Stub::GetPlan, v1::GetPlanRequest(), &plan),
      Call(&Stub::ListPlans, v1::ListPlansRequest(), &plans),
      Call(&Stub::WhatIf, v1::WhatIfRequest(), &what_if),
      Call(&Stub::Solve, v1::SolveRequest(), &plan),
      Call(&Stub::ReportOutcome, v1::ReportOutcomeRequest(), &empty),
      Call(&Stub::ListOutcomes, v1::ListOutcomesRequest(), &outcomes),
  };
  for (const grpc::Status& status : answers) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_NE(status.error_message(), "");
  }
}

TEST_F(RpcHandlersTest, AnswersWhatIsThereAndChangesIt) {
  v1::CreateJobRequest create;
  *create.mutable_job() = TestJob("jobs/a");
  v1::Job job;
  ASSERT_TRUE(Call(&Stub::CreateJob, create, &job).ok());
  v1::PlanRoundRequest round;
  round.set_job("jobs/a");
  *round.mutable_report() = TestReport(0);
  v1::Plan plan;
  ASSERT_TRUE(Call(&Stub::PlanRound, round, &plan).ok());

  v1::UpdateJobRequest update;
  update.mutable_job()->set_name("jobs/a");
  *update.mutable_job()->mutable_options() = create.job().options();
  update.mutable_job()->mutable_options()->set_seed(7);
  ASSERT_TRUE(Call(&Stub::UpdateJob, update, &job).ok());
  EXPECT_EQ(job.profile_revision(), 2);

  v1::ListJobsResponse jobs;
  ASSERT_TRUE(Call(&Stub::ListJobs, v1::ListJobsRequest(), &jobs).ok());
  ASSERT_EQ(jobs.jobs_size(), 1);
  EXPECT_EQ(jobs.jobs(0).options().seed(), 7);

  v1::ListPlansRequest list_plans;
  list_plans.set_parent("jobs/a");
  v1::ListPlansResponse plans;
  ASSERT_TRUE(Call(&Stub::ListPlans, list_plans, &plans).ok());
  ASSERT_EQ(plans.plans_size(), 1);
  EXPECT_EQ(plans.plans(0).digest(), plan.digest());

  v1::WhatIfRequest what_if;
  what_if.set_job("jobs/a");
  *what_if.add_budgets() = create.job().options().budget();
  v1::WhatIfResponse curve;
  ASSERT_TRUE(Call(&Stub::WhatIf, what_if, &curve).ok());
  ASSERT_EQ(curve.plans_size(), 1);
  EXPECT_EQ(curve.plans(0).value(), plan.value());

  v1::ReportOutcomeRequest outcome;
  outcome.set_job("jobs/a");
  *outcome.mutable_outcome() = TestOutcome(0);
  google::protobuf::Empty empty;
  ASSERT_TRUE(Call(&Stub::ReportOutcome, outcome, &empty).ok());
  v1::ListOutcomesRequest list_outcomes;
  list_outcomes.set_parent("jobs/a");
  v1::ListOutcomesResponse outcomes;
  ASSERT_TRUE(Call(&Stub::ListOutcomes, list_outcomes, &outcomes).ok());
  EXPECT_EQ(outcomes.outcomes_size(), 1);

  v1::DeleteJobRequest delete_job;
  delete_job.set_name("jobs/a");
  ASSERT_TRUE(Call(&Stub::DeleteJob, delete_job, &empty).ok());
  EXPECT_EQ(Call(&Stub::DeleteJob, delete_job, &empty).error_code(), grpc::StatusCode::NOT_FOUND);
}

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

TEST(RpcHandlersAccessTest, TheJobsOfATenantAreItsOwn) {
  const std::string tokens_file = ::testing::TempDir() + "/rpc_handlers_tokens.toml";
  std::ofstream(tokens_file) << kTokens;
  const auto access = Access::Create(tokens_file);
  ASSERT_TRUE(access.ok()) << access.status();
  absl::Mutex mutex;
  std::vector<std::string> audit;
  TestServer server({.calls = {.access = access->get(), .audit = [&](const AuditEntry& entry) {
                                 absl::MutexLock lock(&mutex);
                                 audit.push_back(AuditLine(entry));
                               }}});
  const auto stub = server.NewStub();
  const auto create = [&](const std::string& token, uint64_t seed) {
    grpc::ClientContext context;
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
    v1::CreateJobRequest request;
    *request.mutable_job() = TestJob("jobs/same");
    request.mutable_job()->mutable_options()->set_seed(seed);
    v1::Job job;
    return stub->CreateJob(&context, request, &job).error_code();
  };
  EXPECT_EQ(create("", 1), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(create("c", 1), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(create("a", 1), grpc::StatusCode::OK);
  EXPECT_EQ(create("b", 2), grpc::StatusCode::OK) << "another tenant's job of this name is not in the way";
  EXPECT_EQ(create("a", 2), grpc::StatusCode::ALREADY_EXISTS);
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer a");
  v1::CreateJobRequest large;
  *large.mutable_job() = LongTestJob("jobs/large");
  v1::Job job;
  EXPECT_TRUE(stub->CreateJob(&context, large, &job).ok());
  absl::MutexLock lock(&mutex);
  EXPECT_THAT(audit, ::testing::ElementsAre(HasSubstr("code=UNAUTHENTICATED"), HasSubstr("code=UNAUTHENTICATED"),
                                            ::testing::AllOf(HasSubstr("tenant=a "), HasSubstr("code=OK")),
                                            ::testing::AllOf(HasSubstr("tenant=b "), HasSubstr("code=OK")),
                                            ::testing::AllOf(HasSubstr("jobs/large"), HasSubstr("code=OK"))));
}

// No one could say which of them counts.
TEST(RpcHandlersAccessTest, ACallWithTwoTokensIsRefused) {
  const std::string tokens_file = ::testing::TempDir() + "/rpc_handlers_two_tokens.toml";
  std::ofstream(tokens_file) << kTokens;
  const auto access = Access::Create(tokens_file);
  ASSERT_TRUE(access.ok()) << access.status();
  TestServer server({.calls = {.access = access->get()}});
  const auto stub = server.NewStub();
  const auto list = [&](const std::vector<std::string>& tokens) {
    grpc::ClientContext context;
    for (const std::string& token : tokens) context.AddMetadata("authorization", token);
    v1::ListJobsResponse jobs;
    return stub->ListJobs(&context, v1::ListJobsRequest(), &jobs).error_code();
  };
  EXPECT_EQ(list({"Bearer a"}), grpc::StatusCode::OK);
  EXPECT_EQ(list({"Bearer a", "Bearer b"}), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(list({"Bearer a", "Bearer a"}), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(list({"Bearer a", "Bearer unknown"}), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(list({"Bearer a,Bearer b"}), grpc::StatusCode::UNAUTHENTICATED);
}

TEST(RpcHandlersQuotaTest, WhoCallsTooOftenIsToldWhenToComeAgain) {
  const std::string quotas_file = ::testing::TempDir() + "/rpc_handlers_quotas.toml";
  std::ofstream(quotas_file) << "[default]\ncalls_per_second = 1\n";
  const auto quotas = Quotas::Create(quotas_file, [] { return absl::UnixEpoch(); });
  ASSERT_TRUE(quotas.ok()) << quotas.status();
  TestServer server({.calls = {.quotas = quotas->get()}});
  const auto stub = server.NewStub();
  const auto list = [&] {
    grpc::ClientContext context;
    v1::ListJobsResponse jobs;
    return stub->ListJobs(&context, v1::ListJobsRequest(), &jobs);
  };
  EXPECT_TRUE(list().ok());
  const grpc::Status refused = list();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(RetryDelayOf(FromGrpcStatus(refused)).has_value()) << refused.error_message();
}

// A client that sends calls of GetJob and does not read their answers: its window takes less than one of them.
class SlowReader {
 public:
  explicit SlowReader(const TestServer& server) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1024);
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    stub_ = server.NewStub(arguments);
  }

  void Send(const std::string& token = "") {
    v1::GetJobRequest request;
    request.set_name("jobs/large");
    Answer& answer = *answers_.emplace_back(std::make_unique<Answer>());
    if (!token.empty()) answer.context.AddMetadata("authorization", "Bearer " + token);
    answer.reader = stub_->AsyncGetJob(&answer.context, request, &queue_);
    answer.reader->ReadInitialMetadata(nullptr);
  }
  // Waits until the next answer has begun.
  void WaitForNext() {
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue_.Next(&tag, &ok) && ok);
  }
  // Reads everything. Returns how many answers there were.
  int ReadAll() {
    int num_read = 0;
    for (const std::unique_ptr<Answer>& answer : answers_) {
      answer->reader->Finish(&answer->job, &answer->status, nullptr);
      WaitForNext();
      num_read += answer->status.ok() && answer->job.name() == "jobs/large" ? 1 : 0;
    }
    answers_.clear();
    return num_read;
  }

 private:
  struct Answer {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::Job>> reader;
    v1::Job job;
    grpc::Status status;
  };

  std::unique_ptr<Stub> stub_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Answer>> answers_;
};

// Asks for the large job and reads the answer.
absl::Status GetLargeJob(Stub& stub, const std::string& token = "") {
  grpc::ClientContext context;
  if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
  v1::GetJobRequest request;
  request.set_name("jobs/large");
  v1::Job job;
  return FromGrpcStatus(stub.GetJob(&context, request, &job));
}

void CreateLargeJob(TestServer& server, const std::string& tenant) {
  v1::CreateJobRequest create;
  *create.mutable_job() = LongTestJob("jobs/large");
  ASSERT_TRUE(server.engine().jobs().CreateJob(tenant, create).ok());
}

TEST(AnswerMemoryTest, WhoDoesNotReadAnswersIsToComeAgainAndOthersAreServed) {
  const std::string tokens_file = ::testing::TempDir() + "/answer_memory_tokens.toml";
  std::ofstream(tokens_file) << kTokens;
  const auto access = Access::Create(tokens_file);
  ASSERT_TRUE(access.ok()) << access.status();
  TestServer server({.calls = {.access = access->get(), .answer_memory = {.bytes_per_tenant = 500'000}}});
  for (const char* tenant : {"a", "b"}) CreateLargeJob(server, tenant);
  SlowReader reader(server);
  int num_calls = 0;
  const auto stub = server.NewStub();
  absl::Status refused;
  for (; refused.ok(); ++num_calls) {
    ASSERT_LT(num_calls, 100) << "nobody is refused";
    reader.Send("a");
    reader.WaitForNext();
    refused = GetLargeJob(*stub, "a");
  }
  EXPECT_GT(num_calls, 1);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_TRUE(RetryDelayOf(refused).has_value()) << refused;
  EXPECT_LE(server.answer_bytes(), 700'000);
  EXPECT_TRUE(GetLargeJob(*stub, "b").ok());
  EXPECT_GT(reader.ReadAll(), 1);
  while (server.answer_bytes() > 0) std::this_thread::yield();
  EXPECT_TRUE(GetLargeJob(*stub, "a").ok());
}

TEST(AnswerMemoryTest, AnswersOfCallsThatCameInBeforeAreLimitedToo) {
  TestServer server({.engine = {.calls = {.num_threads = 1}}, .calls = {.answer_memory = {.bytes_per_tenant = 1}}});
  CreateLargeJob(server, "");
  absl::Notification has_begun, may_go_on;
  ASSERT_TRUE(server.engine()
                  .calls()
                  .Submit("", 0,
                          [&] {
                            has_begun.Notify();
                            may_go_on.WaitForNotification();
                          })
                  .ok());
  has_begun.WaitForNotification();
  SlowReader reader(server);
  constexpr int kNumCalls = 3;
  for (int i = 0; i < kNumCalls; ++i) reader.Send();
  while (server.engine().calls().load().num_queued < kNumCalls) std::this_thread::yield();
  may_go_on.Notify();
  for (int i = 0; i < kNumCalls; ++i) reader.WaitForNext();
  EXPECT_EQ(reader.ReadAll(), 1);
}

// Counts the jobs that are read.
class CountingStore : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;

  absl::StatusOr<v1::Job> GetJobRevision(int64_t job_id, int64_t revision) override {
    ++num_reads;
    return StoreWrapper::GetJobRevision(job_id, revision);
  }
  absl::StatusOr<std::string> GetSerializedJob(int64_t job_id, int64_t revision) override {
    ++num_reads;
    return StoreWrapper::GetSerializedJob(job_id, revision);
  }

  std::atomic<int> num_reads = 0;
};

// Reading it takes memory, too, which for many threads together is more than the answers may take.
TEST(AnswerMemoryTest, AJobIsNotReadForAnAnswerThatMayNotBeMade) {
  const auto memory = NewMemoryStore();
  CountingStore store(memory.get());
  // Room for one of the answers, and for calls to be taken on beside it.
  const auto size = static_cast<int64_t>(LongTestJob("jobs/large").ByteSizeLong());
  TestServer server({.store = &store, .calls = {.answer_memory = {.bytes_per_tenant = size * 3 / 2}}});
  CreateLargeJob(server, "");
  SlowReader reader(server);
  reader.Send();
  reader.WaitForNext();
  EXPECT_EQ(store.num_reads, 1);
  constexpr int kNumCalls = 20;
  const auto stub = server.NewStub();
  for (int i = 0; i < kNumCalls; ++i) {
    const absl::Status refused = GetLargeJob(*stub);
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    EXPECT_TRUE(RetryDelayOf(refused).has_value()) << refused;
  }
  EXPECT_EQ(store.num_reads, 1);
  EXPECT_EQ(reader.ReadAll(), 1);
}

TEST(AnswerMemoryTest, ACallWhoseCallerHasGoneBeforeItsTurnIsNotBegun) {
  const auto memory = NewMemoryStore();
  CountingStore store(memory.get());
  TestServer server({.store = &store, .engine = {.calls = {.num_threads = 1}}});
  CreateLargeJob(server, "");
  absl::Notification has_begun, may_go_on;
  const auto begin = [&] {
    has_begun.Notify();
    may_go_on.WaitForNotification();
  };
  ASSERT_TRUE(server.engine().calls().Submit("", 0, begin).ok());
  has_begun.WaitForNotification();
  const auto stub = server.NewStub();
  constexpr int kNumCalls = 5;
  std::vector<grpc::ClientContext> contexts(kNumCalls);
  std::vector<std::thread> callers;
  for (grpc::ClientContext& context : contexts) {
    callers.emplace_back([&] {
      v1::GetJobRequest request;
      request.set_name("jobs/large");
      v1::Job job;
      EXPECT_EQ(stub->GetJob(&context, request, &job).error_code(), grpc::StatusCode::CANCELLED);
    });
  }
  while (server.engine().calls().load().num_queued < kNumCalls) std::this_thread::yield();
  for (grpc::ClientContext& context : contexts) context.TryCancel();
  for (std::thread& caller : callers) caller.join();
  // It comes after the cancellations over the same connection, so the server has learned of most of them by then.
  std::thread last([&] { EXPECT_TRUE(GetLargeJob(*stub).ok()); });
  while (server.engine().calls().load().num_queued < kNumCalls + 1) std::this_thread::yield();
  may_go_on.Notify();
  last.join();
  EXPECT_LT(store.num_reads, 1 + kNumCalls);
}

v1::Job GetJob(Stub& stub, const std::string& name) {
  v1::GetJobRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  v1::Job job;
  EXPECT_TRUE(stub.GetJob(&context, request, &job).ok());
  return job;
}

// Holds the first update back until it is released, and counts all.
class HeldUpdates : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;

  absl::Status UpdateJob(int64_t job_id, const v1::Job& job) override {
    EXPECT_EQ(++num_running, 1);
    if (++num_updates == 1) {
      has_begun.Notify();
      may_go_on.WaitForNotification();
    }
    absl::Status status = StoreWrapper::UpdateJob(job_id, job);
    --num_running;
    return status;
  }

  absl::Notification has_begun, may_go_on;
  std::atomic<int> num_updates = 0, num_running = 0;
};

// Otherwise all but one would prepare a large job in vain, and hold the threads that other calls need.
TEST(JobChangesTest, UpdatesOfOneJobAreMadeOneAfterTheOtherAndHoldNoThreadsMeanwhile) {
  constexpr int kNumUpdates = 12;
  const auto memory = NewMemoryStore();
  HeldUpdates store(memory.get());
  TestServer server({.store = &store, .engine = {.calls = {.num_threads = 2}, .changes = {.num_threads = 2}}});
  v1::CreateJobRequest create;
  for (const char* name : {"jobs/a", "jobs/b"}) {
    *create.mutable_job() = TestJob(name);
    ASSERT_TRUE(server.engine().jobs().CreateJob("", create).ok());
  }
  const auto stub = server.NewStub();
  const auto update = [&](const std::string& name, int seed) {
    v1::UpdateJobRequest request;
    request.mutable_job()->set_name(name);
    *request.mutable_job()->mutable_options() = create.job().options();
    request.mutable_job()->mutable_options()->set_seed(seed);
    grpc::ClientContext context;
    v1::Job job;
    const grpc::Status status = stub->UpdateJob(&context, request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
  };
  std::vector<std::thread> callers;
  for (int i = 1; i <= kNumUpdates; ++i) callers.emplace_back(update, "jobs/a", i);
  store.has_begun.WaitForNotification();
  while (server.engine().changes().load().num_queued < kNumUpdates - 1) std::this_thread::yield();
  EXPECT_EQ(GetJob(*stub, "jobs/b").profile_revision(), 1) << "a thread for calls is free";
  store.may_go_on.Notify();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(store.num_updates, kNumUpdates) << "none was made in vain";
  EXPECT_EQ(GetJob(*stub, "jobs/a").profile_revision(), 1 + kNumUpdates);
}

// Says that each job takes all the memory that there is for reading jobs, and holds the first one back that is read.
class LargeJobs : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;

  absl::StatusOr<int64_t> GetJobSize(int64_t job_id, int64_t revision) override {
    ++num_sizes;
    const auto size = StoreWrapper::GetJobSize(job_id, revision);
    return size.ok() ? int64_t{1} << 50 : size;
  }
  absl::StatusOr<v1::Job> GetJobRevision(int64_t job_id, int64_t revision) override {
    has_begun.Notify();
    may_go_on.WaitForNotification();
    return StoreWrapper::GetJobRevision(job_id, revision);
  }

  absl::Notification has_begun, may_go_on;
  std::atomic<int> num_sizes = 0;
};

TEST(JobMemoryTest, WhoWaitsForItWhileTheDaemonDrainsIsToldToTryAgain) {
  const auto memory = NewMemoryStore();
  v1::CreateJobRequest create;
  for (const char* name : {"jobs/a", "jobs/b"}) {
    *create.mutable_job() = TestJob(name);
    ASSERT_TRUE(JobDirectory(memory.get(), {}).CreateJob("", create).ok());
  }
  LargeJobs store(memory.get());
  TestServer server({.store = &store});
  const auto stub = server.NewStub();
  const auto plan_round = [&](const std::string& job) {
    v1::PlanRoundRequest request;
    request.set_job(job);
    *request.mutable_report() = TestReport(0);
    grpc::ClientContext context;
    v1::Plan plan;
    return stub->PlanRound(&context, request, &plan).error_code();
  };
  std::thread first([&] { plan_round("jobs/a"); });
  store.has_begun.WaitForNotification();
  std::thread second([&] { EXPECT_EQ(plan_round("jobs/b"), grpc::StatusCode::UNAVAILABLE); });
  while (store.num_sizes < 2) std::this_thread::yield();
  server.Drain();
  second.join();
  store.may_go_on.Notify();
  first.join();
}

// A request of `num_ops` empty ops, each of which takes two bytes on the wire and fifty times as much in memory.
v1::SolveRequest RequestOfEmptyOps(int num_ops) {
  v1::SolveRequest request;
  for (int i = 0; i < num_ops; ++i) request.mutable_profile()->add_ops();
  return request;
}

TEST_F(RpcHandlersTest, ARequestThatWouldTakeTooMuchMemoryIsNotRead) {
  v1::Plan plan;
  const grpc::Status status = Call(&Stub::Solve, RequestOfEmptyOps(4'000'000), &plan);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(RetryDelayOf(FromGrpcStatus(status)), std::nullopt) << "it is too large for good";
  EXPECT_THAT(status.error_message(), HasSubstr("would take more than 256 MiB once read"));
  EXPECT_EQ(Call(&Stub::Solve, RequestOfEmptyOps(100'000), &plan).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(RpcHandlersTest, ALargeRequestForAWatchIsNotRead) {
  v1::WatchPlansRequest request;
  request.set_parent(std::string(20000, 'a'));
  grpc::ClientContext context;
  v1::Plan plan;
  const auto reader = stub_->WatchPlans(&context, request);
  EXPECT_FALSE(reader->Read(&plan));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("allowed: at most 16384 for this RPC"));
}

TEST(RequestMemoryTest, WhileItIsTakenLargeRequestsAreToComeAgainAndSmallOnesAreServed) {
  TestServer server({.calls = {.request_memory_bytes = 4 << 20}});
  const auto stub = server.NewStub();
  const auto code_and_delay = [&](const v1::SolveRequest& request) {
    grpc::ClientContext context;
    v1::Plan plan;
    const absl::Status status = FromGrpcStatus(stub->Solve(&context, request, &plan));
    return std::pair(status.code(), RetryDelayOf(status).has_value());
  };
  const std::pair bad(absl::StatusCode::kInvalidArgument, false);
  EXPECT_EQ(code_and_delay(RequestOfEmptyOps(1000)), bad);
  EXPECT_EQ(code_and_delay(RequestOfEmptyOps(100'000)), std::pair(absl::StatusCode::kResourceExhausted, true));
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(code_and_delay(RequestOfEmptyOps(9'000)), bad) << "what was taken is given back";
}

// Those that wait for their turn take none yet.
TEST(RequestMemoryTest, LargeRequestsAreReadWhereTheirWorkIsDone) {
  TestServer server({.engine = {.searches = {.num_threads = 1}}, .calls = {.request_memory_bytes = 4 << 20}});
  absl::Notification has_begun, may_go_on;
  ASSERT_TRUE(server.engine()
                  .searches()
                  .Submit("", 0,
                          [&] {
                            has_begun.Notify();
                            may_go_on.WaitForNotification();
                          })
                  .ok());
  has_begun.WaitForNotification();
  constexpr int kNumCalls = 5;  // Of which one takes half of the memory.
  const v1::SolveRequest request = RequestOfEmptyOps(20'000);
  const auto stub = server.NewStub();
  std::vector<std::thread> callers;
  for (int i = 0; i < kNumCalls; ++i) {
    callers.emplace_back([&] {
      grpc::ClientContext context;
      v1::Plan plan;
      EXPECT_EQ(stub->Solve(&context, request, &plan).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    });
  }
  while (server.engine().searches().load().num_queued < kNumCalls) std::this_thread::yield();
  may_go_on.Notify();
  for (std::thread& caller : callers) caller.join();
}

// A rank that waits for others holds nothing of its report.
TEST(RequestMemoryTest, CallsThatWaitTakeNone) {
  constexpr int kNumRanks = 100;  // Whose reports together take more than the limit.
  TestServer server({.calls = {.request_memory_bytes = 3 << 20}});
  const auto stub = server.NewStub();
  v1::CreateJobRequest create;
  *create.mutable_job() = LongTestJob("jobs/a");
  create.mutable_job()->set_world_size(kNumRanks);
  v1::Job job;
  grpc::ClientContext create_context;
  ASSERT_TRUE(stub->CreateJob(&create_context, create, &job).ok());
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < kNumRanks; ++rank) {
    ranks.emplace_back([&, rank] {
      v1::PlanRoundRequest round;
      round.set_job("jobs/a");
      *round.mutable_report() = LongTestReport(0);  // 24 KB on the wire.
      round.mutable_report()->set_rank(rank);
      v1::Plan plan;
      absl::Status status;
      do {
        grpc::ClientContext context;
        status = FromGrpcStatus(stub->PlanRound(&context, round, &plan));
      } while (RetryDelayOf(status).has_value());
      EXPECT_TRUE(status.ok()) << status;
    });
  }
  for (std::thread& rank : ranks) rank.join();
}

}  // namespace
}  // namespace greenplan
