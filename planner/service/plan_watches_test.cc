#include "planner/service/plan_watches.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "grpcpp/client_context.h"
#include "grpcpp/support/channel_arguments.h"
#include "gtest/gtest.h"
#include "planner/job/test_jobs.h"
#include "planner/service/plan_waiter.h"
#include "planner/service/test_server.h"
#include "planner/store/memory/memory_store.h"

namespace greenplan {
namespace {

const JobKey kKey = {"", "jobs/a"};

// An open WatchPlans call, as a client has it.
class Watch {
 public:
  Watch(v1::PlannerService::Stub& stub, const std::string& job, int64_t start_round = 0) {
    v1::WatchPlansRequest request;
    request.set_parent(job);
    request.set_start_round(start_round);
    context_->set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    reader_ = stub.WatchPlans(context_.get(), request);
  }

  // The round of the next plan. -1 once the call has ended.
  int64_t NextRound() {
    v1::Plan plan;
    return reader_->Read(&plan) ? plan.round() : -1;
  }
  void Cancel() { context_->TryCancel(); }
  grpc::Status End() {
    EXPECT_EQ(NextRound(), -1);
    return reader_->Finish();
  }

 private:
  std::unique_ptr<grpc::ClientContext> context_ = std::make_unique<grpc::ClientContext>();
  std::unique_ptr<grpc::ClientReader<v1::Plan>> reader_;
};

class PlanWatchesTest : public ::testing::Test {
 protected:
  void CreateJob() {
    v1::CreateJobRequest request;
    *request.mutable_job() = TestJob(kKey.name);
    ASSERT_TRUE(server_.engine().jobs().CreateJob(kKey.tenant, request).ok());
  }
  void DeleteJob() {
    v1::DeleteJobRequest request;
    request.set_name(kKey.name);
    ASSERT_TRUE(server_.engine().jobs().DeleteJob(kKey.tenant, request).ok());
  }
  static void PlanRound(TestServer& server, int64_t round) {
    const PlanWaiter waiter(server.engine().rounds(), kKey, TestReport(round));
    ASSERT_TRUE(waiter.Wait().ok()) << waiter.Wait().status();
  }

  const std::unique_ptr<Store> store_ = NewMemoryStore();
  TestServer server_{{.store = store_.get()}};
  const std::unique_ptr<v1::PlannerService::Stub> stub_ = server_.NewStub();
};

TEST_F(PlanWatchesTest, SendsThePlansThatAreThereThenEachNewOne) {
  CreateJob();
  constexpr int64_t kThere = 40;  // More than are read at once.
  for (int64_t round = 0; round < kThere; ++round) PlanRound(server_, round);
  Watch from_start(*stub_, kKey.name);
  Watch from_later(*stub_, kKey.name, kThere + 1);
  for (int64_t round = 0; round < kThere; ++round) EXPECT_EQ(from_start.NextRound(), round);
  for (int64_t round = kThere; round < kThere + 3; ++round) {
    PlanRound(server_, round);
    EXPECT_EQ(from_start.NextRound(), round);
  }
  EXPECT_EQ(from_later.NextRound(), kThere + 1);
  EXPECT_EQ(from_later.NextRound(), kThere + 2);
}

TEST_F(PlanWatchesTest, SeesThePlansOfOtherReplicas) {
  CreateJob();
  Watch watch(*stub_, kKey.name);
  TestServer other({.store = store_.get()});
  for (int64_t round = 0; round < 3; ++round) {
    PlanRound(other, round);
    EXPECT_EQ(watch.NextRound(), round);
  }
}

TEST_F(PlanWatchesTest, RefusesWhatCannotBeWatched) {
  EXPECT_EQ(Watch(*stub_, kKey.name).End().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Watch(*stub_, "a").End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  CreateJob();
  const grpc::Status negative = Watch(*stub_, kKey.name, -1).End();
  EXPECT_EQ(negative.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(negative.error_message(), "start_round is -1; allowed: 0 or above");
}

TEST_F(PlanWatchesTest, EndsWithNotFoundWhenTheJobIsDeletedThoughAnotherTakesItsName) {
  CreateJob();
  PlanRound(server_, 0);
  Watch watch(*stub_, kKey.name);
  EXPECT_EQ(watch.NextRound(), 0);
  Watch idle(*stub_, kKey.name, 5);
  DeleteJob();
  CreateJob();
  PlanRound(server_, 0);
  EXPECT_EQ(watch.End().error_code(), grpc::StatusCode::NOT_FOUND);
  // This one may not have looked the job up before it was deleted; it is then one of the new job.
  idle.Cancel();
}

// Deletes the job between the two reads of a watch that begins.
TEST_F(PlanWatchesTest, EndsWhenTheJobIsDeletedWhileItIsLookedUp) {
  for (int i = 0; i < 50; ++i) {
    CreateJob();
    Watch watch(*stub_, kKey.name);
    DeleteJob();
    EXPECT_EQ(watch.End().error_code(), grpc::StatusCode::NOT_FOUND);
  }
}

TEST_F(PlanWatchesTest, DrainingEndsWatchesAndRefusesLaterOnes) {
  CreateJob();
  PlanRound(server_, 0);
  Watch watch(*stub_, kKey.name);
  EXPECT_EQ(watch.NextRound(), 0);
  server_.Drain();
  EXPECT_EQ(watch.End().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Watch(*stub_, kKey.name).End().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(PlanWatchesTest, AClientThatHasGoneEndsItsWatch) {
  CreateJob();
  PlanRound(server_, 0);
  Watch watch(*stub_, kKey.name);
  EXPECT_EQ(watch.NextRound(), 0);
  watch.Cancel();
  EXPECT_EQ(watch.End().error_code(), grpc::StatusCode::CANCELLED);
  PlanRound(server_, 1);
}

// What a watch has read from the store waits for its client, like an answer.
TEST_F(PlanWatchesTest, PlansThatNobodyTakesCountAndAreGivenBack) {
  TestServer server({.store = store_.get(), .calls = {.answer_memory = {.bytes_per_tenant = 1}}});
  CreateJob();
  for (int64_t round = 0; round < 20; ++round) PlanRound(server, round);
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  const auto slow_stub = server.NewStub(arguments);
  Watch slow(*slow_stub, kKey.name);
  EXPECT_EQ(slow.NextRound(), 0);
  EXPECT_GT(server.answer_bytes(), 0);
  const auto stub = server.NewStub();
  EXPECT_EQ(Watch(*stub, kKey.name).End().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  for (int64_t round = 1; round < 20; ++round) EXPECT_EQ(slow.NextRound(), round);
  while (server.answer_bytes() > 0) std::this_thread::yield();
  Watch next(*stub, kKey.name);
  EXPECT_EQ(next.NextRound(), 0);
}

TEST_F(PlanWatchesTest, HoldsNoThread) {
  CreateJob();
  const auto num_threads = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator());
  };
  const auto before = num_threads();
  std::vector<Watch> watches;
  for (int i = 0; i < 500; ++i) watches.emplace_back(*stub_, kKey.name);
  PlanRound(server_, 0);
  for (Watch& watch : watches) ASSERT_EQ(watch.NextRound(), 0);
  EXPECT_LT(num_threads() - before, 50) << "gRPC starts a few of its own";
  PlanRound(server_, 1);
  for (Watch& watch : watches) ASSERT_EQ(watch.NextRound(), 1);
}

}  // namespace
}  // namespace greenplan
