// A daemon that is killed again and again under many writers.

#include <signal.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/client/planner_channel.h"
#include "planner/store/open_store.h"
#include "tests/reliability/answer_check.h"
#include "tests/reliability/stress_row.h"
#include "tests/replicas/training.h"
#include "tests/service/daemon_process.h"
#include "tests/service/reserved_port.h"

namespace greenplan {
namespace {

using ::testing::IsEmpty;

constexpr absl::Duration kReadyAgain = absl::Seconds(2);

class DaemonKillTest : public ::testing::Test {
 protected:
  // Starts the daemon and notes how long that took. Its start includes SQLite's integrity check and the comparison of
  // every message with its checksum.
  void Start() {
    const absl::Time start = absl::Now();
    daemon_ = std::make_unique<ServingDaemon>(data_.path(), Flags());
    slowest_start_ = std::max(slowest_start_, absl::Now() - start);
  }

  // Kills the daemon, and now and then also one that is about to start on what the first has left.
  void Kill(bool also_while_starting) {
    daemon_->process().Signal(SIGKILL);
    EXPECT_EQ(daemon_->process().Wait(), -SIGKILL);
    if (!also_while_starting) return;
    std::vector<std::string> arguments = Flags();
    arguments.insert(arguments.end(), {"--data-dir", data_.path(), "--http-listen", ""});
    DaemonProcess starting(arguments);
    absl::SleepFor(absl::Milliseconds(random_() % 100));
    starting.Signal(SIGKILL);
    EXPECT_EQ(starting.Wait(), -SIGKILL) << starting.errors();
  }

  std::string store_file() const { return data_.path() + "/greenplan.sqlite"; }

  const TemporaryFolder data_;
  const ReservedPort port_;
  std::unique_ptr<ServingDaemon> daemon_;
  absl::Duration slowest_start_;
  std::mt19937 random_{1};

 private:
  std::vector<std::string> Flags() const { return {"--listen", port_.address()}; }
};

TEST_F(DaemonKillTest, LosesNothingThatWasAcknowledgedAndServesAgainAtOnce) {
  StressRow row("0 answers lost or changed, the daemon's check of the database passes, ready again in < 2 s");
  Start();
  const auto address = [this](int32_t) { return port_.address(); };
  // 64 writers: the report and the plan of a round are one commit where a job has one rank.
  Training alone({.name = "jobs/alone-", .num_jobs = 32, .world_size = 1, .addresses = address, .rounds_per_job = 50});
  Training in_pairs(
      {.name = "jobs/pair-", .num_jobs = 16, .world_size = 2, .addresses = address, .rounds_per_job = 50});
  const std::array<Training*, 2> trainings = {&alone, &in_pairs};
  const auto planner = PlannerChannel::Create(port_.address(), {});
  ASSERT_TRUE(planner.ok()) << planner.status();
  std::vector<std::string> faults;
  const int64_t num_kills = Repetitions(20, 200);
  for (int64_t i = 0; i < num_kills; ++i) {
    for (Training* training : trainings) training->Resume();
    for (Training* training : trainings) {
      const int64_t num_more = 50 + static_cast<int64_t>(random_() % 100);
      ASSERT_TRUE(training->history().WaitForPlans(training->history().num_plans() + num_more));
    }
    Kill(/*also_while_starting=*/i % 5 == 4);
    // What was cut off is tried again, and nothing else: the check is to keep pace.
    for (Training* training : trainings) training->Pause();
    Start();
    for (Training* training : trainings) {
      const auto changed = FindChangedAnswers(training->history().TakeNewAnswers(), **planner);
      faults.insert(faults.end(), changed.begin(), changed.end());
    }
    ASSERT_THAT(faults, IsEmpty()) << "after kill " << i;
  }
  for (Training* training : trainings) training->Stop();
  daemon_->process().Signal(SIGTERM);
  EXPECT_EQ(daemon_->process().Wait(), 0) << daemon_->process().errors();

  const auto store = StoreUri::Sqlite(store_file()).Open();  // Checks the file too.
  ASSERT_TRUE(store.ok()) << store.status();
  int64_t num_answers = 0;
  for (Training* training : trainings) {
    num_answers += training->history().num_answers();
    const auto lost = training->history().FindFaults(**store);
    faults.insert(faults.end(), lost.begin(), lost.end());
  }
  EXPECT_THAT(faults, IsEmpty());
  // A test that shares the machine with others takes no times.
  if (IsLongForm()) {
    EXPECT_LT(slowest_start_, kReadyAgain);
  }
  row.Report(
      absl::StrCat("the daemon killed ", num_kills, " times under 64 writers"),
      absl::StrFormat("%d of %d answers lost or changed; the slowest start took %.2f s, the file grew to %.0f MB",
                      faults.size(), num_answers, absl::ToDoubleSeconds(slowest_start_),
                      static_cast<double>(std::filesystem::file_size(store_file())) / 1e6));
}

}  // namespace
}  // namespace greenplan
