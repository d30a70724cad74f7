#include "planner/capi/calls.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// Forward 7, full backward 14; two blocks of the same cost, 4.
json ProfileJson() {
  return json::parse(R"({"forward_cost": 7, "cost_unit": "COST_UNIT_FLOPS",
    "ops": [{"inputs": [{"op": 1}]}, {"cost": 2, "block": 0, "inputs": [{"op": 2}]}, {"cost": 2, "block": 1}],
    "tensors": [{"name": "bottom", "op": 2, "weight_grad_cost": 2}, {"name": "top", "op": 1, "weight_grad_cost": 2},
                {"name": "head", "op": 0, "weight_grad_cost": 6}],
    "blocks": [{"name": "first"}, {"name": "second"}]})");
}

class CallsTest : public testing::Test {
 protected:
  static absl::StatusOr<json> Ask(const ProfileCall& call, json request) {
    request["profile"] = ProfileJson();
    const Answer answer = AnswerRequest(call, request.dump());
    if (!answer.ok()) return answer.status();
    return json::parse(*answer);
  }
  static absl::Status Refusal(const ProfileCall& call, const char* request) {
    return Ask(call, json::parse(request)).status();
  }

  const json report_ = json::parse(R"({"importance": [3, 2, 1], "sensitivity": [1, 1]})");
};

TEST_F(CallsTest, APlannersAnswerIsThatOfTheWholeRequest) {
  json request = {{"importance", report_}, {"options", {{"budget", {{"fraction_of_backward", 0.6}}}}}};
  const auto profile = ReadProfile(json({{"profile", ProfileJson()}}).dump());
  ASSERT_TRUE(profile.ok()) << profile.status();
  const Answer kept = AnswerRequest(PlanCall(), **profile, request.dump());
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(json::parse(*kept)["profile_digest"], (*profile)->digest());
  request["profile"] = ProfileJson();
  EXPECT_EQ(*AnswerRequest(PlanCall(), request.dump()), *kept);
  EXPECT_EQ(FieldOf(AnswerRequest(PlanCall(), **profile, request.dump()).status()), "profile");
}

TEST_F(CallsTest, ThePlanInForceIsKeptBelowTheThreshold) {
  json request = {{"importance", report_},
                  {"options", {{"budget", {{"fraction_of_backward", 0.6}}}, {"churn_threshold", 10}}}};
  const json fresh = *Ask(PlanCall(), request);
  EXPECT_THAT(fresh["trainable"], ElementsAre("bottom", "top"));
  request["previous_plan"] = fresh;
  request["previous_plan"]["trainable"] = {"top"};
  EXPECT_THAT((*Ask(PlanCall(), request))["trainable"], ElementsAre("top"));

  request["previous_plan"]["trainable"] = {"x"};
  EXPECT_EQ(FieldOf(Ask(PlanCall(), request).status()), "previous_plan.trainable");
  request["previous_plan"] = 3;
  EXPECT_EQ(FieldOf(Ask(PlanCall(), request).status()), "previous_plan");
}

TEST_F(CallsTest, OneRateForAllBlocksMayBeAskedOfAJointPlan) {
  json request = {{"importance", report_},
                  {"options", {{"method", "METHOD_JOINT"}, {"budget", {{"fraction_of_backward", 0.4}}}}}};
  request["importance"]["importance"] = {3, 2.5, 0};
  request["options"]["drop_rate_bounds"] = {{{"block", "first"}, {"min_drop_rate", 0.25}, {"max_drop_rate", 1}}};
  const json by_sensitivity = *Ask(PlanCall(), request);
  request["options"]["allocation"] = "ALLOCATION_UNIFORM";
  const json uniform = *Ask(PlanCall(), request);
  EXPECT_NE(by_sensitivity["drop_rates"]["first"], by_sensitivity["drop_rates"]["second"]);
  EXPECT_EQ(uniform["drop_rates"]["first"], uniform["drop_rates"]["second"]);
  EXPECT_LE(uniform["value"], by_sensitivity["value"]);
}

TEST_F(CallsTest, ACurveHasAPlanForEveryBudget) {
  const json curve =
      *Ask(CurveCall(),
           {{"importance", report_}, {"budgets", {0.5, json{{"fraction_of_backward", 1.0}}, json{{"absolute", 7}}}}});
  ASSERT_EQ(curve.size(), 3);
  EXPECT_EQ(curve[1]["predicted_cost"], 21);
  EXPECT_EQ(curve[2]["status"], "EMPTY");
  EXPECT_EQ(curve[0],
            *Ask(PlanCall(), {{"importance", report_}, {"options", {{"budget", {{"fraction_of_full", 0.5}}}}}}));
}

TEST_F(CallsTest, BudgetsAreCheckedOneByOne) {
  EXPECT_EQ(FieldOf(Refusal(CurveCall(), R"({"budgets": []})")), "budgets");
  EXPECT_EQ(FieldOf(Refusal(CurveCall(), R"({"budgets": 0.5})")), "budgets");
  EXPECT_EQ(FieldOf(Refusal(CurveCall(), R"({"budgets": [0.5, "x"]})")), "budgets[1]");
  const absl::Status status = Refusal(CurveCall(), R"({"budgets": [0.5, 2]})");
  EXPECT_EQ(FieldOf(status), "budgets[1]");
  EXPECT_THAT(std::string(status.message()), StartsWith("budgets[1]: budget.fraction_of_full is 2"));
  EXPECT_EQ(FieldOf(Refusal(CurveCall(), R"({"budgets": [0.5]})")), "importance");
}

TEST_F(CallsTest, CostsTakeDropRates) {
  EXPECT_EQ(*Ask(CostCall(), {{"trainable", {"bottom"}}}),
            json::parse(R"({"forward_cost": 7, "backward_cost": 6, "full_backward_cost": 14, "predicted_cost": 13,
                            "saved_bytes": 0})"));
  EXPECT_EQ((*Ask(CostCall(), {{"trainable", {"bottom"}}, {"drop_rates", {{"second", 0.5}}}}))["backward_cost"], 4);
  EXPECT_EQ(FieldOf(Refusal(CostCall(), "{}")), "trainable");
  EXPECT_EQ(FieldOf(Refusal(CostCall(), R"({"trainable": [1]})")), "trainable");
  EXPECT_EQ(FieldOf(Refusal(CostCall(), R"({"trainable": [], "drop_rates": {"x": 1}})")), "drop_rates");
}

TEST_F(CallsTest, ExplainsTheGivenPlanOrTheOneAskedFor) {
  json request = {{"importance", report_}, {"options", {{"budget", {{"fraction_of_backward", 0.6}}}}}};
  const json asked_for = *Ask(ExplainCall(), request);
  ASSERT_EQ(asked_for.size(), 3);
  EXPECT_EQ(asked_for[0]["trainable"], true);
  request["plan"] = {{"method", "selection"}, {"trainable", {"head"}}};
  EXPECT_EQ((*Ask(ExplainCall(), request))[0]["trainable"], false);
  EXPECT_EQ(FieldOf(Refusal(ExplainCall(), "{}")), "importance");
}

TEST_F(CallsTest, DrawsByThePlansSeed) {
  json request = {
      {"plan",
       *Ask(PlanCall(),
            {{"importance", report_},
             {"options",
              {{"method", "METHOD_DROP"}, {"seed", "18446744073709551615"}, {"budget", {{"mean_drop_rate", 0.5}}}}}})}};
  EXPECT_EQ(request["plan"]["seed"], 18446744073709551615ULL);
  for (int step = 0; step < 20; ++step) {  // Blocks of one cost and rates of 0.5: one of the two in every step.
    request["step"] = step;
    const json drawn = *Ask(DrawBlocksCall(), request);
    EXPECT_EQ(drawn.size(), 1);
    EXPECT_EQ(drawn, *Ask(DrawBlocksCall(), request));
  }
  EXPECT_EQ(FieldOf(Refusal(DrawBlocksCall(), R"({"step": -1})")), "step");
  EXPECT_EQ(FieldOf(Refusal(DrawBlocksCall(), R"({"step": 1})")), "plan");
}

TEST(ProfileConfigTest, MakesTheProfileOfAConfig) {
  const Answer answer = ProfileConfig(R"({"config": {"model_type": "gpt2", "n_layer": 1}, "seq_len": 8, "batch_size": 2,
                                          "lora_rank": 4, "attention": "eager", "dtype": "bfloat16"})");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(*answer, HasSubstr("transformer.h.0.attn.c_attn.lora_A.weight"));
}

TEST(ProfileConfigTest, NamesWhatIsWrong) {
  const auto field = [](const char* request) { return FieldOf(ProfileConfig(request).status()); };
  EXPECT_EQ(field("{}"), "config");
  EXPECT_EQ(field(R"({"config": {"model_type": "nothing"}})"), "config");
  EXPECT_EQ(field(R"({"config": {"model_type": "gpt2"}, "seq_length": 8})"), "seq_length");
  EXPECT_EQ(field(R"({"config": {"model_type": "gpt2"}, "seq_len": 8, "dtype": "int3"})"), "dtype");
  EXPECT_EQ(field(R"({"config": {"model_type": "gpt2"}, "seq_len": 8, "batch_size": 0})"), "batch_size");
  EXPECT_EQ(field(R"({"config": {"model_type": "gpt2"}, "seq_len": 8, "attention": "flash"})"), "attention");
}

}  // namespace
}  // namespace greenplan
