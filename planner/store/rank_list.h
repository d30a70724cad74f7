#ifndef GREENPLAN_PLANNER_STORE_RANK_LIST_H_
#define GREENPLAN_PLANNER_STORE_RANK_LIST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace greenplan {

// A list of ranks as drivers keep it in a column: 4 bytes per rank, least significant first. Pure functions,
// thread-safe.
std::string EncodeRanks(const std::vector<int32_t>& ranks);
// Empty if `bytes` is not such a list.
std::optional<std::vector<int32_t>> DecodeRanks(absl::string_view bytes);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_RANK_LIST_H_
