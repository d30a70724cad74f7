#ifndef GREENPLAN_PLANNER_STORE_RANK_LIST_H_
#define GREENPLAN_PLANNER_STORE_RANK_LIST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace greenplan {

// Returns a list of ranks as drivers keep it in a column: 4 bytes for each rank, least significant byte first. Both
// functions are pure and thread-safe.
std::string EncodeRanks(const std::vector<int32_t>& ranks);
// Returns the list in `bytes`; nullopt if they are not such a list.
std::optional<std::vector<int32_t>> DecodeRanks(absl::string_view bytes);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_RANK_LIST_H_
