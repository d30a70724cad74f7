#include "profiler/autograd/testing/counting_allocator.h"

#include <atomic>
#include <cstring>
#include <new>

#include "c10/core/Allocator.h"
#include "c10/core/CPUAllocator.h"

namespace greenplan::profiler::testing {
namespace {

std::atomic<int64_t> allocated_bytes{0};
std::atomic<int64_t> peak_bytes{0};

void Allocated(int64_t size) {
  const int64_t now = allocated_bytes += size;
  for (int64_t peak = peak_bytes; now > peak && !peak_bytes.compare_exchange_weak(peak, now);) {
  }
}

// A header in front of the data holds its size.
constexpr size_t kHeader = 64;
constexpr std::align_val_t kAlignment{64};

void Free(void* data) {
  if (data == nullptr) return;
  char* block = static_cast<char*>(data) - kHeader;
  allocated_bytes -= *reinterpret_cast<int64_t*>(block);
  ::operator delete(block, kAlignment);
}

class CountingAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    char* block = static_cast<char*>(::operator new(kHeader + size, kAlignment));
    *reinterpret_cast<int64_t*>(block) = static_cast<int64_t>(size);
    Allocated(static_cast<int64_t>(size));
    return {block + kHeader, block + kHeader, &Free, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, size_t size) const override { std::memcpy(to, from, size); }
};

}  // namespace

void InstallCountingAllocator() {
  static CountingAllocator& allocator = *new CountingAllocator();
  c10::SetCPUAllocator(&allocator, /*priority=*/1);
}

int64_t AllocatedBytes() { return allocated_bytes; }
int64_t PeakAllocatedBytes() { return peak_bytes; }
void ResetPeak() { peak_bytes = allocated_bytes.load(); }

}  // namespace greenplan::profiler::testing
