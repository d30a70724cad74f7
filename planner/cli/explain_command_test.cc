// `greenplan explain` as its users run it.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "planner/cli/greenplan_fixture.h"

namespace greenplan {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using ExplainCommandTest = GreenplanTest;

constexpr char kFiles[] = "explain --profile p.json --importance i.json ";
constexpr char kBudget130[] = "--budget 130 --budget-of absolute ";

std::vector<json> Column(const json& rows, const std::string& key) {
  std::vector<json> column;
  for (const json& row : rows) column.push_back(row[key]);
  return column;
}

TEST_F(ExplainCommandTest, HasARowPerTensorInForwardOrderWithEveryKey) {
  const json rows = RunJson(std::string(kFiles) + kBudget130);
  EXPECT_THAT(Column(rows, "tensor"), ElementsAre("c", "b", "a", "unreached"));
  for (const json& row : rows) {
    EXPECT_EQ(row.size(), 6);
    for (const char* key :
         {"tensor", "trainable", "importance", "marginal_cost", "marginal_saved_bytes", "entry_budget"}) {
      EXPECT_TRUE(row.contains(key)) << key;
    }
  }
}

TEST_F(ExplainCommandTest, MarginalsAreWhatAddingCostsAndLeavingOutSaves) {
  const json rows = RunJson(std::string(kFiles) + kBudget130);
  EXPECT_THAT(Column(rows, "trainable"), ElementsAre(false, true, true, false));
  EXPECT_THAT(Column(rows, "importance"), ElementsAre(3, 2, 1, 0));
  // Adding c: its gradient, 20, and the edge to its op, 10. Leaving b out: 10 and the edge that it alone keeps, 10.
  EXPECT_THAT(Column(rows, "marginal_cost"), ElementsAre(30, 20, 10, 0));
  // b: its own 8 and its op's 4.
  EXPECT_THAT(Column(rows, "marginal_saved_bytes"), ElementsAre(0, 12, 0, 0));
}

TEST_F(ExplainCommandTest, MarginalsAgreeWithTheCostCommand) {
  const auto cost = [this](const std::string& names) -> int64_t {
    return RunJson("cost --profile p.json --trainable " + names)["backward_cost"];
  };
  const json rows = RunJson(std::string(kFiles) + kBudget130);
  EXPECT_EQ(rows[0]["marginal_cost"], cost("a b c") - cost("a b"));
  EXPECT_EQ(rows[1]["marginal_cost"], cost("a b") - cost("a"));
  EXPECT_EQ(rows[2]["marginal_cost"], cost("a b") - cost("b"));
}

TEST_F(ExplainCommandTest, EntryBudgetIsTheLowestOfTheCurveThatTrainsTheTensor) {
  const std::string absolute = std::string(kFiles) + kBudget130;
  EXPECT_THAT(Column(RunJson(absolute + "--budgets 110,120,140,150"), "entry_budget"),
              ElementsAre(140, 120, 110, nullptr));
  EXPECT_THAT(Column(RunJson(absolute + "--budgets 100"), "entry_budget"),
              ElementsAre(nullptr, nullptr, nullptr, nullptr));
  const std::string backward = std::string(kFiles) + "--budget 1 --budget-of backward ";
  EXPECT_THAT(Column(RunJson(backward + "--budgets 0.5:1:0.5"), "entry_budget"), ElementsAre(160, 130, 130, nullptr));
}

TEST_F(ExplainCommandTest, TheCurveIsOfSharesOfFullWithoutBudgets) {
  const std::string explain = kFiles + std::string("--budget 1 ");
  EXPECT_EQ(RunJson(explain), RunJson(explain + "--budgets 0.02:1:0.02"));
  EXPECT_THAT(Column(RunJson(std::string(kFiles) + kBudget130), "entry_budget"), ElementsAre(140, 121, 112, nullptr));
}

TEST_F(ExplainCommandTest, PinnedTensorsEnterWhereTheyFit) {
  const json rows = RunJson(std::string(kFiles) + "--budget 1 --always c");
  // Forward, two edges and the gradient: 140, for which the budgets below 0.88 are too low.
  EXPECT_EQ(rows[0]["entry_budget"], 140);
}

TEST_F(ExplainCommandTest, ExplainsAPlanOfAFile) {
  const std::string plan =
      Run(std::string("plan --profile p.json --importance i.json --format json ") + kBudget130).out;
  Write("plan.json", plan);
  EXPECT_EQ(RunJson(std::string(kFiles) + "--plan plan.json"), RunJson(std::string(kFiles) + kBudget130));
  EXPECT_EQ(Run(std::string(kFiles) + "--plan plan.json").out, Run(std::string(kFiles) + kBudget130).out);
  // As a message: bits 1 and 2.
  Write("message.json", R"({"method": "METHOD_SELECTION", "trainable": "Bg=="})");
  EXPECT_EQ(RunJson(std::string(kFiles) + "--plan message.json"), RunJson(std::string(kFiles) + kBudget130));
}

TEST_F(ExplainCommandTest, TableSaysWhichPlanAndMarksWhatTrains) {
  const Result result = Run(std::string(kFiles) + kBudget130);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, StartsWith("plan: selection, budget 130 FLOPs, predicted cost 130 FLOPs (81.2% of full), "
                                     "value 3, 2 of 4 tensors\n\ntensor "));
  EXPECT_THAT(result.out, HasSubstr("\nb          *                2       20 FLOPs    12.5%            12 B"));
  EXPECT_THAT(result.out, HasSubstr("\nunreached                   0        0 FLOPs     0.0%             0 B"
                                    "             -        -\n"));
}

TEST_F(ExplainCommandTest, CsvLeavesTheEntryOfWhatNeverEntersEmpty) {
  const std::string out = Run(std::string(kFiles) + kBudget130 + "--budgets 130 --format csv").out;
  EXPECT_THAT(out, StartsWith("tensor,trainable,importance,marginal_cost,marginal_saved_bytes,entry_budget\n"));
  EXPECT_THAT(out, HasSubstr("\nb,true,2.0,20,12,130\n"));
  EXPECT_THAT(out, HasSubstr("\nunreached,false,0.0,0,0,\n"));
}

TEST_F(ExplainCommandTest, EveryMethodsMaskIsExplainedAtFullCost) {
  for (const std::string plan : {"--method full", "--method drop --mean-drop-rate 0.5", "--method joint --budget 1"}) {
    const json rows = RunJson(kFiles + plan);
    EXPECT_EQ(rows[2]["marginal_cost"], 10) << plan;
    EXPECT_EQ(rows[0]["marginal_cost"], 30) << plan;
  }
  EXPECT_THAT(Run(std::string(kFiles) + "--method drop --mean-drop-rate 0.5").out,
              HasSubstr("\nmarginals are at full cost: the plan's drop rates do not count in them\n"));
}

TEST_F(ExplainCommandTest, AnEmptyPlanIsExplainedToo) {
  const Result result = Run(std::string(kFiles) + "--budget 0.5");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("0 of 4 tensors\nno tensor fits: "));
}

TEST_F(ExplainCommandTest, RefusesBadInput) {
  const std::string explain(kFiles);
  ExpectRefused(explain, "--budget is missing; every method but full requires one");
  ExpectRefused(explain + "--budget 2", "--budget is 2; allowed: a number in (0, 1], or auto");
  ExpectRefused(explain + "--budget 1 --budgets 0.5,2", "--budgets is 2; allowed: a number in (0, 1], or auto");
  ExpectRefused(explain + "--budget 1 --budgets 1:0:0.1",
                "--budgets is 1:0:0.1; allowed: START:END:STEP with START <= END and STEP > 0");
  ExpectRefused(explain + "--budget 1 --always x", "--always is \"x\"; allowed: names of the profile's tensors");
  ExpectRefused("explain --profile p.json --budget 1", "--importance is required");
  Write("i.json", "{}");
  ExpectRefused(explain + "--method full", "i.json: importance has 0 entries; the profile has 4 tensors");
}

TEST_F(ExplainCommandTest, RefusesAnotherPlanBesideThePlanOfAFile) {
  Write("plan.json", R"({"method": "selection", "trainable": ["b"]})");
  const std::string explain = std::string(kFiles) + "--plan plan.json ";
  for (const std::string flag : {"--method selection", "--budget 1", "--mean-drop-rate 0.5", "--keep-plan plan.json"}) {
    ExpectRefused(explain + flag,
                  "--plan is plan.json beside " + flag.substr(0, flag.find(' ')) + "; allowed: one of them");
  }
}

TEST_F(ExplainCommandTest, RefusesAPlanOfAnotherProfile) {
  Write("plan.json", R"({"method": "selection", "trainable": ["x"]})");
  ExpectRefused(std::string(kFiles) + "--plan plan.json",
                "plan.json: trainable is \"x\"; allowed: names of the profile's tensors");
  Write("plan.json", R"({"method": "selection", "trainable": ["b"], "profile_digest": "abc"})");
  EXPECT_THAT(Run(std::string(kFiles) + "--plan plan.json").err,
              StartsWith("greenplan: plan.json: profile_digest is \"abc\"; the profile's digest is "));
  ExpectRefused(std::string(kFiles) + "--plan none.json", "none.json cannot be read: No such file or directory");
}

}  // namespace
}  // namespace greenplan
