#include "trainer_client/optimizer/parallel_sum.h"

#include <vector>

#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

TEST(ParallelSumTest, AddsTheTermsInOrderWhateverTheNumberOfThreads) {
  const auto term = [](int64_t i) { return i % 2 == 0 ? 1e16 / static_cast<double>(i + 1) : 0.1; };
  double expected = 0;
  for (int64_t i = 0; i < 1000; ++i) expected += term(i);
  for (int threads : {1, 2, 7, 5000}) {
    for (int repetition = 0; repetition < 20; ++repetition) EXPECT_EQ(ParallelSum(1000, threads, term), expected);
  }
}

TEST(ParallelSumTest, ComputesEachTermOnce) {
  std::vector<int> calls(500, 0);
  ParallelSum(500, 4, [&](int64_t i) { return ++calls[i]; });
  for (int count : calls) EXPECT_EQ(count, 1);
}

TEST(ParallelSumTest, OfNothingIsZero) {
  EXPECT_EQ(ParallelSum(0, 4, [](int64_t) { return 1.0; }), 0);
}

}  // namespace
}  // namespace greenplan::trainer
