#include "planner/core/knapsack/radix_sort.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <utility>

namespace greenplan {
namespace {

constexpr int kPrefixBits = 24;
constexpr int kNumberBits = 32;
// From this many keys on, fewer passes pay for more counters.
constexpr size_t kManyKeys = 4096;

// A prefix of a key, in the upper half, and the key's number.
using Record = uint64_t;

uint32_t PrefixOf(Record record) { return static_cast<uint32_t>(record >> kNumberBits); }
int NumberOf(Record record) { return static_cast<int>(record & 0xffffffffU); }

// Makes records of the keys' leading bits, from the first in which any two of them differ. Two keys with the same
// prefix may differ.
class Prefixes {
 public:
  explicit Prefixes(const std::vector<uint64_t>& keys) : least_(keys.front()) {
    uint64_t most = least_;
    for (const uint64_t key : keys) {
      least_ = std::min(least_, key);
      most = std::max(most, key);
    }
    shift_ = std::max(0, static_cast<int>(std::bit_width(most - least_)) - kPrefixBits);
  }

  Record RecordOf(uint64_t key, size_t number) const { return ((key - least_) >> shift_) << kNumberBits | number; }

 private:
  uint64_t least_;
  int shift_;
};

// Returns the records of the keys by prefix, equal prefixes by number. Digits in which all prefixes agree are skipped.
template <int kDigitBits>
std::vector<Record> SortedByPrefix(const std::vector<uint64_t>& keys) {
  constexpr int kNumDigits = kPrefixBits / kDigitBits;
  static_assert(kNumDigits * kDigitBits == kPrefixBits);
  constexpr uint32_t kNumValues = 1U << kDigitBits;
  const auto digit_of = [](Record record, int digit) {
    return static_cast<uint32_t>(record >> (kNumberBits + digit * kDigitBits)) & (kNumValues - 1);
  };
  const Prefixes prefixes(keys);
  std::array<std::array<uint32_t, kNumValues>, kNumDigits> counts{};
  std::vector<Record> records(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    const Record record = prefixes.RecordOf(keys[i], i);
    for (int digit = 0; digit < kNumDigits; ++digit) ++counts[digit][digit_of(record, digit)];
    records[i] = record;
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
  return records;
}

// Sorts each run of equal prefixes by the whole keys.
void SortRuns(const std::vector<uint64_t>& keys, std::vector<Record>& records) {
  for (size_t i = 1; i < records.size(); ++i) {
    if (PrefixOf(records[i]) != PrefixOf(records[i - 1])) continue;
    const size_t begin = i - 1;
    while (i < records.size() && PrefixOf(records[i]) == PrefixOf(records[begin])) ++i;
    std::sort(records.begin() + static_cast<ptrdiff_t>(begin), records.begin() + static_cast<ptrdiff_t>(i),
              [&](Record a, Record b) {
                return std::pair(keys[NumberOf(a)], NumberOf(a)) < std::pair(keys[NumberOf(b)], NumberOf(b));
              });
  }
}

}  // namespace

std::vector<int> OrderByKey(const std::vector<uint64_t>& keys) {
  if (keys.empty()) return {};
  std::vector<Record> records = keys.size() < kManyKeys ? SortedByPrefix<8>(keys) : SortedByPrefix<12>(keys);
  SortRuns(keys, records);
  std::vector<int> order(records.size());
  std::transform(records.begin(), records.end(), order.begin(), NumberOf);
  return order;
}

}  // namespace greenplan
