#include "profiler/energy/energy_meter.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profiler/energy/fake_powercap.h"

namespace greenplan::profiler {
namespace {

using ::testing::HasSubstr;

constexpr char kFakeNvml[] = "profiler/energy/libfake_nvml.so";  // Reports 1.5 J more in each call.
constexpr char kNoNvml[] = "profiler/energy/libnone.so";

struct EnergyMeterTest : ::testing::Test {
  std::unique_ptr<EnergyMeter> MustCreate(double watts, const std::string& nvml_library) {
    auto meter = EnergyMeter::Create(
        watts, {.powercap_root = powercap.root(), .nvml_library = nvml_library, .now = [this] { return now; }});
    EXPECT_TRUE(meter.ok()) << meter.status();
    return meter.ok() ? *std::move(meter) : nullptr;
  }

  FakePowercap powercap;
  std::chrono::steady_clock::time_point now{};
};

TEST_F(EnergyMeterTest, EstimatesFromTimeAndPowerIfTheMachineHasNoCounters) {
  const auto meter = MustCreate(40, kNoNvml);
  now += std::chrono::milliseconds(2500);
  const EnergyReading reading = meter->Sample();
  EXPECT_DOUBLE_EQ(reading.joules, 100);
  EXPECT_TRUE(reading.is_estimate);
  EXPECT_EQ(reading.source, "estimate, 40 W stated");
  EXPECT_EQ(reading.notice, "");
  EXPECT_EQ(meter->Sample().joules, 0);
}

TEST_F(EnergyMeterTest, AddsUpWhatTheMachineCounts) {
  powercap.AddDomain("intel-rapl:0", "package-0", "0");
  powercap.AddDomain("intel-rapl:1", "package-1", "0");
  const auto meter = MustCreate(40, kFakeNvml);
  powercap.Write("intel-rapl:0", "energy_uj", "1000000");
  powercap.Write("intel-rapl:1", "energy_uj", "250000");
  now += std::chrono::hours(1);
  const EnergyReading reading = meter->Sample();
  EXPECT_DOUBLE_EQ(reading.joules, 1 + 0.25 + 1.5);
  EXPECT_FALSE(reading.is_estimate);
  EXPECT_EQ(reading.source, "RAPL package 0, 1 + NVML 0");
  EXPECT_EQ(reading.notice, "");
  EXPECT_DOUBLE_EQ(meter->Sample().joules, 1.5);
}

TEST_F(EnergyMeterTest, WorksWithOnlyOneKindOfCounter) {
  EXPECT_EQ(MustCreate(40, kFakeNvml)->Sample().source, "NVML 0");
  powercap.AddDomain("intel-rapl:0", "package-0", "0");
  EXPECT_EQ(MustCreate(40, kNoNvml)->Sample().source, "RAPL package 0");
}

TEST_F(EnergyMeterTest, EstimatesTheSpanInWhichACounterFailsAndAllLaterOnes) {
  powercap.AddDomain("intel-rapl:0", "package-0", "0");
  const auto meter = MustCreate(10, kFakeNvml);
  now += std::chrono::seconds(1);
  EXPECT_FALSE(meter->Sample().is_estimate);

  powercap.MakeUnreadable("intel-rapl:0", "energy_uj");
  now += std::chrono::seconds(2);
  const EnergyReading failed = meter->Sample();
  EXPECT_DOUBLE_EQ(failed.joules, 20);
  EXPECT_TRUE(failed.is_estimate);
  EXPECT_EQ(failed.source, "estimate, 10 W stated");
  EXPECT_THAT(failed.notice, HasSubstr("energy_uj cannot be read; energy is an estimate from here on"));

  now += std::chrono::seconds(3);
  const EnergyReading later = meter->Sample();
  EXPECT_DOUBLE_EQ(later.joules, 30);
  EXPECT_TRUE(later.is_estimate);
  EXPECT_EQ(later.notice, "");
}

TEST_F(EnergyMeterTest, RefusesAPowerThatIsNotPositiveAndFinite) {
  const struct {
    double watts;
    const char* value;
  } cases[] = {{0, "watts is 0"},
               {-65, "watts is -65"},
               {std::nan(""), "watts is nan"},
               {std::numeric_limits<double>::infinity(), "watts is inf"}};
  for (const auto& [watts, value] : cases) {
    const absl::Status status = EnergyMeter::Create(watts).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << value;
    EXPECT_THAT(status.message(), HasSubstr(value));
    EXPECT_THAT(status.message(), HasSubstr("allowed: a finite number > 0"));
  }
}

}  // namespace
}  // namespace greenplan::profiler
