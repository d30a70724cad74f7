#include "profiler/autograd/freed_memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "gtest/gtest.h"

namespace greenplan::profiler {
namespace {

constexpr int64_t kBytes = int64_t{64} << 20;

int64_t PageFaults() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

// Returns the page faults of allocating a block, touching every page of it, and freeing it.
int64_t PageFaultsOfABlock() {
  const int64_t before = PageFaults();
  auto* const block = static_cast<volatile char*>(std::malloc(kBytes));
  for (int64_t i = 0; i < kBytes; i += getpagesize()) block[i] = 1;
  std::free(const_cast<char*>(block));
  return PageFaults() - before;
}

TEST(FreedMemoryTest, RespectsTheUsersMallocSettings) {
  for (const char* const variable : {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_"}) {
    setenv(variable, "131072", 1);
    EXPECT_FALSE(KeepFreedMemory()) << variable;
    unsetenv(variable);
  }
}

TEST(FreedMemoryTest, IsMappedOnlyOnceUnlessItIsReturned) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have an allocator of their own";
#endif
  const int64_t pages = kBytes / getpagesize();
  if (!KeepFreedMemory()) GTEST_SKIP() << "this C library does not keep freed memory when asked to";
  PageFaultsOfABlock();
  EXPECT_LT(PageFaultsOfABlock(), pages / 100);
  ReturnFreedMemory();
  EXPECT_GT(PageFaultsOfABlock(), pages / 2);
}

}  // namespace
}  // namespace greenplan::profiler
