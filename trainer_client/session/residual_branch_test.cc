#include "trainer_client/session/residual_branch.h"

#include "ATen/Context.h"
#include "ATen/TensorOperators.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/dropout.h"
#include "ATen/ops/equal.h"
#include "ATen/ops/mm.h"
#include "ATen/ops/ones_like.h"
#include "gtest/gtest.h"
#include "profiler/autograd/testing/test_device.h"

namespace greenplan::trainer {
namespace {

using profiler::testing::Randn;

struct ResidualBranchTest : ::testing::Test {
  at::Tensor Forward() {
    at::manual_seed(1);
    return x + branch([&] {
             is_recorded = at::GradMode::is_enabled();
             return at::dropout(at::mm(x, weight).tanh(), 0.5, /*train=*/true);
           });
  }

  const at::Tensor x = Randn({4, 8}).requires_grad_(true);
  const at::Tensor weight = Randn({8, 8}).requires_grad_(true);
  const ResidualBranch branch{"layers.0"};
  bool is_recorded = false;  // Whether autograd recorded the branch's last run.
};

TEST_F(ResidualBranchTest, BackwardPassesByADroppedBranchAndForwardIsTheSame) {
  const at::Tensor kept = Forward();
  EXPECT_TRUE(is_recorded);
  branch.set_dropped(true);
  const at::Tensor dropped = Forward();
  EXPECT_FALSE(is_recorded) << "no activation is kept";
  EXPECT_TRUE(at::equal(kept, dropped)) << "dropout draws the same numbers";
  dropped.sum().backward();
  EXPECT_FALSE(weight.grad().defined());
  EXPECT_TRUE(at::equal(x.grad(), at::ones_like(x))) << "the stream alone";
}

TEST_F(ResidualBranchTest, RecordsAgainOnceItIsNoLongerDropped) {
  branch.set_dropped(true);
  Forward();
  branch.set_dropped(false);
  Forward().sum().backward();
  EXPECT_TRUE(weight.grad().defined());
}

TEST_F(ResidualBranchTest, CopiesShareWhetherTheyAreDropped) {
  const ResidualBranch copy = branch;
  copy.set_dropped(true);
  EXPECT_TRUE(branch.is_dropped());
  EXPECT_EQ(branch.name(), "layers.0");
}

TEST_F(ResidualBranchTest, DoesNotRecordWhereNothingIsRecorded) {
  const at::NoGradGuard no_grad;
  EXPECT_FALSE(Forward().requires_grad());
}

TEST_F(ResidualBranchTest, KeepsOutputsForAsLongAsAskedTo) {
  {
    const BranchOutputs outputs({branch});
    Forward();
    Forward();
    ASSERT_EQ(outputs.of(branch).size(), 2u);
    EXPECT_TRUE(outputs.of(branch)[0].requires_grad());
  }
  Forward();
  EXPECT_EQ(BranchOutputs({branch}).of(branch).size(), 0u);
}

}  // namespace
}  // namespace greenplan::trainer
