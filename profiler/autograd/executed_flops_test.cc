#include "profiler/autograd/executed_flops.h"

#include <map>
#include <string>
#include <thread>

#include "ATen/Functions.h"
#include "ATen/core/grad_mode.h"
#include "gtest/gtest.h"
#include "profiler/autograd/testing/test_device.h"

namespace greenplan::profiler {
namespace {

using testing::Randn;

TEST(ExecutedFlopsCounterTest, CountsForwardAndBackwardOfAProduct) {
  const at::Tensor a = Randn({3, 5}).set_requires_grad(true), b = Randn({5, 7}).set_requires_grad(true);
  const ExecutedFlopsCounter counter;
  const at::Tensor loss = at::mm(a, b).sum();
  EXPECT_EQ(counter.forward_flops(), 2 * 3 * 5 * 7);
  EXPECT_EQ(counter.backward_flops(), 0);
  loss.backward();
  EXPECT_EQ(counter.forward_flops(), 2 * 3 * 5 * 7);
  EXPECT_EQ(counter.backward_flops(), 2 * (2 * 3 * 5 * 7));
}

TEST(ExecutedFlopsCounterTest, CountsOnlyTheRequestedGradients) {
  const at::Tensor a = Randn({3, 5}), b = Randn({5, 7}).set_requires_grad(true);
  const ExecutedFlopsCounter counter;
  at::mm(a, b).sum().backward();
  EXPECT_EQ(counter.backward_flops(), 2 * 3 * 5 * 7);
}

// Compares each formula with the arithmetic written out. `run` executes one operator once.
struct Case {
  const char* name;
  std::function<void()> run;
  int64_t flops;
};

class CountsOperator : public ::testing::TestWithParam<Case> {};

TEST_P(CountsOperator, Once) {
  const ExecutedFlopsCounter counter;
  GetParam().run();
  EXPECT_EQ(counter.forward_flops(), GetParam().flops);
}

at::Tensor R(at::IntArrayRef shape) { return Randn(shape); }

INSTANTIATE_TEST_SUITE_P(
    Operators, CountsOperator,
    ::testing::Values(Case{"mm",
                           [] {
                             at::mm(R({2, 3}), R({3, 5}));
                           },
                           2 * 2 * 3 * 5},
                      Case{"addmm",
                           [] {
                             at::addmm(R({5}), R({2, 3}), R({3, 5}));
                           },
                           2 * 2 * 3 * 5},
                      Case{"addmm_in_place",
                           [] {
                             R({2, 5}).addmm_(R({2, 3}), R({3, 5}));
                           },
                           2 * 2 * 3 * 5},
                      Case{"linear",
                           [] {
                             at::linear(R({2, 3}), R({5, 3}), R({5}));
                           },
                           2 * 2 * 3 * 5},
                      Case{"bmm",
                           [] {
                             at::bmm(R({4, 2, 3}), R({4, 3, 5}));
                           },
                           4 * 2 * 2 * 3 * 5},
                      Case{"baddbmm",
                           [] {
                             at::baddbmm(R({2, 5}), R({4, 2, 3}), R({4, 3, 5}));
                           },
                           4 * 2 * 2 * 3 * 5},
                      Case{"addbmm",
                           [] {
                             at::addbmm(R({2, 5}), R({4, 2, 3}), R({4, 3, 5}));
                           },
                           4 * 2 * 2 * 3 * 5},
                      Case{"mv",
                           [] {
                             at::mv(R({2, 3}), R({3}));
                           },
                           2 * 2 * 3},
                      Case{"addmv",
                           [] {
                             at::addmv(R({2}), R({2, 3}), R({3}));
                           },
                           2 * 2 * 3},
                      Case{"dot", [] { at::dot(R({3}), R({3})); }, 2 * 3},
                      Case{"outer", [] { at::outer(R({3}), R({5})); }, 0},
                      Case{"elementwise",
                           [] {
                             at::softmax(R({3, 5}).exp(), -1).sum();
                           },
                           0},
                      Case{"convolution",
                           [] {
                             at::conv2d(R({2, 3, 9, 8}), R({5, 3, 2, 3}), {}, {2, 1});
                           },
                           2 * 2 * (4 * 6) * 5 * 3 * 6},
                      Case{"grouped_convolution",
                           [] {
                             at::conv1d(R({2, 4, 9}), R({6, 2, 3}), {}, 1, 1, 2, 2);
                           },
                           2 * 2 * 7 * 6 * 2 * 3},
                      Case{"transposed_convolution",
                           [] {
                             at::conv_transpose1d(R({2, 4, 9}), R({4, 3, 5}), {}, 2);
                           },
                           2 * 2 * 9 * 4 * 3 * 5},
                      Case{"convolution_without_batch",
                           [] {
                             at::conv1d(R({4, 9}), R({6, 4, 3}));
                           },
                           2 * 7 * 6 * 4 * 3},
                      Case{"attention",
                           [] {
                             at::scaled_dot_product_attention(R({2, 3, 5, 8}), R({2, 3, 7, 8}), R({2, 3, 7, 8}));
                           },
                           2 * (2 * 3) * 5 * 7 * (8 + 8)}),
    [](const ::testing::TestParamInfo<Case>& info) { return info.param.name; });

TEST(ExecutedFlopsCounterTest, TellsTheNodesThatRanThem) {
  const at::Tensor a = Randn({2, 3}).requires_grad_(true), b = Randn({3, 5}).requires_grad_(true);
  const at::Tensor batch = Randn({4, 5, 6}).requires_grad_(true);
  const at::Tensor product = at::mm(a, b);
  const at::Tensor loss = at::bmm(product.expand({4, 2, 5}), batch).sum();
  const ExecutedFlopsCounter counter;
  loss.backward();
  const std::map<std::string, int64_t> expected = {{"MmBackward0", 2 * 2 * 2 * 3 * 5},
                                                   {"BmmBackward0", 2 * 2 * 4 * 2 * 5 * 6}};
  EXPECT_EQ(counter.backward_flops_by_node(), expected);
  at::mm(a, b);
  EXPECT_EQ(counter.backward_flops_by_node(), expected) << "of backward alone";
  EXPECT_TRUE(ExecutedFlopsCounter().backward_flops_by_node().empty());
}

TEST(ExecutedFlopsCounterTest, NestedCountersCountEachForItself) {
  const ExecutedFlopsCounter outer;
  at::mm(R({2, 3}), R({3, 5}));
  {
    const ExecutedFlopsCounter inner;
    at::mm(R({2, 3}), R({3, 5}));
    EXPECT_EQ(inner.forward_flops(), 60);
  }
  at::mm(R({2, 3}), R({3, 5}));
  EXPECT_EQ(outer.forward_flops(), 180);
}

TEST(ExecutedFlopsCounterTest, CountsForTheThreadThatRecordedAGraphWhicheverRunsIt) {
  const ExecutedFlopsCounter counter;
  const at::Tensor a = Randn({2, 3}).requires_grad_(true), b = Randn({3, 5}).requires_grad_(true);
  const at::Tensor loss = at::mm(a, b).sum();
  std::thread([&] {
    const ExecutedFlopsCounter of_other_thread;
    at::mm(a, b).sum().backward();
    EXPECT_EQ(of_other_thread.forward_flops(), 60);
    EXPECT_EQ(of_other_thread.backward_flops(), 120);
    loss.backward();
    EXPECT_EQ(of_other_thread.backward_flops(), 120);
  }).join();
  EXPECT_EQ(counter.forward_flops(), 60);
  EXPECT_EQ(counter.backward_flops(), 120);
}

TEST(ExecutedFlopsCounterTest, CountsNothingFromBeforeItsConstructionOrFromFailedOperators) {
  at::mm(R({2, 3}), R({3, 5}));
  const ExecutedFlopsCounter counter;
  EXPECT_EQ(counter.forward_flops(), 0);
  EXPECT_THROW(at::embedding(R({3, 2}), R({2})), c10::Error);
  EXPECT_EQ(counter.forward_flops(), 0);
}

}  // namespace
}  // namespace greenplan::profiler
