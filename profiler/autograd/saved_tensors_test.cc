#include "profiler/autograd/saved_tensors.h"

#include <random>

#include "ATen/Functions.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "profiler/autograd/profile.h"
#include "profiler/autograd/testing/counting_allocator.h"
#include "profiler/autograd/testing/models.h"
#include "torch/csrc/autograd/function.h"

namespace greenplan::profiler {
namespace {

using testing::AllocatedBytes;
using testing::Model;

// Returns what a forward pass leaves allocated as long as its loss exists. The allocator counts the size of each
// storage and adds no padding, so the result is exact.
int64_t MeasuredBytes(const Model& model, const std::vector<bool>& trainable) {
  for (size_t i = 0; i < model.parameters.size(); ++i) {
    at::Tensor(model.parameters[i].second).set_requires_grad(trainable[i]);
  }
  const int64_t before = AllocatedBytes();
  const at::Tensor loss = model.loss();
  return AllocatedBytes() - before - static_cast<int64_t>(loss.storage().nbytes());
}

std::vector<Model> Models() {
  testing::InstallCountingAllocator();
  return testing::AllModels();
}

class SavedBytesOfModel : public ::testing::TestWithParam<Model> {};

TEST_P(SavedBytesOfModel, EqualWhatTheAllocatorMeasures) {
  const Model& model = GetParam();
  ProfileOptions options;
  options.resident = model.inputs;
  const auto profile = Profile(model.loss(), model.parameters, options);
  ASSERT_TRUE(profile.ok()) << profile.status();
  std::mt19937_64 random(20240608);
  for (int i = 0; i < 50; ++i) {
    std::bernoulli_distribution selected(i == 0 ? 1.0 : std::uniform_real_distribution<double>(0, 1)(random));
    std::vector<bool> mask;
    for (const Tensor& tensor : profile->tensors) mask.push_back(tensor.op != kNone && selected(random));
    const int64_t measured = MeasuredBytes(model, mask);
    const int64_t predicted = EvaluateMask(*profile, mask).saved_bytes;
    EXPECT_EQ(predicted, measured) << "mask " << i << ": " << ::testing::PrintToString(mask);
  }
}

at::Tensor Parameter(at::IntArrayRef shape) { return at::randn(shape).set_requires_grad(true); }

TEST(SavedTensorsOfTest, AFactorIsKeptForTheOtherFactorsGradient) {
  const at::Tensor left = Parameter({3, 5}), right = Parameter({5, 7}), product = at::mm(left, right);
  const std::vector<SavedTensor> saved = SavedTensorsOf(*product.grad_fn());
  ASSERT_EQ(saved.size(), 2);
  EXPECT_EQ(saved[0].storage, left.storage().unsafeGetStorageImpl());
  EXPECT_EQ(saved[0].bytes, 3 * 5 * 4);
  EXPECT_EQ(saved[0].input, 1);
  EXPECT_EQ(saved[1].input, 0);
}

TEST(SavedTensorsOfTest, OtherNodesKeepTheirTensorsForAnyInput) {
  const at::Tensor x = Parameter({3, 5}), y = at::softmax(x, -1);
  const std::vector<SavedTensor> saved = SavedTensorsOf(*y.grad_fn());
  ASSERT_EQ(saved.size(), 1);
  EXPECT_EQ(saved[0].storage, y.storage().unsafeGetStorageImpl());
  EXPECT_EQ(saved[0].input, kAnyInput);
}

TEST(SavedTensorsOfTest, AViewKeepsTheWholeStorage) {
  const at::Tensor x = Parameter({3, 5}), part = x.exp().select(0, 1);
  const std::vector<SavedTensor> saved = SavedTensorsOf(*at::mul(part, part).grad_fn());
  ASSERT_EQ(saved.size(), 2);
  EXPECT_EQ(saved[0].bytes, 3 * 5 * 4);
}

TEST(SavedTensorsOfTest, NothingIsLeftAfterBackward) {
  const at::Tensor x = Parameter({3}), loss = x.exp().sum();
  const auto node = loss.grad_fn()->next_edge(0).function;
  EXPECT_EQ(SavedTensorsOf(*node).size(), 1);
  loss.backward();
  EXPECT_TRUE(SavedTensorsOf(*node).empty());
}

INSTANTIATE_TEST_SUITE_P(AllModels, SavedBytesOfModel, ::testing::ValuesIn(Models()),
                         [](const ::testing::TestParamInfo<Model>& info) {
                           std::string name = info.param.name;
                           std::erase_if(name, [](char c) { return !std::isalnum(c); });
                           return name;
                         });

}  // namespace
}  // namespace greenplan::profiler
