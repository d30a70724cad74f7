#include "planner/service/page_token.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

constexpr PagedList kList = {.rpc = "ListPlans", .tenant = "team-a", .parent = "jobs/a"};

TEST(PageTokenTest, PageSizesAreBounded) {
  EXPECT_EQ(*PageSize(0), 100);
  EXPECT_EQ(*PageSize(1), 1);
  EXPECT_EQ(*PageSize(1000), 1000);
  EXPECT_EQ(*PageSize(1001), 1000);
  EXPECT_EQ(*PageSize(std::numeric_limits<int32_t>::max()), 1000);
  const absl::Status status = PageSize(-1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(status), "page_size");
  EXPECT_EQ(status.message(), "page_size is -1; must be >= 0, 0 meaning 100");
}

TEST(PageTokenTest, TheListReadsWhatItHasWritten) {
  EXPECT_EQ(*ParsePageToken(kList, ""), "");
  for (const std::string position : {"0", "jobs/a", "9223372036854775807", "\xff/\n"}) {
    EXPECT_EQ(*ParsePageToken(kList, FormatPageToken(kList, position)), position);
  }
}

TEST(PageTokenTest, AnotherListsTokenIsRefused) {
  const std::string token = FormatPageToken(kList, "17");
  for (const PagedList& other :
       {PagedList{"ListOutcomes", "team-a", "jobs/a"}, PagedList{"ListPlans", "team-b", "jobs/a"},
        PagedList{"ListPlans", "team-a", "jobs/b"}, PagedList{"ListPlans", "team-a", ""}}) {
    const absl::Status status = ParsePageToken(other, token).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << other.rpc << other.tenant << other.parent;
    EXPECT_EQ(FieldOf(status), "page_token");
  }
}

TEST(PageTokenTest, AMangledTokenIsRefused) {
  const std::string token = FormatPageToken(kList, "17");
  for (size_t i = 0; i < token.size(); ++i) {
    std::string mangled = token;
    mangled[i] = mangled[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(ParsePageToken(kList, mangled).ok()) << i;
    EXPECT_FALSE(ParsePageToken(kList, token.substr(0, i)).ok() && i > 0) << i;
  }
  for (const std::string& bad : std::vector<std::string>{"17", "!", " ", std::string(100000, 'A')}) {
    const absl::Status status = ParsePageToken(kList, bad).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_LT(status.message().size(), 200) << "the token itself is not repeated";
    EXPECT_THAT(status.message(), ::testing::HasSubstr("must be empty or the next_page_token of a call of ListPlans"));
  }
}

}  // namespace
}  // namespace greenplan
