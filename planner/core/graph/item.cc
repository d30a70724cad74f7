#include "planner/core/graph/item.h"

#include <bit>

namespace greenplan {

std::optional<int64_t> WorthOf(const Bundle& bundle, const Bundle::Option& option, const std::vector<int64_t>& values) {
  int64_t total = 0;
  for (uint32_t rest = option.tensors; rest != 0; rest &= rest - 1) {
    const int64_t value = values[bundle.tensors[std::countr_zero(rest)]];
    if (value <= 0) return std::nullopt;
    total += value;
  }
  return total;
}

}  // namespace greenplan
