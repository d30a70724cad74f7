#include "profiler/energy/rapl.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profiler/energy/fake_powercap.h"

namespace greenplan::profiler {
namespace {

using ::testing::HasSubstr;

struct RaplTest : ::testing::Test {
  double MustRead() {
    const absl::StatusOr<double> joules = rapl->JoulesSinceLast();
    EXPECT_TRUE(joules.ok()) << joules.status();
    return joules.value_or(-1);
  }

  FakePowercap powercap;
  std::unique_ptr<EnergyCounter> rapl;
};

TEST_F(RaplTest, CountsEveryPackageSinceTheLastCall) {
  powercap.AddDomain("intel-rapl:0", "package-0", "5000000");
  powercap.AddDomain("intel-rapl:1", "package-1", "700");
  rapl = OpenRapl(powercap.root());
  ASSERT_NE(rapl, nullptr);
  EXPECT_EQ(rapl->source(), "RAPL package 0, 1");
  EXPECT_EQ(MustRead(), 0);
  powercap.Write("intel-rapl:0", "energy_uj", "7000000");
  powercap.Write("intel-rapl:1", "energy_uj", "500700");
  EXPECT_DOUBLE_EQ(MustRead(), 2.5);
  EXPECT_EQ(MustRead(), 0);
}

TEST_F(RaplTest, NamesPackagesInTheOrderOfTheirIndices) {
  powercap.AddDomain("intel-rapl:10", "package-1-die-0", "0");
  powercap.AddDomain("intel-rapl:9", "package-0", "0");
  rapl = OpenRapl(powercap.root());
  ASSERT_NE(rapl, nullptr);
  EXPECT_EQ(rapl->source(), "RAPL package 0, 1-die-0");
}

TEST_F(RaplTest, CountsNothingTwice) {
  powercap.AddDomain("intel-rapl:0", "package-0", "0");
  powercap.AddDomain("intel-rapl:0:0", "core", "0");
  powercap.AddDomain("intel-rapl:0:1", "package-0", "0");        // This is a sub-domain, whatever its name.
  powercap.AddDomain("intel-rapl:1", "psys", "0");               // This includes the packages.
  powercap.AddDomain("intel-rapl-mmio:0", "package-0", "0");     // This is the same package, read another way.
  powercap.AddDomain("intel-rapl", "package-of-no-index", "0");  // This is the folder of the control type.
  rapl = OpenRapl(powercap.root());
  ASSERT_NE(rapl, nullptr);
  EXPECT_EQ(rapl->source(), "RAPL package 0");
  for (const char* domain : {"intel-rapl:0:0", "intel-rapl:0:1", "intel-rapl:1", "intel-rapl-mmio:0", "intel-rapl"}) {
    powercap.Write(domain, "energy_uj", "9000000");
  }
  EXPECT_EQ(MustRead(), 0);
}

TEST_F(RaplTest, HandlesACounterThatWraps) {
  powercap.AddDomain("intel-rapl:0", "package-0", "262000000000", "262143328850");
  rapl = OpenRapl(powercap.root());
  ASSERT_NE(rapl, nullptr);
  powercap.Write("intel-rapl:0", "energy_uj", "1000000");
  EXPECT_DOUBLE_EQ(MustRead(), 143.32885 + 1);
  powercap.Write("intel-rapl:0", "energy_uj", "3000000");
  EXPECT_DOUBLE_EQ(MustRead(), 2);
}

TEST_F(RaplTest, AcceptsTheLargestCounterThatFitsAnInt64) {
  powercap.AddDomain("intel-rapl:0", "package-0", "9223372036854775806", "9223372036854775807");
  rapl = OpenRapl(powercap.root());
  ASSERT_NE(rapl, nullptr);
  powercap.Write("intel-rapl:0", "energy_uj", "999999");
  EXPECT_DOUBLE_EQ(MustRead(), 1);
}

TEST_F(RaplTest, IsNullWithoutAFolderOrPackages) {
  EXPECT_EQ(OpenRapl(powercap.root() + "/none"), nullptr);
  EXPECT_EQ(OpenRapl(powercap.root()), nullptr);
  powercap.AddDomain("dtpm", "package-0", "0");
  EXPECT_EQ(OpenRapl(powercap.root()), nullptr);
}

TEST_F(RaplTest, LeavesOutPackagesThatCannotBeRead) {
  powercap.AddDomain("intel-rapl:0", "package-0", "0");
  for (const char* file : {"name", "energy_uj", "max_energy_range_uj"}) {
    SCOPED_TRACE(file);
    powercap.AddDomain("intel-rapl:1", "package-1", "0");
    powercap.MakeUnreadable("intel-rapl:1", file);
    rapl = OpenRapl(powercap.root());
    ASSERT_NE(rapl, nullptr);
    EXPECT_EQ(rapl->source(), "RAPL package 0");
    std::filesystem::remove_all(powercap.root() + "/intel-rapl:1");
  }
}

TEST_F(RaplTest, LeavesOutPackagesWhoseFilesHoldNoValidCounts) {
  const struct {
    const char* energy_uj;
    const char* range_uj;
  } cases[] = {{"", "1000"}, {"many", "1000"}, {"-1", "1000"}, {"1001", "1000"}, {"1.5", "1000"},
               {"0", ""},    {"0", "0"},       {"0", "-5"},    {"0", "x"},       {"0", "9223372036854775808"}};
  for (const auto& [energy_uj, range_uj] : cases) {
    powercap.AddDomain("intel-rapl:0", "package-0", energy_uj, range_uj);
    EXPECT_EQ(OpenRapl(powercap.root()), nullptr) << energy_uj << " of " << range_uj;
  }
}

TEST_F(RaplTest, NamesTheFileThatFailsLater) {
  powercap.AddDomain("intel-rapl:0", "package-0", "0", "1000");
  rapl = OpenRapl(powercap.root());
  ASSERT_NE(rapl, nullptr);
  powercap.Write("intel-rapl:0", "energy_uj", "lots");
  absl::Status status = rapl->JoulesSinceLast().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("intel-rapl:0/energy_uj is \"lots\"; allowed: an integer from 0 to 1000"));

  powercap.MakeUnreadable("intel-rapl:0", "energy_uj");
  status = rapl->JoulesSinceLast().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("intel-rapl:0/energy_uj cannot be read"));
}

}  // namespace
}  // namespace greenplan::profiler
