#include "tests/reliability/stress_row.h"

#include <stdlib.h>

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

// Sets GREENPLAN_REPETITIONS, which the test itself may have been started with.
class StressRowTest : public ::testing::Test {
 protected:
  ~StressRowTest() override { unsetenv("GREENPLAN_REPETITIONS"); }
  static void Request(const char* repetitions) { setenv("GREENPLAN_REPETITIONS", repetitions, 1); }
};

TEST_F(StressRowTest, TheShortFormIsTheDefault) {
  unsetenv("GREENPLAN_REPETITIONS");
  EXPECT_FALSE(IsLongForm());
  EXPECT_EQ(Repetitions(2, 50), 2);
  EXPECT_EQ(ShortOrLong(1.5, 30.0), 1.5);
}

TEST_F(StressRowTest, TheLongFormTakesItsOwnCountOrTheOneGiven) {
  Request("long");
  EXPECT_TRUE(IsLongForm());
  EXPECT_EQ(Repetitions(2, 50), 50);
  EXPECT_EQ(ShortOrLong(1.5, 30.0), 30.0);
  Request("7");
  EXPECT_EQ(Repetitions(2, 50), 7);
}

TEST_F(StressRowTest, ACountThatIsNoneFailsTheTest) {
  for (const char* wrong : {"0", "-1", "many", ""}) {
    Request(wrong);
    EXPECT_NONFATAL_FAILURE(EXPECT_EQ(Repetitions(2, 50), 2), "allowed: long, or an integer > 0");
  }
}

TEST_F(StressRowTest, DurationsAreRoundedToWhatAReaderWants) {
  EXPECT_EQ(Rounded(absl::Microseconds(8130)), "8.1ms");
  EXPECT_EQ(Rounded(absl::Nanoseconds(89'692'891)), "90ms");
  EXPECT_EQ(Rounded(absl::Milliseconds(1251)), "1.3s");
  EXPECT_EQ(Rounded(absl::Seconds(1)), "1s");
  EXPECT_EQ(Rounded(absl::ZeroDuration()), "0");
}

std::string LineOf(const std::function<void(StressRow&)>& test) {
  ::testing::internal::CaptureStdout();
  {
    StressRow row("0 lost");
    test(row);
  }
  return ::testing::internal::GetCapturedStdout();
}

TEST_F(StressRowTest, ItsLineSaysWhatWasDoneAndFound) {
  EXPECT_EQ(LineOf([](StressRow& row) { row.Report("3 kills", "0 of 99 lost"); }),
            "stress: passed: 3 kills: 0 of 99 lost (asked for: 0 lost)\n");
  EXPECT_THAT(LineOf([](StressRow&) {}), HasSubstr("ended early"));
}

}  // namespace
}  // namespace greenplan
