#include "planner/admission/quotas.h"

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/files/files.h"
#include "planner/rpc/retry_delay.h"

namespace greenplan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class QuotasTest : public ::testing::Test {
 protected:
  std::unique_ptr<Quotas> Open(const std::string& text) {
    EXPECT_TRUE(WriteFile(file_, text).ok());
    absl::StatusOr<std::unique_ptr<Quotas>> quotas = Quotas::Create(file_, [this] { return now_; });
    EXPECT_TRUE(quotas.ok()) << quotas.status();
    return *std::move(quotas);
  }

  const std::string file_ = ::testing::TempDir() + "/quotas.toml";
  absl::Time now_ = absl::UnixEpoch();
};

TEST_F(QuotasTest, CallsBeyondTheRateAreToldWhenToComeAgain) {
  const auto quotas = Open("[[quota]]\ntenant = \"a\"\ncalls_per_second = 2\n");
  EXPECT_TRUE(quotas->AdmitCall("a").ok());
  EXPECT_TRUE(quotas->AdmitCall("a").ok());
  const absl::Status refused = quotas->AdmitCall("a");
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("the quota of tenant a is 2 calls per second"));
  ASSERT_EQ(RetryDelayOf(refused), absl::Milliseconds(500));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(quotas->AdmitCall("b").ok());
  now_ += absl::Milliseconds(500);
  EXPECT_TRUE(quotas->AdmitCall("a").ok());
}

TEST_F(QuotasTest, SolverTimeIsCountedOnceItIsKnown) {
  const auto quotas = Open("[default]\nsolver_seconds_per_minute = 6\n");
  EXPECT_TRUE(quotas->AdmitSolving("a").ok());
  quotas->ChargeSolving("a", absl::Seconds(9));
  const absl::Status refused = quotas->AdmitSolving("a");
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("6 solver seconds per minute"));
  ASSERT_EQ(RetryDelayOf(refused), absl::Seconds(30));
  EXPECT_TRUE(quotas->AdmitSolving("b").ok());
  now_ += absl::Seconds(31);
  EXPECT_TRUE(quotas->AdmitSolving("a").ok());
}

TEST_F(QuotasTest, JobsAndBytesStayUsedSoNoDelayIsTold) {
  const auto quotas = Open("[default]\njobs = 2\nbytes = 100\n");
  EXPECT_TRUE(quotas->AdmitUsage("a", 2, 100).ok());
  const absl::Status jobs = quotas->AdmitUsage("a", 3, 100);
  EXPECT_EQ(jobs.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(jobs.message(), AllOf(HasSubstr("is 2 jobs"), HasSubstr("job 3")));
  EXPECT_EQ(RetryDelayOf(jobs), std::nullopt);
  const absl::Status bytes = quotas->AdmitUsage("", 2, 101);
  EXPECT_EQ(bytes.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(bytes.message(), HasSubstr("the quota of this planner is 100 bytes of jobs"));
  EXPECT_EQ(RetryDelayOf(bytes), std::nullopt);
}

TEST_F(QuotasTest, AReloadKeepsWhatWasUsedAndAFaultyFileChangesNothing) {
  const auto quotas = Open("[default]\ncalls_per_second = 1\njobs = 1\n");
  EXPECT_TRUE(quotas->AdmitCall("a").ok());
  ASSERT_TRUE(WriteFile(file_, "[default]\ncalls_per_second = 4\njobs = 5\n").ok());
  EXPECT_TRUE(quotas->Reload().ok());
  EXPECT_EQ(RetryDelayOf(quotas->AdmitCall("a")), absl::Milliseconds(250));
  ASSERT_TRUE(WriteFile(file_, "[default]\ncalls_per_second = 0\n").ok());
  const absl::Status status = quotas->Reload();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("--quotas is " + file_), HasSubstr("line 2: calls_per_second is no finite number > 0")));
  EXPECT_TRUE(quotas->AdmitUsage("a", 5, 0).ok());
  EXPECT_FALSE(quotas->AdmitUsage("a", 6, 0).ok());
}

TEST_F(QuotasTest, WithoutAFileNobodyIsLimited) {
  const absl::StatusOr<std::unique_ptr<Quotas>> quotas = Quotas::Create("");
  ASSERT_TRUE(quotas.ok()) << quotas.status();
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE((*quotas)->AdmitCall("a").ok());
  (*quotas)->ChargeSolving("a", absl::Hours(100));
  EXPECT_TRUE((*quotas)->AdmitSolving("a").ok());
  EXPECT_TRUE((*quotas)->AdmitUsage("a", 1 << 30, int64_t{1} << 60).ok());
  EXPECT_EQ(Quotas::Create(file_ + ".missing").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(QuotasTest, ManyThreadsShareOneRate) {
  const auto quotas = Open("[default]\ncalls_per_second = 100\n");
  std::vector<int> admitted(4);
  std::vector<std::thread> callers;
  for (int& count : admitted) {
    callers.emplace_back([&quotas, &count] {
      for (int i = 0; i < 200; ++i) count += quotas->AdmitCall("a").ok() ? 1 : 0;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(admitted[0] + admitted[1] + admitted[2] + admitted[3], 100);
}

}  // namespace
}  // namespace greenplan
