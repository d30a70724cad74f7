#include "planner/core/knapsack/radix_sort.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

namespace greenplan {
namespace {

constexpr int kPrefixBits = 32;
// From this many keys on, fewer passes pay for more counters.
constexpr size_t kManyKeys = 4096;

// A prefix of a key, in the upper half, and the key's number.
using Record = uint64_t;

uint32_t PrefixOf(Record record) { return static_cast<uint32_t>(record >> kPrefixBits); }
int NumberOf(Record record) { return static_cast<int>(record & 0xffffffffU); }

// The keys' leading bits, from the first in which any two of them differ. Two keys with the same prefix may differ.
std::vector<Record> RecordsOf(const std::vector<uint64_t>& keys) {
  const auto [least, most] = std::minmax_element(keys.begin(), keys.end());
  const uint64_t base = *least;
  const int shift = std::max(0, static_cast<int>(std::bit_width(*most - base)) - kPrefixBits);
  std::vector<Record> records(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) records[i] = ((keys[i] - base) >> shift) << kPrefixBits | i;
  return records;
}

// Sorts by prefix; equal prefixes keep their order. Digits in which all prefixes agree are skipped.
template <int kDigitBits>
void SortByPrefix(std::vector<Record>& records) {
  constexpr int kNumDigits = (kPrefixBits + kDigitBits - 1) / kDigitBits;
  constexpr uint32_t kNumValues = 1U << kDigitBits;
  const auto digit_of = [](Record record, int digit) {
    return (PrefixOf(record) >> (digit * kDigitBits)) & (kNumValues - 1);
  };
  std::array<std::array<uint32_t, kNumValues>, kNumDigits> counts{};
  for (const Record record : records) {
    for (int digit = 0; digit < kNumDigits; ++digit) ++counts[digit][digit_of(record, digit)];
  }
  std::vector<Record> moved(records.size());
  for (int digit = 0; digit < kNumDigits; ++digit) {
    std::array<uint32_t, kNumValues>& next = counts[digit];
    if (next[digit_of(records.front(), digit)] == records.size()) continue;
    uint32_t begin = 0;
    for (uint32_t& count : next) begin += std::exchange(count, begin);
    for (const Record record : records) moved[next[digit_of(record, digit)]++] = record;
    records.swap(moved);
  }
}

// Sorts each run of equal prefixes by the whole keys.
void SortRuns(const std::vector<uint64_t>& keys, std::vector<Record>& records) {
  for (size_t begin = 0; begin < records.size();) {
    size_t end = begin + 1;
    while (end < records.size() && PrefixOf(records[end]) == PrefixOf(records[begin])) ++end;
    if (end - begin > 1) {
      std::sort(records.begin() + static_cast<ptrdiff_t>(begin), records.begin() + static_cast<ptrdiff_t>(end),
                [&](Record a, Record b) {
                  return std::pair(keys[NumberOf(a)], NumberOf(a)) < std::pair(keys[NumberOf(b)], NumberOf(b));
                });
    }
    begin = end;
  }
}

}  // namespace

std::vector<int> OrderByKey(const std::vector<uint64_t>& keys) {
  if (keys.empty()) return {};
  std::vector<Record> records = RecordsOf(keys);
  if (records.size() < kManyKeys) {
    SortByPrefix<8>(records);
  } else {
    SortByPrefix<11>(records);
  }
  SortRuns(keys, records);
  std::vector<int> order(records.size());
  std::transform(records.begin(), records.end(), order.begin(), NumberOf);
  return order;
}

uint64_t FallingKey(double number) {
  uint64_t bits;
  std::memcpy(&bits, &number, sizeof(bits));
  return ~bits;
}

}  // namespace greenplan
