// PlanRound calls that wait for other ranks, over gRPC.

#include <cstdint>
#include <filesystem>
#include <iterator>
#include <list>
#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "planner/job/test_jobs.h"
#include "planner/service/test_server.h"
#include "planner/store/memory/memory_store.h"

namespace greenplan {
namespace {

constexpr char kJob[] = "jobs/a";

// A PlanRound call in progress, as a rank's process has it. It holds no thread.
class RankCall {
 public:
  RankCall(v1::PlannerService::Stub& stub, int32_t rank, absl::Duration timeout = absl::Minutes(1)) {
    request_.set_job(kJob);
    *request_.mutable_report() = TestReport(0);
    request_.mutable_report()->set_rank(rank);
    context_.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    stub.async()->PlanRound(&context_, &request_, &plan_, [this](const grpc::Status& status) {
      status_ = status;
      ended_.Notify();
    });
  }
  ~RankCall() { Wait(); }
  RankCall(const RankCall&) = delete;
  RankCall& operator=(const RankCall&) = delete;

  void Cancel() { context_.TryCancel(); }
  bool has_ended() const { return ended_.HasBeenNotified(); }
  const grpc::Status& Wait() const {
    ended_.WaitForNotification();
    return status_;
  }
  std::string PlanBytes() const {
    EXPECT_TRUE(Wait().ok()) << Wait().error_message();
    return plan_.SerializeAsString();
  }

 private:
  v1::PlanRoundRequest request_;
  grpc::ClientContext context_;
  v1::Plan plan_;
  grpc::Status status_;
  absl::Notification ended_;
};

class WaitingCallsTest : public ::testing::Test {
 protected:
  void CreateJob(int32_t world_size) {
    v1::CreateJobRequest request;
    *request.mutable_job() = TestJob(kJob);
    request.mutable_job()->set_world_size(world_size);
    ASSERT_TRUE(server_.engine().jobs().CreateJob("", request).ok());
  }
  // Waits until the store has this many reports of round 0.
  void WaitForReports(int64_t count) {
    const int64_t job_id = store_->GetJobHead({"", kJob})->id;
    for (;;) {
      const auto round = store_->GetRound(job_id, 0);
      if (round.ok() && round->num_reports >= count) return;
      absl::SleepFor(absl::Milliseconds(1));
    }
  }

  const std::unique_ptr<Store> store_ = NewMemoryStore();
  TestServer server_{{.store = store_.get()}};
  TestServer other_{{.store = store_.get()}};
  const std::unique_ptr<v1::PlannerService::Stub> stub_ = server_.NewStub();
  const std::unique_ptr<v1::PlannerService::Stub> other_stub_ = other_.NewStub();
};

TEST_F(WaitingCallsTest, RanksOfTwoReplicasGetTheSameBytes) {
  CreateJob(3);
  const RankCall first(*stub_, 0);
  const RankCall second(*other_stub_, 1);
  WaitForReports(2);
  EXPECT_FALSE(first.has_ended());
  EXPECT_FALSE(second.has_ended());
  const RankCall last(*other_stub_, 2);
  EXPECT_EQ(first.PlanBytes(), last.PlanBytes());
  EXPECT_EQ(second.PlanBytes(), last.PlanBytes());
}

TEST_F(WaitingCallsTest, AReportCountsThoughItsCallWasCancelled) {
  CreateJob(2);
  RankCall gone(*stub_, 0);
  WaitForReports(1);
  gone.Cancel();
  EXPECT_EQ(gone.Wait().error_code(), grpc::StatusCode::CANCELLED);
  const RankCall last(*stub_, 1);
  const RankCall again(*stub_, 0);
  EXPECT_EQ(again.PlanBytes(), last.PlanBytes());
}

TEST_F(WaitingCallsTest, AReportCountsThoughItsCallHasRunOutOfTime) {
  CreateJob(2);
  const RankCall impatient(*stub_, 0, absl::Milliseconds(200));
  EXPECT_EQ(impatient.Wait().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  WaitForReports(1);
  const RankCall last(*stub_, 1);
  EXPECT_TRUE(last.Wait().ok()) << last.Wait().error_message();
}

TEST_F(WaitingCallsTest, DeletingTheJobEndsTheCallsOfAllReplicas) {
  CreateJob(3);
  const RankCall here(*stub_, 0);
  const RankCall there(*other_stub_, 1);
  WaitForReports(2);
  grpc::ClientContext context;
  v1::DeleteJobRequest request;
  request.set_name(kJob);
  google::protobuf::Empty empty;
  ASSERT_TRUE(stub_->DeleteJob(&context, request, &empty).ok());
  EXPECT_EQ(here.Wait().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(there.Wait().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(WaitingCallsTest, ADrainingReplicaAnswersUnavailableAndAnotherOneThePlan) {
  CreateJob(2);
  const RankCall waiting(*stub_, 0);
  WaitForReports(1);
  server_.Drain();
  EXPECT_EQ(waiting.Wait().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(RankCall(*stub_, 0).Wait().error_code(), grpc::StatusCode::UNAVAILABLE);
  const RankCall moved_on(*other_stub_, 0);
  const RankCall last(*other_stub_, 1);
  EXPECT_EQ(moved_on.PlanBytes(), last.PlanBytes());
}

TEST_F(WaitingCallsTest, HoldNoThread) {
  constexpr int32_t kRanks = 1000;
  CreateJob(kRanks + 1);
  const auto num_threads = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator());
  };
  const auto before = num_threads();
  std::list<RankCall> calls;
  for (int32_t rank = 0; rank < kRanks; ++rank) calls.emplace_back(rank % 2 == 0 ? *stub_ : *other_stub_, rank);
  WaitForReports(kRanks);
  EXPECT_LT(num_threads() - before, 50) << "gRPC starts a few of its own";
  const RankCall last(*stub_, kRanks);
  for (const RankCall& call : calls) ASSERT_EQ(call.PlanBytes(), last.PlanBytes());
}

}  // namespace
}  // namespace greenplan
