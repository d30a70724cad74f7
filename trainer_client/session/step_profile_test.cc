#include "trainer_client/session/step_profile.h"

#include <stdexcept>
#include <string>

#include "ATen/TensorOperators.h"
#include "ATen/ops/equal.h"
#include "ATen/ops/mm.h"
#include "ATen/ops/ones.h"
#include "ATen/ops/randn.h"
#include "ATen/ops/zeros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "trainer_client/session/random_state.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two residual blocks between an embedding and a head; forward draws random numbers and counts its calls in a buffer.
struct StepProfileTest : ::testing::Test {
  StepProfileTest() {
    for (const char* name : {"embedding", "layers.0.up", "layers.0.down", "layers.1.up", "layers.1.down", "head"}) {
      parameters.emplace_back(name, at::randn({8, 8}).requires_grad_(true));
    }
  }

  at::Tensor Loss() {
    calls.add_(1);
    at::Tensor x = at::mm(at::randn({4, 8}), parameters[0].second);
    for (int b : {1, 3}) x = x + at::mm(at::mm(x, parameters[b].second).tanh(), parameters[b + 1].second);
    return at::mm(x, parameters[5].second).square().mean();
  }

  std::vector<bool> candidates = std::vector<bool>(6, true);
  NamedParameters parameters;
  at::Tensor calls = at::zeros({});
  StepProfileOptions options;
  LossFunction loss = [this](int) { return Loss(); };
};

TEST_F(StepProfileTest, HasTheLabelAndTheFlopsOfFrozenOperators) {
  options.model = "tiny";
  candidates[0] = false;
  const auto profile = ProfileStep(loss, parameters, candidates, options);
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(profile->model, "tiny");
  EXPECT_EQ(profile->forward_cost, 6 * 2 * 4 * 8 * 8);
  EXPECT_EQ(profile->tensors[0].op, kNone);
}

TEST_F(StepProfileTest, LeavesEverythingAsItWas) {
  parameters[1].second.mutable_grad() = at::ones({8, 8});
  parameters[2].second.requires_grad_(false);
  options.buffers = {calls};
  const RandomState before = GetRandomState();
  ASSERT_TRUE(ProfileStep(loss, parameters, candidates, options).ok());
  EXPECT_TRUE(at::equal(GetRandomState()[0].second, before[0].second));
  EXPECT_EQ(calls.item<double>(), 0);
  EXPECT_TRUE(at::equal(parameters[1].second.grad(), at::ones({8, 8})));
  for (int i : {0, 2, 3, 4, 5}) EXPECT_FALSE(parameters[i].second.grad().defined());
  EXPECT_FALSE(parameters[2].second.requires_grad());
  EXPECT_TRUE(parameters[1].second.requires_grad());
}

TEST_F(StepProfileTest, KeepsTheDeclaredBlocksAloneIfBlocksDrop) {
  options.branches = {ResidualBranch("layers.1")};
  options.plan.set_method(v1::METHOD_SELECTION);
  EXPECT_THAT(ProfileStep(loss, parameters, candidates, options)->blocks, ElementsAre("layers.0", "layers.1"));
  options.plan.set_method(v1::METHOD_DROP);
  EXPECT_THAT(ProfileStep(loss, parameters, candidates, options)->blocks, ElementsAre("layers.1"));
  options.branches = {ResidualBranch("layers.7")};
  EXPECT_EQ(ProfileStep(loss, parameters, candidates, options).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(StepProfileTest, WhatTheLossThrowsIsInternal) {
  loss = [](int) -> at::Tensor { throw std::runtime_error("no batch"); };
  const absl::Status status = ProfileStep(loss, parameters, candidates, options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the profiled forward pass failed: no batch"));
}

}  // namespace
}  // namespace greenplan::trainer
