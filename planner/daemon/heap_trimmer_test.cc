#include "planner/daemon/heap_trimmer.h"

#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

constexpr size_t kBlock = size_t{16} << 10;  // Small enough to come from the heap.
constexpr size_t kBlocks = 4096;             // 64 MiB together.

// The memory of this process that is resident, in bytes.
int64_t ResidentBytes() {
  std::ifstream status("/proc/self/status");
  std::string key;
  int64_t kilobytes = 0;
  while (status >> key) {
    if (key == "VmRSS:" && status >> kilobytes) return kilobytes << 10;
  }
  return 0;
}

// Fills 64 MiB, frees it, and keeps a block behind it, so that it is not at the end of the heap. Returns that block.
std::unique_ptr<char[]> LeaveAHole() {
  std::vector<std::unique_ptr<char[]>> blocks;
  for (size_t i = 0; i < kBlocks; ++i) blocks.push_back(std::make_unique<char[]>(kBlock));  // Zeroed, so resident.
  return std::make_unique<char[]>(kBlock);
}

TEST(TrimHeap, GivesFreeMemoryBack) {
  const std::unique_ptr<char[]> behind = LeaveAHole();
  const int64_t before = ResidentBytes();
  EXPECT_FALSE(TrimHeap(std::numeric_limits<size_t>::max()));
  ASSERT_TRUE(TrimHeap(kBlocks * kBlock / 2));
  EXPECT_LT(ResidentBytes(), before - static_cast<int64_t>(kBlocks * kBlock / 2));
}

TEST(HeapTrimmer, GivesFreeMemoryBackByItselfAndEndsAtOnce) {
  const std::unique_ptr<char[]> behind = LeaveAHole();
  const int64_t before = ResidentBytes();
  const absl::Time start = absl::Now();
  {
    const HeapTrimmer trimmer({.interval = absl::Milliseconds(1), .min_free_bytes = kBlocks * kBlock / 2});
    while (ResidentBytes() > before - static_cast<int64_t>(kBlocks * kBlock / 2)) {
      ASSERT_LT(absl::Now() - start, absl::Seconds(30));
    }
  }
  const absl::Time built = absl::Now();
  { const HeapTrimmer trimmer({.interval = absl::Hours(1)}); }
  EXPECT_LT(absl::Now() - built, absl::Seconds(30));
}

TEST(HeapTrimmer, WhatItsNextLookWouldLeaveStaysWithTheAllocator) {
  const HeapTrimmer trimmer({.interval = absl::Hours(1), .min_free_bytes = size_t{16} << 20});
  constexpr size_t kSize = size_t{1} << 20;
  const size_t before = mallinfo2().fordblks;
  auto block = std::make_unique<char[]>(kSize);
  static_cast<volatile char*>(block.get())[0] = 1;  // Or the compiler leaves both out.
  block.reset();
  EXPECT_GE(mallinfo2().fordblks, std::max(before, kSize));
}

}  // namespace
}  // namespace greenplan
