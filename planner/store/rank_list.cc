#include "planner/store/rank_list.h"

namespace greenplan {

std::string EncodeRanks(const std::vector<int32_t>& ranks) {
  std::string bytes;
  bytes.reserve(4 * ranks.size());
  for (const int32_t rank : ranks) {
    for (int shift = 0; shift < 32; shift += 8) {
      bytes.push_back(static_cast<char>(static_cast<uint32_t>(rank) >> shift & 0xff));
    }
  }
  return bytes;
}

std::optional<std::vector<int32_t>> DecodeRanks(absl::string_view bytes) {
  if (bytes.size() % 4 != 0) return std::nullopt;
  std::vector<int32_t> ranks;
  ranks.reserve(bytes.size() / 4);
  for (size_t at = 0; at < bytes.size(); at += 4) {
    uint32_t rank = 0;
    for (int i = 0; i < 4; ++i) rank |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
    ranks.push_back(static_cast<int32_t>(rank));
  }
  return ranks;
}

}  // namespace greenplan
