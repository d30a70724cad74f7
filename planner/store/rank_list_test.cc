#include "planner/store/rank_list.h"

#include <limits>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(RankListTest, ListsRoundTrip) {
  for (const std::vector<int32_t>& ranks :
       {std::vector<int32_t>{}, {0}, {1, 255, 256, 70000}, {std::numeric_limits<int32_t>::max()}}) {
    EXPECT_EQ(DecodeRanks(EncodeRanks(ranks)), ranks);
  }
  EXPECT_EQ(EncodeRanks({258}), std::string("\x02\x01\0\0", 4));
}

TEST(RankListTest, ACutListIsRefused) { EXPECT_EQ(DecodeRanks("abcde"), std::nullopt); }

}  // namespace
}  // namespace greenplan
