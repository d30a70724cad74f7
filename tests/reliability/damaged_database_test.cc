// A daemon whose database a medium has damaged while it was down.

#include <signal.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "greenplan/v1/planner_service.pb.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "planner/client/planner_channel.h"
#include "planner/job/test_jobs.h"
#include "planner/store/testing/damage.h"
#include "tests/reliability/stress_row.h"
#include "tests/replicas/training.h"
#include "tests/service/daemon_process.h"

namespace greenplan {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kCriterion[] = "refused in one line that names the file, or served as it was written; no crash";
constexpr int64_t kNumRounds = 60;
constexpr absl::Duration kTimeout = absl::Minutes(1);

void Write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

class DamagedDatabaseTest : public ::testing::Test {
 protected:
  // Lets a daemon be killed that had been stopped cleanly after half of the rounds: the other half is in the log alone.
  DamagedDatabaseTest() {
    for (const int64_t first : {int64_t{0}, kNumRounds / 2}) {
      ServingDaemon daemon(data_.path());
      Plan(daemon, first, first + kNumRounds / 2);
      const bool is_last = first > 0;
      daemon.process().Signal(is_last ? SIGKILL : SIGTERM);
      EXPECT_EQ(daemon.process().Wait(), is_last ? -SIGKILL : 0);
    }
    file_ = ReadAll(path_);
    log_ = ReadAll(path_ + "-wal");
    EXPECT_FALSE(file_.empty());
    EXPECT_FALSE(log_.empty());
  }

  void PutFiles(const std::string& file, const std::string& log) const {
    std::filesystem::remove(path_ + "-shm");
    Write(path_, file);
    Write(path_ + "-wal", log);
  }

  enum class Result { kRefused, kServedAll, kServedWithoutLast };

  // Starts a daemon. Whatever it says must be true. `num_rounds_at_least`: what it must have, if it serves.
  Result Try(int64_t num_rounds_at_least) {
    ServingDaemon daemon = ServingDaemon::Try(data_.path());
    if (daemon.address().empty()) {
      ExpectRefusal(daemon.process());
      return Result::kRefused;
    }
    const int64_t num_rounds = ExpectTruth(daemon.address());
    EXPECT_GE(num_rounds, num_rounds_at_least);
    daemon.process().Signal(SIGKILL);
    EXPECT_EQ(daemon.process().Wait(), -SIGKILL) << "ended by itself: " << daemon.process().errors();
    return num_rounds == kNumRounds ? Result::kServedAll : Result::kServedWithoutLast;
  }

  void ExpectRefusal(DaemonProcess& process) const {
    EXPECT_THAT(process.Wait(), AnyOf(1, 2));
    const std::string errors = process.errors();
    EXPECT_THAT(errors, StartsWith("greenpland: "));
    EXPECT_THAT(errors, HasSubstr(path_));
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
  }

  // Every answer is what was written, and rounds are lacking at the end alone. Returns how many are there.
  int64_t ExpectTruth(const std::string& address) const {
    const auto planner = PlannerChannel::Create(address, {});
    v1::GetJobRequest get_job;
    get_job.set_name("jobs/a");
    EXPECT_EQ(Call<v1::Job>(**planner, "GetJob", get_job).SerializeAsString(), job_.SerializeAsString());
    v1::ListPlansRequest list;
    list.set_parent("jobs/a");
    list.set_page_size(1000);
    const auto plans = Call<v1::ListPlansResponse>(**planner, "ListPlans", list);
    for (int i = 0; i < plans.plans_size(); ++i) {
      EXPECT_EQ(plans.plans(i).SerializeAsString(), plans_[i].SerializeAsString());
    }
    v1::ListOutcomesRequest list_outcomes;
    list_outcomes.set_parent("jobs/a");
    list_outcomes.set_page_size(1000);
    const auto outcomes = Call<v1::ListOutcomesResponse>(**planner, "ListOutcomes", list_outcomes);
    for (int i = 0; i < outcomes.outcomes_size(); ++i) {
      EXPECT_EQ(outcomes.outcomes(i).SerializeAsString(), TestOutcome(i).SerializeAsString());
    }
    // A round's outcome was written after its plan.
    EXPECT_THAT(plans.plans_size() - outcomes.outcomes_size(), AnyOf(0, 1));
    // The daemon goes on from there.
    v1::PlanRoundRequest next;
    next.set_job("jobs/a");
    *next.mutable_report() = MakeReport(plans.plans_size(), /*rank=*/0);
    Call<v1::Plan>(**planner, "PlanRound", next);
    return plans.plans_size();
  }

  template <typename Response>
  static Response Call(PlannerChannel& planner, const char* method, const google::protobuf::Message& request) {
    Response response;
    const absl::Status status = planner.Call(method, request, response, kTimeout);
    EXPECT_TRUE(status.ok()) << method << ": " << status;
    return response;
  }

  void Plan(const ServingDaemon& daemon, int64_t first, int64_t end) {
    const auto planner = Connect({.planner = daemon.address(), .timeout = kTimeout});
    const auto job = (*planner)->CreateJob(TestJob("jobs/a"));
    ASSERT_TRUE(job.ok()) << job.status();
    job_ = *job;
    for (int64_t round = first; round < end; ++round) {
      const auto plan = (*planner)->PlanRound("jobs/a", MakeReport(round, /*rank=*/0));
      ASSERT_TRUE(plan.ok()) << plan.status();
      plans_.push_back(*plan);
      ASSERT_TRUE((*planner)->ReportOutcome("jobs/a", TestOutcome(round)).ok());
    }
  }

  const TemporaryFolder data_;
  const std::string path_ = data_.path() + "/greenplan.sqlite";
  v1::Job job_;
  std::vector<v1::Plan> plans_;
  std::string file_;
  std::string log_;
  std::mt19937 random_{1};
};

// The log's pages replace those of the file, so the file is damaged behind an empty log. A file of no bytes is a new
// one.
TEST_F(DamagedDatabaseTest, ADamagedFileIsRefusedOrServedAsItWasWritten) {
  StressRow row(kCriterion);
  const int64_t num_variants = Repetitions(10, 100);
  int64_t num_refused = 0;
  for (int64_t i = 0; i < num_variants; ++i) {
    std::string file = file_;
    const std::string what = Damage(random_, file);
    SCOPED_TRACE(absl::StrCat("variant ", i, ": ", what));
    if (file.empty()) continue;
    PutFiles(file, "");
    if (Try(kNumRounds / 2) == Result::kRefused) ++num_refused;
  }
  EXPECT_GE(num_refused, num_variants / 4) << "much of the file is in use";
  row.Report(absl::StrCat("a daemon started on each of ", num_variants,
                          " files that were truncated, had a bit flipped or a sector zeroed"),
             absl::StrCat(num_refused, " refused, ", num_variants - num_refused,
                          " served as they were written, the damage being in bytes that are not in use"));
}

// SQLite ends its reading of the log at the first frame whose checksum is wrong, as after a power failure.
TEST_F(DamagedDatabaseTest, ADamagedLogIsServedUpToTheDamage) {
  StressRow row(kCriterion);
  const int64_t num_variants = Repetitions(10, 100);
  int64_t num_complete = 0;
  for (int64_t i = 0; i < num_variants; ++i) {
    std::string log = log_;
    const std::string what = Damage(random_, log);
    SCOPED_TRACE(absl::StrCat("variant ", i, ": ", what));
    PutFiles(file_, log);
    const Result result = Try(kNumRounds / 2);
    EXPECT_NE(result, Result::kRefused);
    if (result == Result::kServedAll) ++num_complete;
  }
  row.Report(absl::StrCat("a daemon started on each of ", num_variants, " logs damaged in the same ways"),
             absl::StrCat(num_complete, " served with all rounds, ", num_variants - num_complete,
                          " with the rounds before the damage"));
}

TEST_F(DamagedDatabaseTest, AFileThatHasLostItsContentIsNotTakenForANewOne) {
  PutFiles("", log_);
  EXPECT_EQ(Try(kNumRounds), Result::kRefused);
  PutFiles(file_, log_);
  EXPECT_EQ(Try(kNumRounds), Result::kServedAll);
}

}  // namespace
}  // namespace greenplan
