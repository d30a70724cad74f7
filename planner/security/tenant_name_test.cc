#include "planner/security/tenant_name.h"

#include <string>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(TenantNameTest, IsPlainAndShort) {
  for (const char* name : {"a", "team-a", "Team_A.2", "0"}) EXPECT_TRUE(IsTenantName(name)) << name;
  EXPECT_TRUE(IsTenantName(std::string(63, 'a')));
  for (const char* name : {"", "a b", "a/b", "\"", "a\n", "ä"}) EXPECT_FALSE(IsTenantName(name)) << name;
  EXPECT_FALSE(IsTenantName(std::string(64, 'a')));
}

}  // namespace
}  // namespace greenplan
