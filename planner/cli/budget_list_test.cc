#include "planner/cli/budget_list.h"

#include <string>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/flags/plan_flags.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;

TEST(ExpandBudgetsTest, ARangeHasBothEndsInDecimal) {
  EXPECT_THAT(*ExpandBudgets({"0.1:0.5:0.1"}), ElementsAre("0.1", "0.2", "0.3", "0.4", "0.5"));
  EXPECT_EQ(ExpandBudgets({"0.05:1:0.05"})->size(), 20);
  EXPECT_EQ(ExpandBudgets({"0.05:1:0.05"})->back(), "1");
  EXPECT_THAT(*ExpandBudgets({"0.1:0.35:0.1"}), ElementsAre("0.1", "0.2", "0.3"));
  EXPECT_THAT(*ExpandBudgets({"0.5:0.5:1"}), ElementsAre("0.5"));
}

TEST(ExpandBudgetsTest, AListStaysAsItIs) {
  EXPECT_THAT(*ExpandBudgets({"0.3", "0.10", "1:2:1"}), ElementsAre("0.3", "0.10", "1", "2"));
}

TEST(ExpandBudgetsTest, RefusesWhatIsNoRange) {
  for (const std::string text :
       {"0.1:0.5", "0.1:0.5:0", "0.1:0.5:-1", "0.5:0.1:0.1", "a:b:c", "nan:1:0.1", "0:inf:0.1", "0:1:0.1:1"}) {
    const auto expanded = ExpandBudgets({text});
    EXPECT_EQ(expanded.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(expanded.status().message(),
              "--budgets is " + text + "; allowed: START:END:STEP with START <= END and STEP > 0");
  }
  EXPECT_EQ(ExpandBudgets({"0:1:1e-6"}).status().message(), "--budgets is 0:1:1e-6; allowed: at most 100,000 budgets");
}

TEST(NameBudgetsTest, NamesTheListInPlaceOfTheFlag) {
  for (const std::string rest : {" is 2; allowed: a number in (0, 1]", ": too low"}) {
    EXPECT_EQ(NameBudgets(absl::InvalidArgumentError("--budget" + rest)).message(), "--budgets" + rest);
  }
  EXPECT_EQ(NameBudgets(absl::InvalidArgumentError("--budget-of is x")).message(), "--budget-of is x");
  EXPECT_EQ(NameBudgets(absl::OkStatus()), absl::OkStatus());
}

TEST(ParseBudgetsTest, ChecksEachBudgetForTheMethod) {
  CLI::App app;
  PlanFlags flags(app, {.has_budget = false});
  app.parse("--max-saved-bytes 7 --method joint");
  const auto options = OptionsOfList(flags);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->method(), v1::METHOD_JOINT);
  const auto budgets = ParseBudgets({"0.2:0.4:0.1"}, flags, Method::kJoint);
  ASSERT_TRUE(budgets.ok()) << budgets.status();
  ASSERT_EQ(budgets->size(), 3);
  EXPECT_EQ((*budgets)[2].fraction, 0.4);
  EXPECT_EQ((*budgets)[2].max_saved_bytes, 7);
  EXPECT_TRUE(ParseBudgets({}, flags, Method::kJoint)->empty());
  for (const std::string bad : {"2", "0", "x"}) {
    EXPECT_THAT(std::string(ParseBudgets({"0.5", bad}, flags, Method::kJoint).status().message()),
                testing::StartsWith("--budgets is " + bad));
  }
}

}  // namespace
}  // namespace greenplan
