#include "planner/convert/plan_json.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/convert/convert.h"

namespace greenplan {
namespace {

ModelProfile Profile() {
  ModelProfile profile;
  profile.tensors = {{.name = "a", .shape = {2, 3}}, {.name = "b", .shape = {4}}, {.name = "c"}};
  profile.blocks = {"top", "bottom"};
  return profile;
}

v1::Plan JointPlan() {
  v1::Plan plan;
  plan.set_method(v1::METHOD_JOINT);
  plan.set_algorithm(v1::ALGORITHM_EXACT);
  plan.set_status(v1::PLAN_STATUS_FEASIBLE);
  plan.set_message("stopped before the proof");
  plan.set_trainable(PackMask({true, false, true}));
  plan.add_drop_rates(0.1);
  plan.add_drop_rates(0);
  plan.set_seed(18446744073709551615u);
  plan.set_budget(7);
  plan.set_predicted_cost(9007199254740993);
  plan.set_value(0.1);
  plan.set_profile_digest("p");
  plan.set_digest("d");
  return plan;
}

TEST(PlanJsonTest, NamesTensorsAndBlocks) {
  const auto json = PlanToJson(JointPlan(), Profile());
  EXPECT_EQ(json["method"], "joint");
  EXPECT_EQ(json["algorithm"], "exact");
  EXPECT_EQ(json["status"], "FEASIBLE");
  EXPECT_EQ(json["trainable"].dump(), R"(["a","c"])");
  EXPECT_EQ(json["drop_rates"].dump(), R"({"top":0.1,"bottom":0.0})");
  EXPECT_EQ(json["predicted_cost"].dump(), "9007199254740993");
}

// If the time grew with the square of the number of blocks, this would take minutes.
TEST(PlanJsonTest, NamesAsManyBlocksAsAProfileMayHave) {
  constexpr int kMostBlocks = 1 << 18;
  ModelProfile profile;
  v1::Plan plan;
  for (int b = 0; b < kMostBlocks; ++b) {
    profile.blocks.push_back(absl::StrCat("block.", b));
    plan.add_drop_rates(0.5);
  }
  const auto json = PlanToJson(plan, profile);
  EXPECT_EQ(json["drop_rates"].size(), kMostBlocks);
  EXPECT_EQ(json["drop_rates"].back(), 0.5);
}

TEST(PlanJsonTest, ReadsBackWhatAPlanIsComparedAndExplainedBy) {
  const auto plan = PlanFromJson(nlohmann::json::parse(PlanToJson(JointPlan(), Profile()).dump()), Profile());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->method(), v1::METHOD_JOINT);
  EXPECT_EQ(plan->trainable(), JointPlan().trainable());
  ASSERT_EQ(plan->drop_rates_size(), 2);
  EXPECT_EQ(plan->drop_rates(0), 0.1);
  EXPECT_EQ(plan->seed(), JointPlan().seed());
  EXPECT_EQ(plan->budget(), 7);
  EXPECT_EQ(plan->value(), 0.1);
  EXPECT_EQ(plan->profile_digest(), "p");
}

TEST(IsPlanWithNames, TellsItFromAProtoMessage) {
  EXPECT_TRUE(IsPlanWithNames(nlohmann::json::parse(PlanToJson(JointPlan(), Profile()).dump())));
  for (const char* other : {"[]", "1", "{}", R"({"trainable": "BQ=="})", R"({"method": "METHOD_JOINT"})"}) {
    EXPECT_FALSE(IsPlanWithNames(nlohmann::json::parse(other))) << other;
  }
}

TEST(PlanJsonTest, RefusesWhatIsNoPlanOfTheProfile) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"method": "joint", "trainable": ["x"]})", "trainable is \"x\"; allowed: names of the profile's tensors"},
      {R"({"method": "joint", "trainable": [1]})", "trainable has 1; allowed: names of the profile's tensors"},
      {R"({"method": "best", "trainable": []})", "method is \"best\"; allowed: full, selection, drop, joint"},
      {R"({"trainable": []})", "method is \"\"; allowed: full, selection, drop, joint"},
      {R"({"method": "drop", "trainable": [], "drop_rates": {"side": 1}})",
       "\"side\" is no block; allowed: names of the profile's blocks"},
      {R"({"method": "drop", "trainable": [], "drop_rates": {"top": "1"}})",
       "\"top\" is \"1\"; allowed: a number in [0, 1]"},
      {R"({"method": "drop", "trainable": [], "drop_rates": [1]})", "drop rates must be a JSON object {block: rate}"},
  };
  for (const auto& [text, message] : cases) {
    const auto plan = PlanFromJson(nlohmann::json::parse(text), Profile());
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(plan.status().message(), message) << text;
  }
}

TEST(TrainableShareTest, CountsTensorsAndParameters) {
  const TrainableShare share = ShareOf({true, false, true}, Profile());
  EXPECT_EQ(share.num_trainable, 2);
  EXPECT_EQ(share.trainable_parameters, 7);
  EXPECT_EQ(share.parameters, 11);
}

TEST(PlanOptionsToJsonTest, EveryIntegerIsANumber) {
  v1::PlanOptions options;
  options.set_method(v1::METHOD_DROP);
  options.mutable_budget()->set_absolute(int64_t{1} << 60);
  options.mutable_budget()->set_max_saved_bytes(int64_t{1} << 61);
  options.set_seed(~uint64_t{0});
  const auto json = PlanOptionsToJson(options);
  EXPECT_EQ(json["method"], "METHOD_DROP");
  EXPECT_EQ(json["budget"]["absolute"], int64_t{1} << 60);
  EXPECT_EQ(json["budget"]["max_saved_bytes"], int64_t{1} << 61);
  EXPECT_EQ(json["seed"], ~uint64_t{0});
  EXPECT_EQ(PlanOptionsToJson({})["seed"], 0);
}

}  // namespace
}  // namespace greenplan
