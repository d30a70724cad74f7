#include "trainer_client/finetune/batches.h"

#include <algorithm>
#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;

const Dataset kData{.seq_len = 3,
                    .input_ids = {1, 2, 3, 4, 5, 6, 7, 8, 9},
                    .labels = {1, 2, 3, 4, kIgnoredLabel, kIgnoredLabel, kIgnoredLabel, kIgnoredLabel, 9}};

TEST(BatchesTest, TakesTheRowsInTheGivenOrder) {
  const Batch batch = MakeBatch(kData, {2, 0, 1}, 0, 2);
  EXPECT_EQ(batch.input_ids.sizes(), at::IntArrayRef({2, 3}));
  EXPECT_EQ(batch.input_ids[0][0].item<int64_t>(), 7);
  EXPECT_EQ(batch.input_ids[1][2].item<int64_t>(), 3);
  EXPECT_EQ(batch.labels[0][0].item<int64_t>(), kIgnoredLabel);
  EXPECT_EQ(batch.labels[0][2].item<int64_t>(), 9);
}

TEST(BatchesTest, CountsTheTokensThatThePredictionsAreAbout) {
  EXPECT_EQ(MakeBatch(kData, {0}, 0, 1).predicted_token_count, 2);  // Not the first of the row.
  EXPECT_EQ(MakeBatch(kData, {0, 2}, 0, 2).predicted_token_count, 3);
}

TEST(BatchesTest, KeepsAPartialLastBatch) { EXPECT_EQ(MakeBatch(kData, {0, 1, 2}, 2, 2).input_ids.size(0), 1); }

TEST(BatchesTest, LeavesOutRowsThatPredictNothing) { EXPECT_THAT(UsableRows(kData), ElementsAre(0, 2)); }

TEST(BatchesTest, ShufflesByFixedRulesEveryEpochAnew) {
  std::vector<int64_t> rows(100);
  std::iota(rows.begin(), rows.end(), 0);
  const std::vector<int64_t> first = Shuffled(rows, 7, 1);
  EXPECT_EQ(Shuffled(rows, 7, 1), first);
  EXPECT_NE(Shuffled(rows, 7, 2), first);
  EXPECT_NE(Shuffled(rows, 8, 1), first);
  EXPECT_TRUE(std::is_permutation(first.begin(), first.end(), rows.begin()));
  EXPECT_THAT(Shuffled({0, 1, 2, 3, 4}, 1, 1), ElementsAre(0, 4, 1, 2, 3));
}

}  // namespace
}  // namespace greenplan::trainer
