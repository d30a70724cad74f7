#include "planner/cli/budget_list.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

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

}  // namespace
}  // namespace greenplan
