#include "trainer_client/finetune/loss_promise.h"

#include "ATen/Context.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/full.h"
#include "ATen/ops/rand.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "trainer_client/parallel/test_ranks.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;

TEST(LossPromiseTest, AStepOnTheMeasuredBatchesStartsFromItsOwnLoss) {
  std::vector<int64_t> computed;
  LossPromise promise(nullptr);
  promise.set_micro_batches({3, 5});
  promise.set_loss_reduction(0.5);
  promise.KeepRandomState();
  const auto loss = [&](int64_t micro_batch) {
    EXPECT_FALSE(at::GradMode::is_enabled());
    computed.push_back(micro_batch);
    return at::full({}, static_cast<double>(micro_batch));
  };
  ASSERT_TRUE(promise.NoteLossBefore(loss, 7, /*is_of_step=*/true).ok());
  EXPECT_THAT(computed, ElementsAre());
  const auto reduction = promise.Redeem(loss);
  ASSERT_TRUE(reduction.ok()) << reduction.status();
  EXPECT_THAT(computed, ElementsAre(3, 5));
  EXPECT_EQ(reduction->promised, 0.5);
  EXPECT_EQ(reduction->realised, 7 - 4);
}

TEST(LossPromiseTest, AStepOnOtherBatchesStartsFromTheLossOfTheMeasuredOnes) {
  LossPromise promise(nullptr);
  promise.set_micro_batches({3, 5});
  promise.KeepRandomState();
  double scale = 2;
  const auto loss = [&](int64_t micro_batch) { return at::full({}, scale * static_cast<double>(micro_batch)); };
  ASSERT_TRUE(promise.NoteLossBefore(loss, 7, /*is_of_step=*/false).ok());
  scale = 1;
  EXPECT_EQ(promise.Redeem(loss)->realised, 8 - 4);
}

TEST(LossPromiseTest, BothLossesDrawTheSameRandomNumbersAndLeaveTheGeneratorAsItWas) {
  LossPromise promise(nullptr);
  promise.set_micro_batches({0, 1});
  promise.KeepRandomState();
  const auto loss = [](int64_t) { return at::rand({}); };
  const double next = at::rand({}).item<double>();
  ASSERT_TRUE(promise.NoteLossBefore(loss, 0, /*is_of_step=*/false).ok());
  at::rand({7});
  const RandomState before = GetRandomState();
  EXPECT_EQ(promise.Redeem(loss)->realised, 0);
  const double drawn = at::rand({}).item<double>();
  SetRandomState(before);
  EXPECT_EQ(at::rand({}).item<double>(), drawn);
  EXPECT_NE(drawn, next);
}

TEST(LossPromiseTest, RanksHoldThePlanToTheMeanOfTheirLosses) {
  OnRanks(2, [](RankGroup& ranks) {
    LossPromise promise(&ranks);
    promise.set_micro_batches({0});
    promise.set_loss_reduction(ranks.rank() == 0 ? 1 : 3);
    promise.KeepRandomState();
    double scale = 2;
    const auto loss = [&](int64_t) { return at::full({}, scale * (1 + ranks.rank())); };
    ASSERT_TRUE(promise.NoteLossBefore(loss, 0, /*is_of_step=*/false).ok());
    scale = 1;
    const auto reduction = promise.Redeem(loss);
    ASSERT_TRUE(reduction.ok()) << reduction.status();
    EXPECT_EQ(reduction->promised, 2);
    EXPECT_EQ(reduction->realised, 3 - 1.5);
  });
}

}  // namespace
}  // namespace greenplan::trainer
