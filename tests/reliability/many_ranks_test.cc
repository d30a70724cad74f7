// A job of a thousand ranks, of which one is late and one is dead.

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "planner/job/test_jobs.h"
#include "tests/reliability/process_stats.h"
#include "tests/reliability/stress_row.h"
#include "tests/service/daemon_process.h"

namespace greenplan {
namespace {

// A rank with a connection of its own.
class Rank {
 public:
  Rank(const std::string& address, int32_t number) : number_(number) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ =
        v1::PlannerService::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  }

  // Reports for a round; `done` is called once the answer is there.
  void Report(int64_t round, const std::function<void()>& done) {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(absl::ToChronoTime(absl::Now() + absl::Minutes(2)));
    request_.set_job("jobs/a");
    *request_.mutable_report() = TestReport(round);
    request_.mutable_report()->set_rank(number_);
    request_.mutable_report()->set_importance(0, 1 + 0.001 * number_);
    stub_->async()->PlanRound(context_.get(), &request_, &plan_, [this, done](const grpc::Status& status) {
      status_ = status;
      done();
    });
  }

  // The answer. Call these once there is one.
  const grpc::Status& status() const { return status_; }
  std::string plan_bytes() const { return plan_.SerializeAsString(); }

 private:
  const int32_t number_;
  std::unique_ptr<v1::PlannerService::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> context_;
  v1::PlanRoundRequest request_;
  v1::Plan plan_;
  grpc::Status status_;
};

TEST(ManyRanksTest, TheRoundEndsByQuorumWithoutTheLateAndTheDead) {
  StressRow row("the round ends by quorum, all but the dead one hold the same bytes");
  const int world_size = ShortOrLong(200, 1000);
  const absl::Duration quorum_timeout = absl::Seconds(ShortOrLong(1, 3)), lateness = absl::Seconds(ShortOrLong(2, 5));
  const TemporaryFolder data;
  ServingDaemon daemon(data.path());
  v1::Job job = TestJob("jobs/a");
  job.set_world_size(world_size);
  job.mutable_quorum_timeout()->set_seconds(absl::ToInt64Seconds(quorum_timeout));
  ASSERT_TRUE((*Connect({.planner = daemon.address()}))->CreateJob(job).ok());
  std::vector<std::unique_ptr<Rank>> ranks;  // Without the last one, which is dead.
  for (int32_t number = 0; number < world_size - 1; ++number) {
    ranks.push_back(std::make_unique<Rank>(daemon.address(), number));
  }
  const int64_t num_threads_before = CountThreads(daemon.process().pid());
  int64_t num_threads = 0;
  absl::Duration longest_after_quorum;
  const int64_t num_rounds = Repetitions(1, 10);
  for (int64_t round = 0; round < num_rounds; ++round) {
    const absl::Time start = absl::Now();
    absl::BlockingCounter waiting(world_size - 2);
    absl::Notification late_one_has_plan;
    for (int i = 1; i < world_size - 1; ++i) ranks[i]->Report(round, [&] { waiting.DecrementCount(); });
    num_threads = std::max(num_threads, CountThreads(daemon.process().pid()));
    waiting.Wait();
    const absl::Duration took = absl::Now() - start;
    EXPECT_GE(took, quorum_timeout);
    longest_after_quorum = std::max(longest_after_quorum, took - quorum_timeout);
    absl::SleepFor(start + lateness - absl::Now());
    ranks[0]->Report(round, [&] { late_one_has_plan.Notify(); });
    late_one_has_plan.WaitForNotification();
    std::set<std::string> plans;
    for (const auto& rank : ranks) {
      ASSERT_TRUE(rank->status().ok()) << rank->status().error_message();
      plans.insert(rank->plan_bytes());
    }
    EXPECT_EQ(plans.size(), 1u) << "round " << round;
  }
  EXPECT_LE(longest_after_quorum, absl::Seconds(ShortOrLong(30, 2)));
  EXPECT_LE(num_threads - num_threads_before, 64) << "those that wait hold no thread each";
  row.Report(
      absl::StrCat(num_rounds, " rounds of ", world_size, " ranks, one of them late by ",
                   absl::FormatDuration(lateness), ", one dead; quorum timeout ", absl::FormatDuration(quorum_timeout)),
      absl::StrFormat("the %d others got one plan, the last of them %s after the timeout; the late one got the "
                      "same",
                      world_size - 2, Rounded(longest_after_quorum)));
}

}  // namespace
}  // namespace greenplan
