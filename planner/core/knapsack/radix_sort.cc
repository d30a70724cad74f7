#include "planner/core/knapsack/radix_sort.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace greenplan {
namespace {

constexpr int kDigitBits = 8;
constexpr int kNumDigits = 64 / kDigitBits;
constexpr int kNumValues = 1 << kDigitBits;

int DigitOf(uint64_t key, int digit) { return static_cast<int>((key >> (digit * kDigitBits)) & (kNumValues - 1)); }

}  // namespace

void RadixSort(std::vector<KeyedIndex>& elements) {
  if (elements.empty()) return;
  std::array<std::array<uint32_t, kNumValues>, kNumDigits> counts{};
  for (const KeyedIndex& element : elements) {
    for (int digit = 0; digit < kNumDigits; ++digit) ++counts[digit][DigitOf(element.key, digit)];
  }
  std::vector<KeyedIndex> moved(elements.size());
  for (int digit = 0; digit < kNumDigits; ++digit) {
    std::array<uint32_t, kNumValues>& next = counts[digit];
    if (next[DigitOf(elements.front().key, digit)] == elements.size()) continue;
    uint32_t begin = 0;
    for (uint32_t& count : next) begin += std::exchange(count, begin);
    for (const KeyedIndex& element : elements) moved[next[DigitOf(element.key, digit)]++] = element;
    elements.swap(moved);
  }
}

uint64_t FallingKey(double number) {
  uint64_t bits;
  std::memcpy(&bits, &number, sizeof(bits));
  return ~bits;
}

}  // namespace greenplan
