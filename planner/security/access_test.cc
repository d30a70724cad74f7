#include "planner/security/access.h"

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/convert/digest.h"
#include "planner/files/files.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

std::string Token(const std::string& tenant, const std::string& role, const std::string& token) {
  return "[[token]]\ntenant = \"" + tenant + "\"\nrole = \"" + role + "\"\nsha256 = \"" + Sha256Hex(token) + "\"\n";
}

absl::StatusOr<Caller> Check(const Access& access, const std::string& method,
                             std::optional<absl::string_view> authorization) {
  absl::StatusOr<Caller> caller = access.Identify(authorization);
  if (!caller.ok()) return caller;
  if (absl::Status status = Access::Authorize(*caller, method); !status.ok()) return status;
  return caller;
}

class AccessTest : public ::testing::Test {
 protected:
  AccessTest() { Write(Token("a", "viewer", "v") + Token("a", "trainer", "t") + Token("a", "admin", "x")); }

  void Write(const std::string& text) const { EXPECT_TRUE(WriteFile(file_, text).ok()); }

  const std::string file_ = ::testing::TempDir() + "/tokens.toml";
};

TEST_F(AccessTest, EveryRoleMayCallWhatTheContractSays) {
  const auto access = Access::Create(file_);
  ASSERT_TRUE(access.ok()) << access.status();
  const std::vector<std::string> for_viewers = {"GetJob",     "ListJobs",     "GetPlan", "ListPlans",
                                                "WatchPlans", "ListOutcomes", "WhatIf"};
  const std::vector<std::string> for_trainers = {"CreateJob", "UpdateJob", "PlanRound", "Solve", "ReportOutcome"};
  const std::vector<std::string> for_admins = {"DeleteJob", "AMethodOfTheFuture"};
  const auto code = [&](const std::string& method, const std::string& token) {
    return Check(**access, method, "Bearer " + token).status().code();
  };
  for (const std::string& method : for_viewers) {
    for (const char* token : {"v", "t", "x"}) EXPECT_EQ(code(method, token), absl::StatusCode::kOk) << method << token;
  }
  for (const std::string& method : for_trainers) {
    EXPECT_EQ(code(method, "v"), absl::StatusCode::kPermissionDenied) << method;
    for (const char* token : {"t", "x"}) EXPECT_EQ(code(method, token), absl::StatusCode::kOk) << method << token;
  }
  for (const std::string& method : for_admins) {
    for (const char* token : {"v", "t"}) {
      EXPECT_EQ(code(method, token), absl::StatusCode::kPermissionDenied) << method << token;
    }
    EXPECT_EQ(code(method, "x"), absl::StatusCode::kOk) << method;
  }
}

TEST_F(AccessTest, TellsTheTenantOfAToken) {
  const auto access = Access::Create(file_);
  ASSERT_TRUE(access.ok()) << access.status();
  EXPECT_EQ(*Check(**access, "GetJob", "Bearer t"), (Caller{"a", Role::kTrainer}));
  EXPECT_EQ(*Check(**access, "GetJob", "bearer x"), (Caller{"a", Role::kAdmin}));
}

TEST_F(AccessTest, RefusesCallersWithoutAKnownToken) {
  const auto access = Access::Create(file_);
  ASSERT_TRUE(access.ok()) << access.status();
  EXPECT_EQ(Check(**access, "GetJob", std::nullopt).status().code(), absl::StatusCode::kUnauthenticated);
  for (const std::string authorization : {"", "t", "Bearer", "Bearer ", "Bearer tt", "Bearer  t", "Basic t"}) {
    const auto caller = Check(**access, "GetJob", authorization);
    EXPECT_EQ(caller.status().code(), absl::StatusCode::kUnauthenticated) << authorization;
  }
  EXPECT_THAT(Check(**access, "DeleteJob", "Bearer v").status().message(),
              HasSubstr("DeleteJob needs the role admin; this token's is viewer"));
  // The hash that stands in the file is no token.
  EXPECT_EQ(Check(**access, "GetJob", "Bearer " + Sha256Hex("t")).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(AccessTest, WithoutATokensFileEverybodyIsAdminOfOneTenant) {
  EXPECT_EQ(*Check(**Access::Create(""), "DeleteJob", std::nullopt), Caller());
}

TEST_F(AccessTest, TokensComeAndGoWithTheFileAndABadFileChangesNothing) {
  const auto access = Access::Create(file_);
  ASSERT_TRUE(access.ok()) << access.status();
  Write("[[token]]\n");
  EXPECT_EQ((*access)->Reload().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Check(**access, "GetJob", "Bearer t").ok());
  Write(Token("a", "trainer", "new"));
  EXPECT_TRUE((*access)->Reload().ok());
  EXPECT_TRUE(Check(**access, "GetJob", "Bearer new").ok());
  EXPECT_EQ(Check(**access, "GetJob", "Bearer t").status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(AccessTest, TellsSeveralTenantsApart) {
  Write(Token("a", "viewer", "v") + Token("b", "trainer", "w") + Token("a", "admin", "x"));
  const auto access = Access::Create(file_);
  ASSERT_TRUE(access.ok()) << access.status();
  EXPECT_EQ(*(*access)->Identify("Bearer v"), (Caller{"a", Role::kViewer}));
  EXPECT_EQ(*(*access)->Identify("Bearer w"), (Caller{"b", Role::kTrainer}));
  EXPECT_EQ(*(*access)->Identify("Bearer x"), (Caller{"a", Role::kAdmin}));
}

TEST_F(AccessTest, NamesTheBadLine) {
  const std::string good = Token("a", "viewer", "v");  // Four lines.
  const std::string hash = "sha256 = \"" + Sha256Hex("y") + "\"\n";
  const struct {
    std::string text;
    std::string message;
  } cases[] = {
      {good + "[[token]\n", "line 5: "},
      {good + "tokens = \"x\"\n", "line 5: tokens is unknown; allowed: tenant, role, sha256"},
      {"x = 1\n" + good, "line 1: x is unknown here; allowed: [[token]] tables"},
      {"[token]\ntenant = \"a\"\n", "line 1: token is unknown here; allowed: [[token]] tables"},
      {good + "[[token]]\nrole = \"admin\"\n" + hash, "line 5: [[token]] has no tenant"},
      {good + "[[token]]\ntenant = \"b\"\n" + hash, "line 5: [[token]] has no role"},
      {good + "[[token]]\ntenant = \"b\"\nrole = \"admin\"\n", "line 5: [[token]] has no sha256"},
      {good + "[[token]]\ntenant = \"b\"\nrole = \"owner\"\n",
       "line 7: role is \"owner\"; allowed: trainer, viewer, admin"},
      {good + "[[token]]\ntenant = \"b c\"\n", "line 6: tenant is \"b c\""},
      {good + "[[token]]\ntenant = 7\n", "line 6: tenant is no text in quotes"},
      {good + "[[token]]\nsha256 = \"secret\"\n", "line 6: sha256 has 6 characters"},
      {good + good, "line 8: sha256 appears twice"},
  };
  for (const auto& [text, message] : cases) {
    Write(text);
    const absl::Status status = Access::Create(file_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(status.message(), HasSubstr("--tokens is " + file_ + ": " + message)) << text;
    EXPECT_THAT(status.message(), ::testing::Not(HasSubstr("secret")));
  }
  EXPECT_THAT(Access::Create("/no/such.toml").status().message(), HasSubstr("--tokens: /no/such.toml"));
}

}  // namespace
}  // namespace greenplan
