#include "trainer_client/finetune/peak_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "ATen/ops/empty.h"
#include "gtest/gtest.h"
#include "profiler/autograd/freed_memory.h"
#include "profiler/autograd/testing/test_device.h"

namespace greenplan::trainer {
namespace {

constexpr int64_t kBytes = int64_t{64} << 20;

// From the system and back to it: an allocator might keep what is freed.
void TouchAndFree() {
  void* const block = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(block, MAP_FAILED);
  std::memset(block, 1, kBytes);
  munmap(block, kBytes);
}

TEST(PeakMemoryTest, RemembersMemoryThatWasFreed) {
  const int64_t before = PeakMemoryBytes(at::kCPU);
  ASSERT_GT(before, 0);
  TouchAndFree();
  EXPECT_GE(PeakMemoryBytes(at::kCPU), before + kBytes / 2);
}

TEST(PeakMemoryTest, ForgetsItOnReset) {
  TouchAndFree();
  const int64_t peak = PeakMemoryBytes(at::kCPU);
  if (!ResetPeakMemory(at::kCPU)) GTEST_SKIP() << "this system does not reset the peak";
  EXPECT_LE(PeakMemoryBytes(at::kCPU), peak - kBytes / 2);
}

TEST(PeakMemoryTest, ForgetsWhatTheAllocatorKeptAfterItWasFreed) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have an allocator of their own";
#endif
  profiler::KeepFreedMemory();
  auto* const block = static_cast<volatile char*>(std::malloc(kBytes));
  for (int64_t i = 0; i < kBytes; i += 4096) block[i] = 1;
  std::free(const_cast<char*>(block));
  const int64_t peak = PeakMemoryBytes(at::kCPU);
  if (!ResetPeakMemory(at::kCPU)) GTEST_SKIP() << "this system does not reset the peak";
  EXPECT_LE(PeakMemoryBytes(at::kCPU), peak - kBytes / 2);
}

TEST(PeakMemoryTest, CountsTensorsOnAnotherDeviceThanTheCpu) {
  const at::Device device = profiler::testing::TestDevice();
  if (device.is_cpu()) GTEST_SKIP() << "GREENPLAN_TEST_DEVICE names no other device";
  at::empty({kBytes}, at::TensorOptions(at::kByte).device(device));
  EXPECT_GE(PeakMemoryBytes(device), kBytes);
  EXPECT_TRUE(ResetPeakMemory(device));
  EXPECT_LT(PeakMemoryBytes(device), kBytes);
}

}  // namespace
}  // namespace greenplan::trainer
