#include "planner/convert/number_text.h"

#include <cmath>
#include <limits>

#include "absl/strings/numbers.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(NumberTextTest, IsShortAndReadsBackAsTheSameNumber) {
  EXPECT_EQ(NumberText(1.5), "1.5");
  EXPECT_EQ(NumberText(-3), "-3");
  EXPECT_EQ(NumberText(0.1), "0.1");
  EXPECT_EQ(NumberText(1e300), "1e+300");
  EXPECT_EQ(NumberText(1.0000001), "1.0000001");
  EXPECT_EQ(NumberText(INFINITY), "inf");
  EXPECT_EQ(NumberText(std::nan("")), "nan");
  for (const double value : {std::nextafter(1.0, 2.0), std::numeric_limits<double>::denorm_min(),
                             -std::numeric_limits<double>::max(), 2.0 / 3}) {
    double again = 0;
    ASSERT_TRUE(absl::SimpleAtod(NumberText(value), &again));
    EXPECT_EQ(again, value);
  }
}

}  // namespace
}  // namespace greenplan
