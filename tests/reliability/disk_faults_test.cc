// A daemon whose disk is full, read-only or broken for a while.

#include "tests/reliability/disk_faults.h"

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/client/planner_channel.h"
#include "planner/store/open_store.h"
#include "tests/reliability/answer_check.h"
#include "tests/reliability/impatient_ranks.h"
#include "tests/reliability/stress_row.h"
#include "tests/service/daemon_process.h"
#include "tests/service/reserved_port.h"

namespace greenplan {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr char kCriterion[] =
    "UNAVAILABLE and no other error, no answer of OK lost, in service within 5 s of the disk's recovery";
constexpr int kNumRanks = 8;
constexpr absl::Duration kRecovery = absl::Seconds(5);
constexpr absl::Duration kTimeout = absl::Minutes(1);

// What ranks go through while a disk fails and recovers, again and again.
class FailingDisk {
 public:
  explicit FailingDisk(const std::string& data_dir) : data_dir_(data_dir) {
    daemon_ = std::make_unique<ServingDaemon>(data_dir_, Flags());
    ranks_ = std::make_unique<ImpatientRanks>(port_.address(), "jobs/rank-", kNumRanks);
    EXPECT_LT(ranks_->WaitForSuccess(kTimeout), kTimeout);
  }

  // `break_disk` and `mend_disk` do so. `kill`: the daemon is killed while the disk fails, and started after it
  // recovers.
  template <typename Break, typename Mend>
  void Fail(const Break& break_disk, const Mend& mend_disk, bool kill) {
    break_disk();
    EXPECT_TRUE(ranks_->WaitForErrors(3, kTimeout)) << "the disk fails, and nobody is told";
    if (kill) {
      daemon_->process().Signal(SIGKILL);
      EXPECT_EQ(daemon_->process().Wait(), -SIGKILL);
    }
    mend_disk();
    if (kill) daemon_ = std::make_unique<ServingDaemon>(data_dir_, Flags());
    const absl::Duration recovery = ranks_->WaitForSuccess(kTimeout);
    EXPECT_LT(recovery, kTimeout);
    slowest_recovery_ = std::max(slowest_recovery_, recovery);
    ++num_faults_;
  }

  pid_t daemon_pid() const { return daemon_->process().pid(); }

  // Compares what the ranks were told with what the daemon answers, and with what is kept.
  void Finish(const std::string& what, StressRow& row) {
    ranks_->Stop();
    History& history = ranks_->history();
    const auto planner = PlannerChannel::Create(port_.address(), {});
    ASSERT_TRUE(planner.ok()) << planner.status();
    std::vector<std::string> faults = FindChangedAnswers(history.TakeNewAnswers(), **planner);
    daemon_->process().Signal(SIGTERM);
    EXPECT_EQ(daemon_->process().Wait(), 0) << daemon_->process().errors();
    const auto store = StoreUri::Sqlite(data_dir_ + "/greenplan.sqlite").Open();
    ASSERT_TRUE(store.ok()) << store.status();
    for (const std::string& fault : history.FindFaults(**store)) faults.push_back(fault);
    EXPECT_THAT(faults, IsEmpty());
    int64_t num_errors = 0;
    for (const auto& [code, count] : ranks_->errors()) {
      num_errors += count;
      EXPECT_EQ(code, absl::StatusCode::kUnavailable) << ranks_->messages()[code];
    }
    // A test that shares the machine with others takes no times.
    if (IsLongForm()) {
      EXPECT_LT(slowest_recovery_, kRecovery);
    }
    row.Report(
        absl::StrCat(what, " ", num_faults_, " times under ", kNumRanks, " ranks"),
        absl::StrFormat("%d calls refused; %d of %d answers of OK lost; the slowest recovery took %.2f s", num_errors,
                        faults.size(), history.num_answers(), absl::ToDoubleSeconds(slowest_recovery_)));
  }

 private:
  std::vector<std::string> Flags() const { return {"--listen", port_.address()}; }

  const std::string data_dir_;
  const ReservedPort port_;
  std::unique_ptr<ServingDaemon> daemon_;
  std::unique_ptr<ImpatientRanks> ranks_;
  absl::Duration slowest_recovery_;
  int64_t num_faults_ = 0;
};

// The daemon does not start, and says in one line which file is the reason.
void ExpectRefusal(const std::string& data_dir) {
  ServingDaemon daemon = ServingDaemon::Try(data_dir);
  ASSERT_EQ(daemon.address(), "");
  EXPECT_THAT(daemon.process().Wait(), AnyOf(1, 2));
  const std::string errors = daemon.process().errors();
  EXPECT_THAT(errors, StartsWith("greenpland: "));
  EXPECT_THAT(errors, HasSubstr(data_dir));
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
}

void LimitFileSize(pid_t process, rlim_t num_bytes) {
  rlimit limit = {};
  EXPECT_EQ(prlimit(process, RLIMIT_FSIZE, nullptr, &limit), 0);
  limit.rlim_cur = std::min(num_bytes, limit.rlim_max);
  EXPECT_EQ(prlimit(process, RLIMIT_FSIZE, &limit, nullptr), 0);
}

// A real file system. This test is the first one, because it enters a namespace, for which a process must have one
// thread alone.
TEST(DiskFaultsTest, AFullDiskRefusesCallsAndLosesNothing) {
  SmallDisk disk(/*num_bytes=*/8 << 20);
  if (!disk.is_there()) GTEST_SKIP() << "no file system can be mounted here";
  StressRow row(kCriterion);
  {
    FailingDisk failing(disk.path());
    const int64_t num_faults = Repetitions(2, 10);
    for (int64_t i = 0; i < num_faults; ++i) {
      failing.Fail([&] { disk.Fill(); }, [&] { disk.Clear(); }, /*kill=*/i % 2 == 1);
    }
    failing.Finish("a file system filled up and emptied", row);
  }
  disk.Fill();
  ExpectRefusal(disk.path() + "/new");
  disk.Clear();
  ASSERT_TRUE(disk.SetReadOnly(true));
  ExpectRefusal(disk.path());
  ASSERT_TRUE(disk.SetReadOnly(false));
  EXPECT_NE(ServingDaemon(disk.path()).address(), "");
}

TEST(DiskFaultsTest, AFileAtTheLimitOfItsSizeRefusesCallsAndLosesNothing) {
  StressRow row(kCriterion);
  const TemporaryFolder data;
  FailingDisk failing(data.path());
  const int64_t num_faults = Repetitions(2, 10);
  for (int64_t i = 0; i < num_faults; ++i) {
    failing.Fail([&] { LimitFileSize(failing.daemon_pid(), 8192); },
                 [&] { LimitFileSize(failing.daemon_pid(), RLIM_INFINITY); }, /*kill=*/false);
  }
  failing.Finish("files kept from growing (RLIMIT_FSIZE)", row);
}

class DiskFaultKindsTest : public ::testing::TestWithParam<DiskFault> {};

TEST_P(DiskFaultKindsTest, RefusesCallsAndLosesNothing) {
  StressRow row(kCriterion);
  const TemporaryFolder data;
  DiskFaults faults(data.path());
  FailingDisk failing(data.path());
  const int64_t num_faults = Repetitions(2, 10);
  for (int64_t i = 0; i < num_faults; ++i) {
    failing.Fail([&] { faults.Set(GetParam()); }, [&] { faults.Set(DiskFault::kNone); }, /*kill=*/i % 2 == 1);
  }
  failing.Finish(ToString(GetParam()), row);
}

INSTANTIATE_TEST_SUITE_P(Kinds, DiskFaultKindsTest,
                         ::testing::Values(DiskFault::kFull, DiskFault::kReadOnly, DiskFault::kWriteError,
                                           DiskFault::kFlushError, DiskFault::kReadError));

}  // namespace
}  // namespace greenplan
