#include "planner/store/memory/shared_strings.h"

#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(SharedStringsTest, KeepsEqualStringsOnceUntilTheLastUserHasDroppedThem) {
  SharedStrings strings;
  const SharedStrings::Ref a = strings.Share("profile");
  const SharedStrings::Ref other = strings.Share("another profile");
  const SharedStrings::Ref b = strings.Share("profile");
  EXPECT_EQ(a, b);
  EXPECT_EQ(strings.size(), 2);
  strings.Drop(a);
  EXPECT_EQ(strings.Share("profile"), b);
  strings.Drop(b);
  strings.Drop(b);
  EXPECT_EQ(strings.size(), 1);
  EXPECT_EQ(*b, "profile") << "it lives as long as somebody reads it";
  EXPECT_EQ(*other, "another profile");
}

TEST(SharedStringsTest, TheEmptyStringIsOneToo) {
  SharedStrings strings;
  const SharedStrings::Ref empty = strings.Share("");
  EXPECT_EQ(strings.Share(""), empty);
  strings.Drop(empty);
  strings.Drop(empty);
  EXPECT_EQ(strings.size(), 0);
}

}  // namespace
}  // namespace greenplan
