#include "trainer_client/finetune/peak_memory.h"

#include <cstring>
#include <memory>

#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

constexpr int64_t kBytes = int64_t{64} << 20;

void TouchAndFree() {
  auto block = std::make_unique<char[]>(kBytes);
  std::memset(block.get(), 1, kBytes);
  asm volatile("" : : "r"(block.get()) : "memory");
}

TEST(PeakMemoryTest, RemembersMemoryThatWasFreed) {
  const int64_t before = PeakMemoryBytes();
  ASSERT_GT(before, 0);
  TouchAndFree();
  EXPECT_GE(PeakMemoryBytes(), before + kBytes / 2);
}

TEST(PeakMemoryTest, ForgetsItOnReset) {
  TouchAndFree();
  const int64_t peak = PeakMemoryBytes();
  if (!ResetPeakMemory()) GTEST_SKIP() << "this system does not reset the peak";
  EXPECT_LE(PeakMemoryBytes(), peak - kBytes / 2);
}

}  // namespace
}  // namespace greenplan::trainer
