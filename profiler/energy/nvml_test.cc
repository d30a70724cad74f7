#include "profiler/energy/nvml.h"

#include <map>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::profiler {
namespace {

using ::testing::HasSubstr;

constexpr int kUnknownError = 999;  // NVML_ERROR_UNKNOWN
constexpr int kNotSupported = 3;    // NVML_ERROR_NOT_SUPPORTED

// GPUs that exist only in memory.
struct FakeGpus {
  NvmlFunctions Functions() {
    return {.init = [this] { return init_error != 0 ? init_error : (++open, 0); },
            .shutdown = [this] { return --open, 0; },
            .device_count =
                [this](unsigned int* count) {
                  *count = static_cast<unsigned int>(millijoules.size());
                  return count_error;
                },
            .device_by_index =
                [this](unsigned int index, void** device) {
                  *device = &millijoules[index];
                  return handle_errors[index];
                },
            .total_energy =
                [this](void* device, unsigned long long* used) {
                  const auto* gpu = static_cast<unsigned long long*>(device);
                  *used = *gpu;
                  return energy_errors[static_cast<unsigned int>(gpu - millijoules.data())];
                }};
  }

  std::vector<unsigned long long> millijoules;
  int init_error = 0;
  int count_error = 0;
  std::map<unsigned int, int> handle_errors = {};  // By index.
  std::map<unsigned int, int> energy_errors = {};
  int open = 0;  // The number of calls of init minus those of shutdown.
};

TEST(NvmlTest, CountsEveryGpuSinceTheLastCall) {
  FakeGpus gpus{.millijoules = {1000, 5}};
  const auto nvml = OpenNvml(gpus.Functions());
  ASSERT_NE(nvml, nullptr);
  EXPECT_EQ(nvml->source(), "NVML 0, 1");
  gpus.millijoules = {3500, 505};
  EXPECT_DOUBLE_EQ(*nvml->JoulesSinceLast(), 3);
  EXPECT_EQ(*nvml->JoulesSinceLast(), 0);
}

TEST(NvmlTest, LeavesOutGpusThatDoNotCountTheirEnergy) {
  FakeGpus gpus{.millijoules = {1, 1, 1}, .handle_errors = {{0, kUnknownError}}, .energy_errors = {{2, kNotSupported}}};
  const auto nvml = OpenNvml(gpus.Functions());
  ASSERT_NE(nvml, nullptr);
  EXPECT_EQ(nvml->source(), "NVML 1");
  gpus.millijoules = {1001, 2001, 4001};
  EXPECT_EQ(*nvml->JoulesSinceLast(), 2);
}

TEST(NvmlTest, IsNullAndShutsTheLibraryDownIfNoGpuCountsItsEnergy) {
  FakeGpus cases[] = {{.millijoules = {1}, .init_error = kUnknownError},
                      {.millijoules = {1}, .count_error = kUnknownError},
                      {.millijoules = {}},
                      {.millijoules = {1}, .handle_errors = {{0, kUnknownError}}},
                      {.millijoules = {1}, .energy_errors = {{0, kNotSupported}}}};
  for (FakeGpus& gpus : cases) {
    EXPECT_EQ(OpenNvml(gpus.Functions()), nullptr);
    EXPECT_EQ(gpus.open, 0);
  }
}

TEST(NvmlTest, ShutsTheLibraryDown) {
  FakeGpus gpus{.millijoules = {1}};
  auto nvml = OpenNvml(gpus.Functions());
  EXPECT_EQ(gpus.open, 1);
  nvml.reset();
  EXPECT_EQ(gpus.open, 0);
}

TEST(NvmlTest, NamesTheGpuThatFailsLater) {
  FakeGpus gpus{.millijoules = {5, 5}};
  const auto nvml = OpenNvml(gpus.Functions());
  ASSERT_NE(nvml, nullptr);
  gpus.millijoules[0] = 4;
  absl::Status status = nvml->JoulesSinceLast().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("GPU 0 fell from 5 to 4 mJ"));

  gpus.millijoules[0] = 5;
  gpus.energy_errors[1] = kUnknownError;
  status = nvml->JoulesSinceLast().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("GPU 1 cannot be read: NVML error 999"));
}

TEST(LoadNvmlTest, FindsEveryFunctionInTheLibrary) {
  std::optional<NvmlFunctions> functions = LoadNvml("profiler/energy/libfake_nvml.so");
  ASSERT_TRUE(functions.has_value());
  const auto nvml = OpenNvml(*std::move(functions));
  ASSERT_NE(nvml, nullptr);
  EXPECT_EQ(nvml->source(), "NVML 0");
  EXPECT_EQ(*nvml->JoulesSinceLast(), 1.5);
}

TEST(LoadNvmlTest, IsNulloptIfTheLibraryOrItsFunctionsAreMissing) {
  EXPECT_FALSE(LoadNvml("profiler/energy/libnone.so").has_value());
  EXPECT_FALSE(LoadNvml("libc.so.6").has_value());
}

}  // namespace
}  // namespace greenplan::profiler
