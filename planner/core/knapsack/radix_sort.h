#ifndef GREENPLAN_PLANNER_CORE_KNAPSACK_RADIX_SORT_H_
#define GREENPLAN_PLANNER_CORE_KNAPSACK_RADIX_SORT_H_

#include <cstdint>
#include <vector>

namespace greenplan {

// An element by its number in some other vector, with the key that it is sorted by.
struct KeyedIndex {
  uint64_t key = 0;
  int index = 0;
};

// Sorts by rising key; equal keys keep their order. A least-significant-digit radix sort by bytes: two to five times as
// fast as std::sort from a few hundred elements on, since no branch depends on the data. Bytes in which all keys agree
// are skipped. O(n), memory of a second copy.
void RadixSort(std::vector<KeyedIndex>& elements);

// Returns a key that is the higher the lower `number` is. REQUIRES: number >= 0; it may be infinite.
uint64_t FallingKey(double number);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_KNAPSACK_RADIX_SORT_H_
