// The binary as its users run it: exit codes, errors of one line, and the keys of its JSON.

#include <cstdlib>
#include <filesystem>
#include <set>
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
using ::testing::IsSubsetOf;
using ::testing::StartsWith;

TEST_F(GreenplanTest, VersionInEveryFormat) {
  EXPECT_THAT(Run("version").out, StartsWith("greenplan "));
  EXPECT_EQ(RunJson("version")["program"], "greenplan");
  EXPECT_THAT(Run("version --format csv").out, StartsWith("program,version\ngreenplan,"));
}

TEST_F(GreenplanTest, EveryCommandHasHelpWithAnExample) {
  for (const std::string command : {"", "version", "plan", "whatif", "explain", "cost", "profile", "jobs", "jobs list",
                                    "jobs get", "jobs delete", "plans", "plans list", "plans get", "plans explain"}) {
    const Result result = Run(command + " --help");
    EXPECT_EQ(result.exit_code, 0) << command;
    EXPECT_THAT(result.out, HasSubstr("Example:\n  greenplan")) << command;
    EXPECT_EQ(result.err, "") << command;
  }
}

TEST_F(GreenplanTest, ACommandIsRequired) {
  ExpectRefused("", "a command is required; allowed: version, plan, whatif, explain, cost, profile, jobs, plans");
  ExpectRefused("plam", "unknown command plam; allowed: version, plan, whatif, explain, cost, profile, jobs, plans");
  ExpectRefused("plan --profil p.json", "unknown argument --profil; see --help");
}

TEST_F(GreenplanTest, PlanPrintsTheBestPlan) {
  const json plan = RunJson("plan --profile p.json --importance i.json --budget 130 --budget-of absolute");
  EXPECT_EQ(plan["method"], "selection");
  EXPECT_EQ(plan["algorithm"], "exact");
  EXPECT_EQ(plan["status"], "OPTIMAL");
  EXPECT_EQ(plan["message"], "");
  EXPECT_EQ(plan["trainable"], json({"b", "a"}));
  EXPECT_EQ(plan["drop_rates"], json::object());
  EXPECT_EQ(plan["predicted_cost"], 130);
  EXPECT_EQ(plan["predicted_backward_cost"], 30);
  EXPECT_EQ(plan["budget"], 130);
  EXPECT_EQ(plan["full_cost"], 160);
  EXPECT_EQ(plan["value"], 3);
  EXPECT_EQ(plan["upper_bound"], 3);
  EXPECT_EQ(plan["profile_revision"], 0);
  EXPECT_EQ(plan["digest"].get<std::string>().size(), 64);
}

TEST_F(GreenplanTest, PlanFindsTheBestValuePerCost) {
  // b: 9 / 120, a and b: 10 / 130, all: 10.5 / 160.
  Write("i.json", R"({"importance": [0.5, 9, 1, 0]})");
  const std::string plan = "plan --profile p.json --importance i.json --budget auto ";
  json best = RunJson(plan);
  EXPECT_EQ(best["trainable"], json({"b", "a"}));
  EXPECT_EQ(best["budget"], 130);
  EXPECT_EQ(best["predicted_cost"], 130);
  EXPECT_EQ(best["value"], 10);
  EXPECT_EQ(best["status"], "OPTIMAL");
  best = RunJson(plan + "--never a --method selection");
  EXPECT_EQ(best["trainable"], json({"b"}));
  EXPECT_EQ(best["budget"], 120);
}

TEST_F(GreenplanTest, PlanRefusesWhatTheBestValuePerCostCannotHeed) {
  const std::string plan = "plan --profile p.json --importance i.json --budget auto ";
  ExpectRefused(plan + "--method drop", "--budget auto is set; allowed: with method selection only");
  ExpectRefused(plan + "--budget-of full", "--budget-of is full with --budget auto; allowed: with a number only");
  ExpectRefused(
      plan + "--max-saved-bytes 9",
      "--max-saved-bytes is 9 with budget.best_value_per_cost; allowed: with a budget that is a share or a cost");
  ExpectRefused(plan + "--algorithm downscaled",
                "--algorithm is downscaled with budget.best_value_per_cost; allowed: exact");
}

TEST_F(GreenplanTest, PlanRefusesWhatTheDownscaledProgramDoesNotKnow) {
  const std::string plan = "plan --profile p.json --importance i.json --budget 0.9 --algorithm downscaled ";
  ExpectRefused(plan + "--max-saved-bytes 9", "--algorithm is downscaled with budget.max_saved_bytes; allowed: exact");
  ExpectRefused(plan + "--method joint", "--algorithm is downscaled with method joint; allowed: exact");
}

TEST_F(GreenplanTest, PlanTellsTheWeightGradientOfATiedTensorToo) {
  Write("tied.json", R"({"model": "tied", "cost_unit": "COST_UNIT_FLOPS", "forward_cost": 100,
    "ops": [{"name": "loss", "inputs": [{"op": 1, "cost": 5}, {"op": 2, "cost": 21}]},
            {"name": "head", "inputs": [{"op": 2, "cost": 21}]}, {"name": "tied"}],
    "tensors": [{"name": "t", "op": 2}, {"name": "h", "op": 1, "weight_grad_cost": 17}]})");
  Write("two.json", R"({"importance": [1, 1]})");
  const std::string out = Run("plan --profile tied.json --importance two.json --budget 1").out;
  EXPECT_THAT(out, HasSubstr("42 FLOPs"));
  EXPECT_THAT(out, HasSubstr("17 FLOPs"));
}

TEST_F(GreenplanTest, AnEmptyPlanIsAResultWithEveryKey) {
  const json plan = RunJson("plan --profile p.json --importance i.json --budget 0.5");
  EXPECT_EQ(plan["status"], "EMPTY");
  EXPECT_NE(plan["message"], "");
  EXPECT_THAT((std::vector<std::string>{"method", "algorithm", "status", "message", "trainable", "drop_rates",
                                        "predicted_cost", "predicted_backward_cost", "budget", "full_cost", "value",
                                        "upper_bound", "profile_revision", "digest"}),
              IsSubsetOf(KeysOf(plan)));
  EXPECT_EQ(plan["trainable"], json::array());
}

TEST_F(GreenplanTest, PlanAsCsvIsARowUnderTheKeys) {
  const std::string out =
      Run("plan --profile p.json --importance i.json --budget 130 --budget-of absolute --format csv").out;
  EXPECT_THAT(out, StartsWith("method,algorithm,status,message,trainable,drop_rates,predicted_cost,"));
  EXPECT_THAT(out, HasSubstr("\nselection,exact,OPTIMAL,,b;a,,130,30,130,160,"));
}

TEST_F(GreenplanTest, PlanAsTableNamesTheTensors) {
  const Result result = Run("plan --profile p.json --importance i.json --budget 130 --budget-of absolute");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("2 of 4 tensors"));
  EXPECT_THAT(result.out, HasSubstr("130 FLOPs (81.2% of full)"));
}

TEST_F(GreenplanTest, PlanRefusesBadBudgets) {
  const std::string plan = "plan --profile p.json --importance i.json ";
  for (const std::string budget : {"0", "-1", "nan", "2"}) {
    ExpectRefused(plan + "--budget " + budget, "--budget is " + budget + "; allowed: a number in (0, 1], or auto");
  }
  ExpectRefused(plan + "--budget half", "--budget is half; allowed: a number in (0, 1], or auto");
  ExpectRefused(plan, "--budget is missing; every method but full requires one");
  ExpectRefused(plan + "--budget 0 --budget-of absolute", "--budget is 0; allowed: an integer > 0");
}

TEST_F(GreenplanTest, SaysInOneLineThatAMessageIsNotUtf8) {
  Write("p.pb", "\x0a\x01\xff");
  ExpectRefused("plan --profile p.pb --importance i.json --budget 1", "p.pb is not the binary form of a ModelProfile");
}

TEST_F(GreenplanTest, PlanRefusesBadFlags) {
  const std::string plan = "plan --profile p.json --importance i.json --budget 1 ";
  ExpectRefused(plan + "--method best", "--method is best; allowed: full, selection, drop, joint");
  ExpectRefused(plan + "--format xml", "--format is xml; allowed: table, json, csv");
  ExpectRefused(plan + "--resolution many", "--resolution is many; allowed: an integer");
  ExpectRefused(plan + "--always x", "--always is \"x\"; allowed: names of the profile's tensors");
  ExpectRefused(plan + "--always a --never a",
                "--never is \"a\", which is also in always; a tensor may be in one of them only");
  ExpectRefused("plan --importance i.json --budget 1", "--profile is required");
  ExpectRefused("plan --profile p.json --budget 1", "--importance is missing; every method but full requires it");
}

TEST_F(GreenplanTest, PlanRefusesPinsThatExceedTheBudget) {
  const Result result = Run("plan --profile p.json --importance i.json --budget 0.7 --always c");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, StartsWith("greenplan: --always: the pinned tensors alone cost "));
  EXPECT_EQ(result.out, "");
}

TEST_F(GreenplanTest, ErrorsInFilesNameTheFile) {
  const std::string plan = "plan --profile p.json --importance i.json --budget 1";
  ExpectRefused("plan --profile none.json --importance i.json --budget 1",
                "none.json cannot be read: No such file or directory");
  ExpectRefused("plan --profile p.yaml --importance i.json --budget 1",
                "p.yaml has no known extension; allowed: .json, .pb, each also .gz");
  Write("i.json", R"({"importance": [1]})");
  ExpectRefused(plan, "i.json: importance has 1 entries; the profile has 4 tensors");
  Write("i.json", R"({"importance": [1, 2, "NaN", 0]})");
  ExpectRefused(plan, "i.json: importance[2] is nan; allowed: finite numbers");
  Write("p.json", R"({"cost_unit": "COST_UNIT_FLOPS", "forward_cost": -4})");
  ExpectRefused(plan, "p.json: forward_cost is -4; costs must be >= 0");
  Write("p.json", R"({"cost_unit": "COST_UNIT_FLOPS", "backward_cost": 4})");
  EXPECT_THAT(Run(plan).err, StartsWith("greenplan: p.json is not the JSON of a ModelProfile: "));
}

TEST_F(GreenplanTest, AReportOfAnotherProfileIsRefused) {
  Write("i.json", R"({"importance": [1, 2, 3, 0], "profile_digest": "abc"})");
  const Result result = Run("plan --profile p.json --importance i.json --budget 1");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, StartsWith("greenplan: i.json: profile_digest is \"abc\"; the profile's digest is "));
}

TEST_F(GreenplanTest, KeepsAPlanThatAnotherIsNotBetterThan) {
  const std::string plan = "plan --profile p.json --budget 130 --budget-of absolute ";
  const Result first = Run(plan + "--importance i.json --format json");
  Write("first.json", first.out);
  Write("j.json", R"({"importance": [3, 2, -0.1, 0]})");
  const std::string again = plan + "--importance j.json --keep-plan first.json ";
  EXPECT_EQ(RunJson(again + "--churn-threshold 0")["trainable"], json({"b"}));
  EXPECT_EQ(RunJson(again + "--churn-threshold 0.5")["trainable"], json({"b", "a"}));
}

TEST_F(GreenplanTest, OneRateForAllBlocksMayBeAskedOfAJointPlan) {
  Write("i.json", R"({"importance": [3, 2, 1, 0], "sensitivity": [1, 4]})");
  const std::string plan =
      "plan --profile p.json --importance i.json --budget 130 --budget-of absolute --method joint --min-drop-rate 0.1 ";
  const auto rates = [&](const std::string& allocation) {
    std::set<double> different;
    const json of_blocks = RunJson(plan + "--mu 0.5 --always a c --allocation " + allocation)["drop_rates"];
    for (const json& rate : of_blocks) different.insert(rate.get<double>());
    EXPECT_EQ(of_blocks.size(), 2);
    return different;
  };
  EXPECT_EQ(rates("sensitivity").size(), 2);
  EXPECT_EQ(rates("uniform").size(), 1);
}

TEST_F(GreenplanTest, KeepsThePlanInForceWhateverTheMethod) {
  Write("i.json", R"({"importance": [3, 2, 1, 0], "sensitivity": [1, 4]})");
  Write("j.json", R"({"importance": [1, 2, 3, 0], "sensitivity": [4, 1]})");
  for (const std::string method : {"selection", "drop", "joint"}) {
    const std::string plan = "plan --profile p.json --budget 130 --budget-of absolute --mu 1 --method " + method + " ";
    const json first = RunJson(plan + "--importance i.json");
    Write("first.json", first.dump());
    const std::string again = plan + "--importance j.json --keep-plan first.json --churn-threshold ";
    EXPECT_EQ(RunJson(again + "10")["digest"], first["digest"]) << method;
    if (method == "drop") EXPECT_NE(RunJson(again + "0")["digest"], first["digest"]);
  }
}

TEST_F(GreenplanTest, RefusesAPlanInForceOfAnotherProfile) {
  Write("first.json", R"({"method": "selection", "trainable": ["x"]})");
  ExpectRefused("plan --profile p.json --importance i.json --budget 1 --keep-plan first.json",
                "first.json: trainable is \"x\"; allowed: names of the profile's tensors");
}

TEST_F(GreenplanTest, FlagsBeatTheEnvironmentWhichBeatsTheFile) {
  Write("f.toml", "profile = \"p.json\"\nimportance = \"i.json\"\nbudget = 0.9\nformat = \"json\"\n");
  const auto budget = [this](const std::string& environment, const std::string& flags) {
    setenv("GREENPLAN_BUDGET", environment.c_str(), 1);
    const Result result = Run("plan --config f.toml " + flags);
    unsetenv("GREENPLAN_BUDGET");
    return json::parse(result.out, nullptr, false).value("budget", -1);
  };
  EXPECT_EQ(budget("", ""), 144);
  EXPECT_EQ(budget("0.8", ""), 128);
  EXPECT_EQ(budget("0.8", "--budget 1"), 160);
}

TEST_F(GreenplanTest, CostCountsAMask) {
  const json cost = RunJson("cost --profile p.json --trainable c a");
  EXPECT_THAT(KeysOf(cost),
              IsSubsetOf({"forward_cost", "backward_cost", "full_backward_cost", "predicted_cost", "saved_bytes"}));
  EXPECT_EQ(cost["forward_cost"], 100);
  EXPECT_EQ(cost["backward_cost"], 50);
  EXPECT_EQ(cost["full_backward_cost"], 60);
  EXPECT_EQ(cost["predicted_cost"], 150);
  EXPECT_EQ(cost["saved_bytes"], 4);
}

TEST_F(GreenplanTest, CostReadsNamesFromAFile) {
  Write("names.txt", "c\r\n\na\n");
  EXPECT_EQ(RunJson("cost --profile p.json --trainable @names.txt")["backward_cost"], 50);
  Write("names.txt", "\n");
  EXPECT_EQ(RunJson("cost --profile p.json --trainable @names.txt")["backward_cost"], 0);
  ExpectRefused("cost --profile p.json --trainable @none.txt",
                "--trainable: none.txt cannot be read: No such file or directory");
  ExpectRefused("cost --profile p.json --trainable d", "--trainable is \"d\"; allowed: names of the profile's tensors");
}

TEST_F(GreenplanTest, TensorsThatTheLossDoesNotReachCostNothing) {
  EXPECT_EQ(RunJson("cost --profile p.json --trainable unreached")["backward_cost"], 0);
}

TEST_F(GreenplanTest, CostUnderDropRatesIsTheExpectation) {
  Write("rates.json", R"({"bottom": 0.5})");
  // Of 60, block bottom holds c's 20; of it half is expected.
  EXPECT_EQ(RunJson("cost --profile p.json --trainable a b c --drop-rates rates.json")["backward_cost"], 50);
  Write("rates.json", R"({"bottom": 2})");
  ExpectRefused("cost --profile p.json --trainable a --drop-rates rates.json",
                "rates.json: \"bottom\" is 2; allowed: a number in [0, 1]");
  Write("rates.json", R"({"side": 0.5})");
  ExpectRefused("cost --profile p.json --trainable a --drop-rates rates.json",
                "rates.json: \"side\" is no block; allowed: names of the profile's blocks");
}

TEST_F(GreenplanTest, WhatIfHasARowPerBudget) {
  const json rows = RunJson("whatif --profile p.json --importance i.json --budgets 0.7:1:0.1");
  ASSERT_EQ(rows.size(), 4);
  std::vector<double> budgets;
  for (const json& row : rows) budgets.push_back(row["budget"]);
  EXPECT_THAT(budgets, ElementsAre(0.7, 0.8, 0.9, 1.0));
  EXPECT_THAT((std::vector<std::string>{"budget", "predicted_cost", "value", "upper_bound", "trainable_count",
                                        "trainable_fraction_of_parameters", "saved_bytes", "value_per_cost"}),
              IsSubsetOf(KeysOf(rows[0])));
  EXPECT_EQ(rows[3]["predicted_cost"], 160);
  EXPECT_EQ(rows[3]["value"], 6);
  EXPECT_EQ(rows[3]["trainable_count"], 3);
  EXPECT_EQ(rows[3]["trainable_fraction_of_parameters"], 9.0 / 14);
  EXPECT_EQ(rows[3]["saved_bytes"], 12);
  EXPECT_EQ(rows[3]["value_per_cost"], 1);
}

TEST_F(GreenplanTest, WhatIfTellsTheValuePerCostAndTakesTheBest) {
  Write("i.json", R"({"importance": [0.5, 9, 1, 0]})");
  const std::string whatif = "whatif --profile p.json --importance i.json --budgets 0.75,auto ";
  const json rows = RunJson(whatif);
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0]["value_per_cost"], 9 / 10.5 / (120 / 160.0));
  EXPECT_EQ(rows[1]["budget"], "auto");
  EXPECT_EQ(rows[1]["budget_cost"], 130);
  EXPECT_EQ(rows[1]["value_per_cost"], 10 / 10.5 / (130 / 160.0));
  EXPECT_THAT(Run(whatif).out, HasSubstr("auto"));
  EXPECT_THAT(Run(whatif).out, HasSubstr("1.172"));
  EXPECT_THAT(Run(whatif + "--format csv").out, HasSubstr("\nauto,130,10.0,"));
  EXPECT_THAT(Run(whatif + "--format html").out, HasSubstr("<td>auto</td>"));
}

TEST_F(GreenplanTest, WhatIfTakesAListAndAbsoluteBudgets) {
  const std::string whatif = "whatif --profile p.json --importance i.json ";
  EXPECT_EQ(RunJson(whatif + "--budgets 0.7,0.9 1").size(), 3);
  const json rows = RunJson(whatif + "--budgets 120:160:20 --budget-of absolute");
  ASSERT_EQ(rows.size(), 3);
  EXPECT_EQ(rows[1]["budget"], 140);
  EXPECT_THAT(Run(whatif + "--budgets 1 --format csv").out, StartsWith("budget,predicted_cost,value,upper_bound,"));
  EXPECT_THAT(Run(whatif + "--budgets 1").out, StartsWith("budget  predicted cost"));
  EXPECT_THAT(Run(whatif + "--budgets 0.8,1 --format html").out, StartsWith("<!doctype html>"));
}

TEST_F(GreenplanTest, WhatIfRefusesBadBudgets) {
  const std::string whatif = "whatif --profile p.json --importance i.json ";
  ExpectRefused(whatif + "--budgets 0.5,2", "--budgets is 2; allowed: a number in (0, 1], or auto");
  ExpectRefused(whatif + "--budgets 1:0:0.1",
                "--budgets is 1:0:0.1; allowed: START:END:STEP with START <= END and STEP > 0");
  ExpectRefused(whatif + "--budgets 0:1:1e-9", "--budgets is 0:1:1e-9; allowed: at most 100,000 budgets");
  ExpectRefused(whatif, "--budgets is required");
}

TEST_F(GreenplanTest, ProfileImportsAChain) {
  Write("arrays.json", R"({"names": ["b", "a"], "order": "output_first", "t_dy": [3, 4], "t_dw": [5, 6],
                           "forward_cost": 20})");
  const std::string profile = "profile --from-arrays arrays.json ";
  EXPECT_EQ(json::parse(Run(profile + "--own-dx seed").out)["tensors"].size(), 2);
  EXPECT_THAT(Run(profile + "--own-dx seed --output chain.json").out, HasSubstr("chain.json"));
  EXPECT_EQ(RunJson("cost --profile chain.json --trainable a")["backward_cost"], 3 + 4 + 6);
  EXPECT_EQ(RunJson(profile + "--own-dx autograd --output chain.pb.gz")["full_backward_cost"], 3 + 5 + 6);
  EXPECT_EQ(RunJson("cost --profile chain.pb.gz --trainable a")["backward_cost"], 3 + 6);
  ExpectRefused(profile, "--own-dx is missing; allowed: seed, autograd");
}

TEST_F(GreenplanTest, ProfileTakesTheHeadThatIsAskedFor) {
  Write("c.json", R"({"model_type": "llama", "architectures": ["LlamaModel"], "hidden_size": 8, "vocab_size": 10,
                      "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12})");
  const std::string profile = "profile --config c.json --seq-len 4 ";
  EXPECT_EQ(json::parse(Run(profile).out)["tensors"].back()["name"], "norm.weight");
  EXPECT_EQ(json::parse(Run(profile + "--head causal-lm").out)["tensors"].back()["name"], "lm_head.weight");
  ExpectRefused(profile + "--head masked-lm",
                "c.json: head is masked-lm; allowed for llama: causal-lm, classifier, none");
  EXPECT_EQ(Run(profile + "--head spam").exit_code, 2);
  Write("arrays.json", R"({"names": ["a"], "order": "output_first", "t_dy": [3], "t_dw": [5], "forward_cost": 20})");
  ExpectRefused("profile --from-arrays arrays.json --own-dx seed --head none",
                "--head is none; allowed: with --config only");
}

TEST_F(GreenplanTest, ProfileRefusesBadInput) {
  ExpectRefused("profile", "--config or --from-arrays is required; allowed: exactly one of them");
  ExpectRefused("profile --config none.json", "none.json cannot be read: No such file or directory");
  ExpectRefused("profile --config p.json --batch-size 0", "--batch-size is 0; allowed: an integer >= 1");
  Write("c.json", "{");
  ExpectRefused("profile --config c.json",
                "c.json is not JSON at line 1, column 2: unexpected end of input; expected string literal");
  Write("c.json", R"({"model_type": "perceptron"})");
  const Result result = Run("profile --config c.json --output out.json");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("c.json: "));
  EXPECT_THAT(result.err, HasSubstr("perceptron"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/out.json"));
}

}  // namespace
}  // namespace greenplan
