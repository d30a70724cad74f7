#include "trainer_client/finetune/round_sums.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using ::testing::HasSubstr;

const RoundSums kSums = {.round = 4,
                         .steps = 3,
                         .step_seconds = 6,
                         .executed_backward_flops = 32,
                         .joules = 30,
                         .loss = 7.5,
                         .mismatched_steps = 1,
                         .peak_memory_bytes = 1000,
                         .promised_loss_reduction = 0.5,
                         .realised_loss_reduction = -0.25};

TEST(RoundSumsTest, AnOutcomeHoldsMeansPerStep) {
  const v1::Outcome outcome = OutcomeOf(kSums);
  EXPECT_EQ(outcome.round(), 4);
  EXPECT_EQ(outcome.step_count(), 3);
  EXPECT_EQ(outcome.step_seconds(), 2);
  EXPECT_EQ(outcome.executed_backward_flops(), 11) << "10 and two thirds";
  EXPECT_EQ(outcome.energy_joules(), 10);
  EXPECT_EQ(outcome.train_loss(), 2.5);
  EXPECT_EQ(outcome.mismatched_steps(), 1);
  EXPECT_EQ(outcome.peak_memory_bytes(), 1000);
  EXPECT_EQ(outcome.promised_loss_reduction(), 0.5);
  EXPECT_EQ(outcome.realised_loss_reduction(), -0.25);
}

TEST(RoundSumsTest, ComesBackFromJsonAsItWas) {
  const nlohmann::json object = ToJson(kSums);
  const absl::StatusOr<RoundSums> read = RoundSumsFromJson(object);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToJson(*read), object);
  EXPECT_EQ(OutcomeOf(*read).SerializeAsString(), OutcomeOf(kSums).SerializeAsString());
}

TEST(RoundSumsTest, NamesTheKeyOfAWrongValue) {
  nlohmann::json object = ToJson(kSums);
  object["steps"] = -1;
  const absl::Status status = RoundSumsFromJson(object, "state.json: round.").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("state.json: round.steps is -1"));
}

}  // namespace
}  // namespace greenplan::trainer
