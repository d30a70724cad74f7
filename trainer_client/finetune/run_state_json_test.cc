#include "trainer_client/finetune/run_state_json.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

RunState SomeState() {
  RunState state;
  state.identity = {{"--seed", 3}};
  state.job = "job-1";
  state.next_round = 5;
  state.drift = {.last_round_step = 3, .next_round_step = 8};
  state.plan.emplace().set_round(4);
  state.random_state = std::string("\0\xff\x80", 3);
  state.device_random_states = {std::string("\0\x01", 2), "x"};
  state.seconds = 1.25;
  state.progress = {.step_losses = {3.5, 0.1},
                    .executed_flops = 7,
                    .probe_flops = 2,
                    .energy = {.joules = 0.1, .is_estimate = true, .sources = {"a", "b"}},
                    .round = RoundSums{.round = 4, .steps = 2, .loss = 3.75}};
  state.outcomes.emplace_back().set_round(3);
  state.epochs = {{.epoch = 0, .validation_loss = 4}, {.epoch = 1, .trainable = {"a"}, .train_loss = 3}};
  return state;
}

TEST(RunStateJsonTest, ComesBackAsItWas) {
  RunState state = SomeState();
  state.partial = {.report = {.epoch = 2, .trainable = {"b"}}, .sums = {.step_seconds = 0.5, .loss = 12.5}};
  const json object = RunStateToJson(state);
  const absl::StatusOr<RunState> read = RunStateFromJson(object);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->identity, state.identity);
  EXPECT_EQ(read->job, "job-1");
  EXPECT_EQ(read->next_round, 5);
  EXPECT_EQ(read->drift.last_round_step, 3);
  EXPECT_EQ(read->drift.next_round_step, 8);
  EXPECT_EQ(read->plan->round(), 4);
  EXPECT_EQ(read->random_state, state.random_state);
  EXPECT_EQ(read->device_random_states, state.device_random_states);
  EXPECT_EQ(read->seconds, 1.25);
  EXPECT_EQ(read->progress.step_losses, state.progress.step_losses);
  EXPECT_EQ(read->progress.executed_flops, 7);
  EXPECT_EQ(read->progress.probe_flops, 2);
  EXPECT_EQ(read->progress.round->loss, 3.75);
  ASSERT_EQ(read->outcomes.size(), 1u);
  EXPECT_EQ(read->outcomes[0].round(), 3);
  EXPECT_EQ(read->progress.energy.sources, state.progress.energy.sources);
  EXPECT_EQ(read->last_epoch(), 1);
  EXPECT_EQ(read->partial->sums.loss, 12.5);
  EXPECT_EQ(RunStateToJson(*read), object);
}

TEST(RunStateJsonTest, AStateWithoutPlanOrPartialEpochHasNulls) {
  RunState state = SomeState();
  state.plan.reset();
  state.progress.round.reset();
  const json object = RunStateToJson(state);
  EXPECT_TRUE(object["plan"].is_null());
  EXPECT_TRUE(object["partial_epoch"].is_null());
  const absl::StatusOr<RunState> read = RunStateFromJson(object);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_FALSE(read->plan.has_value());
  EXPECT_FALSE(read->partial.has_value());
}

TEST(RunStateJsonTest, NamesTheKeyOfAValueOfTheWrongType) {
  const json good = RunStateToJson(SomeState());
  const struct {
    const char* pointer;  // To what is replaced.
    json value;
    const char* message;
  } cases[] = {
      {"/identity", "x", "identity is \"x\"; allowed: an object"},
      {"/job", {1}, "job is [1]; allowed: text"},
      {"/next_round", -1, "next_round is -1; allowed: an integer >= 0"},
      {"/seconds", "1", "seconds is \"1\"; allowed: a number"},
      {"/step_losses/1", "x", "step_losses is [3.5,\"x\"]; allowed: a list of numbers"},
      {"/executed_flops", 1.5, "executed_flops is 1.5; allowed: an integer >= 0"},
      {"/energy_is_estimate", 1, "energy_is_estimate is 1; allowed: true or false"},
      {"/energy_sources", "a", "energy_sources is \"a\"; allowed: a list of texts"},
      {"/random_state", "%", "random_state is \"%\"; allowed: base64"},
      {"/plan", 4, "plan is 4; allowed: an object"},
      {"/plan/round", "x", "plan is {\"round\":\"x\"}; allowed: a plan, but it is not the JSON of a Plan"},
      {"/epochs", 2, "epochs is 2; allowed: a list"},
      {"/epochs/1", "x", "epochs[1].steps is missing; allowed: an integer >= 0"},
      {"/epochs/0/train_loss", "x", "epochs[0].train_loss is \"x\"; allowed: a number or null"},
      {"/epochs/1/rounds", {1}, "epochs[1].rounds[0].round is missing; allowed: an integer >= 0"},
      {"/partial_epoch", 3, "partial_epoch is 3; allowed: an object"},
      {"/device_random_states", {"%"}, "device_random_states is [\"%\"]; allowed: a list of base64"},
  };
  for (const auto& [pointer, value, message] : cases) {
    json spoilt = good;
    spoilt[json::json_pointer(pointer)] = value;
    const absl::Status status = RunStateFromJson(spoilt, "state.json: ").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << pointer;
    EXPECT_THAT(std::string(status.message()), ::testing::StartsWith(std::string("state.json: ") + message));
  }
}

TEST(RunStateJsonTest, NamesAKeyThatIsMissing) {
  const json good = RunStateToJson(SomeState());
  for (const auto& [key, value] : good.items()) {
    if (key == "format") continue;
    json spoilt = good;
    spoilt.erase(key);
    const absl::Status status = RunStateFromJson(spoilt).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << key;
    EXPECT_THAT(std::string(status.message()), HasSubstr(key + " is missing; allowed: "));
  }
}

}  // namespace
}  // namespace greenplan::trainer
