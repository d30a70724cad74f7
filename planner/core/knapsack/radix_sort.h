#ifndef GREENPLAN_PLANNER_CORE_KNAPSACK_RADIX_SORT_H_
#define GREENPLAN_PLANNER_CORE_KNAPSACK_RADIX_SORT_H_

#include <bit>
#include <cstdint>
#include <vector>

namespace greenplan {

// Returns the numbers 0 to keys.size() - 1 by rising key; of equal keys the lower number comes first. REQUIRES: there
// are fewer than 2^31 keys.
//
// This is a least-significant-digit radix sort, two to five times as fast as std::sort from a few hundred keys on,
// because no branch depends on the data. It moves 8 bytes per key: its number and the leading 24 of those bits in which
// the keys differ. Keys that agree in these are then compared as a whole. Few do, unless the keys were chosen to; O(n)
// for n keys without them, O(n log n) at worst. Memory: 20 bytes per key.
std::vector<int> OrderByKey(const std::vector<uint64_t>& keys);

// Returns a key that orders numbers by falling value: the key is the higher, the lower `number` is. REQUIRES: number >=
// 0; it may be infinite, but not NaN.
inline uint64_t FallingKey(double number) { return ~std::bit_cast<uint64_t>(number); }

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_KNAPSACK_RADIX_SORT_H_
