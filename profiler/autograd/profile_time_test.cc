#include "profiler/autograd/profile_time.h"

#include <random>
#include <stdexcept>

#include "ATen/Functions.h"
#include "ATen/TensorOperators.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "profiler/autograd/checkpoint.h"
#include "profiler/autograd/executed_flops.h"
#include "profiler/autograd/testing/models.h"

namespace greenplan::profiler {
namespace {

using testing::Model;

at::Tensor Parameter(at::IntArrayRef shape) { return at::randn(shape).set_requires_grad(true); }

void ExpectStatus(const absl::Status& status, absl::StatusCode code, const std::string& message) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_NE(std::string(status.message()).find(message), std::string::npos) << status;
}

std::vector<bool> RandomMask(const ModelProfile& profile, std::mt19937_64& random) {
  std::bernoulli_distribution selected(std::uniform_real_distribution<double>(0, 1)(random));
  std::vector<bool> mask(profile.tensors.size());
  for (size_t k = 0; k < mask.size(); ++k) mask[k] = selected(random) && profile.tensors[k].op != kNone;
  return mask;
}

// A clock that moves a nanosecond for every FLOP, so that times are what the FLOPs profile says.
class FlopsClock {
 public:
  std::function<int64_t()> now() const {
    return [counter = counter_] { return counter->forward_flops() + counter->backward_flops(); };
  }

 private:
  std::shared_ptr<ExecutedFlopsCounter> counter_ = std::make_shared<ExecutedFlopsCounter>();
};

class ProfileTimeOfModel : public ::testing::TestWithParam<Model> {};

TEST_P(ProfileTimeOfModel, OnAClockOfFlopsPredictsTheFlopsOfEveryMask) {
  const Model& model = GetParam();
  const auto flops = Profile(model.loss(), model.parameters);
  ASSERT_TRUE(flops.ok()) << flops.status();
  const auto time = ProfileTime(model.loss, model.parameters, {.now_nanoseconds = FlopsClock().now()});
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_EQ(time->cost_unit, CostUnit::kNanoseconds);
  std::mt19937_64 random(20260301);
  for (int i = 0; i < 200; ++i) {
    const std::vector<bool> mask = i == 0 ? FullMask(*flops) : RandomMask(*flops, random);
    ASSERT_EQ(EvaluateMask(*time, mask).backward_cost, EvaluateMask(*flops, mask).backward_cost)
        << "mask " << i << ": " << ::testing::PrintToString(mask);
    ASSERT_EQ(BlockCosts(*time, mask), BlockCosts(*flops, mask)) << "mask " << i;
  }
}

TEST_P(ProfileTimeOfModel, HasTheTensorsBlocksAndSavedBytesOfTheFlopsProfile) {
  const Model& model = GetParam();
  const auto flops = Profile(model.loss(), model.parameters, {.resident = model.inputs});
  ASSERT_TRUE(flops.ok()) << flops.status();
  const auto time = ProfileTime(model.loss, model.parameters, {.resident = model.inputs, .repetitions = 1});
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_EQ(time->blocks, flops->blocks);
  ASSERT_EQ(time->tensors.size(), flops->tensors.size());
  std::mt19937_64 random(20260302);
  for (size_t k = 0; k < flops->tensors.size(); ++k) {
    EXPECT_EQ(time->tensors[k].name, flops->tensors[k].name);
    EXPECT_EQ(time->tensors[k].shape, flops->tensors[k].shape);
    EXPECT_EQ(time->tensors[k].op == kNone, flops->tensors[k].op == kNone);
  }
  for (int i = 0; i < 50; ++i) {
    const std::vector<bool> mask = RandomMask(*flops, random);
    EXPECT_EQ(EvaluateMask(*time, mask).saved_bytes, EvaluateMask(*flops, mask).saved_bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(AllModels, ProfileTimeOfModel, ::testing::ValuesIn(testing::AllModels()),
                         [](const ::testing::TestParamInfo<Model>& info) {
                           std::string name = info.param.name;
                           std::erase_if(name, [](char c) { return !std::isalnum(c); });
                           return name;
                         });

}  // namespace
}  // namespace greenplan::profiler
