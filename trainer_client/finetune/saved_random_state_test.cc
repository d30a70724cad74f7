#include "trainer_client/finetune/saved_random_state.h"

#include "ATen/ops/equal.h"
#include "ATen/ops/rand.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

TEST(SavedRandomStateTest, TheSameNumbersComeAgain) {
  RunState state;
  SaveRandomState(state);
  const at::Tensor expected = at::rand({5});
  state.device_random_states.push_back("of a device that this machine lacks");
  ASSERT_EQ(RestoreRandomState(state, "out"), absl::OkStatus());
  EXPECT_TRUE(at::equal(at::rand({5}), expected));
}

TEST(SavedRandomStateTest, RefusesAStateOfAnotherLibTorchAndLeavesTheGeneratorsAsTheyAre) {
  RunState now, other;
  SaveRandomState(now);
  const at::Tensor expected = at::rand({5});
  ASSERT_EQ(RestoreRandomState(now, "out"), absl::OkStatus());
  other.random_state = "short";
  EXPECT_EQ(RestoreRandomState(other, "out"),
            absl::FailedPreconditionError("out: the random state in trainer_state is of another version of LibTorch"));
  EXPECT_TRUE(at::equal(at::rand({5}), expected));
}

}  // namespace
}  // namespace greenplan::trainer
