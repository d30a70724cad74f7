#include "planner/admission/quota_table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;

TEST(QuotaTableTest, ATenantsOwnQuotaCountsBeforeTheDefault) {
  const absl::StatusOr<QuotaTable> table = QuotaTable::Parse(R"(
[[quota]]
tenant = "team-a"
jobs = 50
calls_per_second = 20.5

[default]  # The order of the tables does not matter.
jobs = 1_000
bytes = 0

[[quota]]
tenant = "b"
bytes = 5_000_000_000
solver_seconds_per_minute = 30
)");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->Of("team-a"), (Quota{.jobs = 50, .bytes = 0, .calls_per_second = 20.5}));
  EXPECT_EQ(table->Of("b"), (Quota{.jobs = 1000, .bytes = 5'000'000'000, .solver_seconds_per_minute = 30}));
  EXPECT_EQ(table->Of("c"), (Quota{.jobs = 1000, .bytes = 0}));
  EXPECT_EQ(table->Of(""), (Quota{.jobs = 1000, .bytes = 0}));
  EXPECT_THAT(table->Tenants(), ElementsAre("b", "team-a"));
}

TEST(QuotaTableTest, LimitsNobodyByItself) {
  EXPECT_EQ(QuotaTable().Of("a"), Quota());
  const absl::StatusOr<QuotaTable> table = QuotaTable::Parse("# nothing\n");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->Of("a"), Quota());
}

TEST(QuotaTableTest, NamesTheLineAtFaultAndWhatIsAllowed) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"[default]\njobs = -1\n", "line 2: jobs is no integer >= 0"},
      {"[default]\njobs = 1.5\n", "line 2: jobs is no integer >= 0"},
      {"[default]\nbytes = \"1 GB\"\n", "line 2: bytes is no integer >= 0"},
      {"[default]\ncalls_per_second = 0\n", "line 2: calls_per_second is no finite number > 0"},
      {"[default]\ncalls_per_second = true\n", "line 2: calls_per_second is no finite number > 0"},
      {"[default]\nsolver_seconds_per_minute = inf\n", "line 2: solver_seconds_per_minute is no finite number > 0"},
      {"[default]\nsolver_seconds_per_minute = nan\n", "line 2: solver_seconds_per_minute is no finite number > 0"},
      {"[default]\njob = 1\n",
       "line 2: job is unknown; allowed: jobs, bytes, calls_per_second, solver_seconds_per_minute"},
      {"[default]\ntenant = \"a\"\n",
       "line 2: tenant is unknown; allowed: jobs, bytes, calls_per_second, solver_seconds_per_minute"},
      {"default = 3\n", "line 1: default is no table; allowed: [default]"},
      {"jobs = 3\n", "line 1: jobs is unknown here; allowed: [default] and [[quota]] tables"},
      {"[quota]\ntenant = \"a\"\n", "line 1: quota is unknown here; allowed: [default] and [[quota]] tables"},
      {"[[quota]]\njobs = 3\n", "line 1: [[quota]] has no tenant"},
      {"[[quota]]\ntenant = 3\n", "line 2: tenant is no text in quotes"},
      {"[[quota]]\ntenant = \"a b\"\n",
       "line 2: tenant is \"a b\"; allowed: 1 to 63 letters, digits, '-', '_' and '.'"},
      {"[[quota]]\ntenant = \"a\"\nrole = \"x\"\n",
       "line 3: role is unknown; allowed: tenant, jobs, bytes, calls_per_second, solver_seconds_per_minute"},
      {"[[quota]]\ntenant = \"a\"\n[[quota]]\ntenant = \"a\"\n",
       "line 3: tenant a appears twice; allowed: one [[quota]] for each tenant"},
  };
  for (const auto& [text, message] : cases) {
    const absl::Status status = QuotaTable::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(status.message(), message) << text;
  }
  EXPECT_EQ(QuotaTable::Parse("[default\n").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace greenplan
