#include "trainer_client/optimizer/adamw.h"

#include <cmath>
#include <cstdint>

#include "ATen/Context.h"
#include "ATen/TensorOperators.h"
#include "ATen/ops/allclose.h"
#include "ATen/ops/equal.h"
#include "ATen/ops/ones.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profiler/autograd/testing/test_device.h"
#include "torch/optim/adamw.h"

namespace greenplan::trainer {
namespace {

using profiler::testing::Randn;
using ::testing::HasSubstr;

constexpr AdamWOptions kOptions = {.learning_rate = 1e-2, .weight_decay = 0.1};

// The shapes exercise the kernel's vector body, its scalar tail, and more than one slice.
AdamW::NamedParameters Parameters() {
  at::manual_seed(1);
  AdamW::NamedParameters parameters;
  parameters.emplace_back("matrix", Randn({33, 65}));
  parameters.emplace_back("bias", Randn({7}));
  parameters.emplace_back("scalar", Randn({}));
  // A slice is larger on a GPU.
  parameters.emplace_back("table", Randn({profiler::testing::TestDevice().is_cpu() ? 1025 : 4097, 1027}));
  for (auto& [name, parameter] : parameters) parameter.requires_grad_(true);
  return parameters;
}

void SetRandomGradient(const at::Tensor& parameter) {
  parameter.mutable_grad() = Randn(parameter.sizes()).to(parameter.scalar_type());
}

at::Tensor Copy(const at::Tensor& tensor) { return tensor.detach().clone(); }

AdamW::NamedParameters Bfloat16Parameters() {
  AdamW::NamedParameters parameters = Parameters();
  for (auto& [name, parameter] : parameters) parameter = Copy(parameter).to(at::kBFloat16).requires_grad_(true);
  return parameters;
}

// The textbook update of one parameter, computed in double.
struct Reference {
  at::Tensor weight, exp_avg, exp_avg_sq;
  int step = 0;

  explicit Reference(const at::Tensor& parameter)
      : weight(Copy(parameter).to(at::kDouble)), exp_avg(weight * 0), exp_avg_sq(weight * 0) {}

  void Step(const at::Tensor& gradient_float) {
    const at::Tensor gradient = gradient_float.to(at::kDouble);
    ++step;
    weight = weight * (1 - kOptions.learning_rate * kOptions.weight_decay);
    exp_avg = exp_avg * kOptions.beta1 + gradient * (1 - kOptions.beta1);
    exp_avg_sq = exp_avg_sq * kOptions.beta2 + gradient * gradient * (1 - kOptions.beta2);
    const at::Tensor numerator = exp_avg / (1 - std::pow(kOptions.beta1, step));
    const at::Tensor denominator = (exp_avg_sq / (1 - std::pow(kOptions.beta2, step))).sqrt() + kOptions.epsilon;
    weight = weight - numerator / denominator * kOptions.learning_rate;
  }
};

TEST(AdamWTest, FollowsTheDefinition) {
  AdamW::NamedParameters parameters = Parameters();
  std::vector<Reference> references;
  for (const auto& [name, parameter] : parameters) references.emplace_back(parameter);
  AdamW optimizer(parameters, kOptions);
  for (int step = 0; step < 5; ++step) {
    for (size_t i = 0; i < parameters.size(); ++i) {
      SetRandomGradient(parameters[i].second);
      references[i].Step(parameters[i].second.grad());
    }
    optimizer.Step();
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_TRUE(at::allclose(parameters[i].second.to(at::kDouble), references[i].weight, /*rtol=*/1e-5, /*atol=*/1e-6))
        << parameters[i].first;
  }
}

TEST(AdamWTest, AgreesWithLibTorchsOptimizer) {
  AdamW::NamedParameters ours = Parameters();
  AdamW::NamedParameters theirs = Parameters();
  std::vector<at::Tensor> their_tensors;
  for (auto& [name, parameter] : theirs) their_tensors.push_back(parameter);
  AdamW optimizer(ours, kOptions);
  torch::optim::AdamW reference(their_tensors,
                                torch::optim::AdamWOptions(kOptions.learning_rate).weight_decay(kOptions.weight_decay));
  for (int step = 0; step < 5; ++step) {
    for (size_t i = 0; i < ours.size(); ++i) {
      SetRandomGradient(ours[i].second);
      theirs[i].second.mutable_grad() = Copy(ours[i].second.grad());
    }
    optimizer.Step();
    reference.step();
  }
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_TRUE(at::allclose(ours[i].second, theirs[i].second, /*rtol=*/1e-5, /*atol=*/1e-6)) << ours[i].first;
  }
}

TEST(AdamWTest, LeavesParametersWithoutGradientUntouchedAndKeepsTheirMoments) {
  AdamW::NamedParameters parameters = Parameters();
  AdamW optimizer(parameters, kOptions);
  for (auto& [name, parameter] : parameters) SetRandomGradient(parameter);
  optimizer.Step();
  optimizer.ClearGradients();

  const at::Tensor& frozen = parameters[0].second;
  const at::Tensor frozen_before = Copy(frozen);
  const at::Tensor trained_before = Copy(parameters[1].second);
  AdamW::State state_before;
  for (const auto& [name, tensor] : optimizer.state()) state_before[name] = Copy(tensor);
  for (int step = 0; step < 3; ++step) {
    SetRandomGradient(parameters[1].second);
    optimizer.Step();
  }
  EXPECT_TRUE(at::equal(frozen, frozen_before));
  EXPECT_FALSE(at::equal(parameters[1].second, trained_before));
  for (const char* entry : {"matrix.exp_avg", "matrix.exp_avg_sq", "matrix.step"}) {
    EXPECT_TRUE(at::equal(optimizer.state().at(entry), state_before.at(entry))) << entry;
  }
  EXPECT_EQ(optimizer.state().at("bias.step").item<float>(), 4);
}

TEST(AdamWTest, HasNoStateForTensorsThatNeverTrained) {
  AdamW::NamedParameters parameters = Parameters();
  AdamW optimizer(parameters, kOptions);
  EXPECT_TRUE(optimizer.state().empty());
  SetRandomGradient(parameters[2].second);
  optimizer.Step();
  EXPECT_EQ(optimizer.state().size(), 3u);
}

TEST(AdamWTest, NextUpdateEqualsTheRealStepBitForBitAndChangesNothing) {
  AdamW::NamedParameters parameters = Parameters();
  AdamW optimizer(parameters, kOptions);
  for (int step = 0; step < 3; ++step) {  // In the first step there are no moments yet.
    std::vector<at::Tensor> before, updates;
    for (const auto& [name, parameter] : parameters) {
      SetRandomGradient(parameter);
      before.push_back(Copy(parameter));
      const at::Tensor gradient_before = Copy(parameter.grad());
      updates.push_back(optimizer.NextUpdate(parameter, parameter.grad()));
      EXPECT_TRUE(at::equal(parameter, before.back())) << name;
      EXPECT_TRUE(at::equal(parameter.grad(), gradient_before)) << name;
    }
    optimizer.Step();
    for (size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_TRUE(at::equal(updates[i], parameters[i].second - before[i])) << parameters[i].first << " step " << step;
    }
  }
}

// Expects that the product with a direction is that with NextUpdate(). `accuracy`: of a single product.
void ExpectProductWithNextUpdate(const AdamW& optimizer, const at::Tensor& parameter, double accuracy,
                                 const std::string& what) {
  // Numbers of one sign, so that rounding stays small beside the sum.
  const at::Tensor update = optimizer.NextUpdate(parameter, parameter.grad());
  const at::Tensor towards = Randn(parameter.sizes()).abs().to(parameter.scalar_type()) * update.sign();
  const double expected = (towards.to(at::kDouble) * update).sum().item<double>();
  // The kernels of a GPU may differ in the last bit of a weight and of beta2^step.
  const double last_bit = parameter.is_cpu() ? 0 : std::ldexp(1.0, -23), bias = parameter.is_cpu() ? 0 : 2e-5;
  const double tolerance =
      (accuracy + bias) * expected + last_bit * (towards * parameter.detach()).abs().max().item<double>();
  const auto product = [&](const at::Tensor& direction) {
    return optimizer.ProductWithNextUpdate(parameter, parameter.grad(), direction).item<double>();
  };
  EXPECT_NEAR(product(towards), expected, tolerance) << what;
  if (parameter.dim() != 2) return;
  EXPECT_NEAR(product(towards.t().contiguous().t()), expected, tolerance) << what << ", not contiguous";
}

TEST(AdamWTest, ProductWithNextUpdateIsThatOfTheUpdateItTells) {
  AdamW::NamedParameters parameters = Parameters();
  AdamW optimizer(parameters, kOptions);
  for (int step = 0; step < 3; ++step) {  // At first there are no moments.
    for (const auto& [name, parameter] : parameters) {
      SetRandomGradient(parameter);
      ExpectProductWithNextUpdate(optimizer, parameter, 1e-6, absl::StrCat(name, " after ", step, " steps"));
    }
    optimizer.Step();
  }
}

// A weight in bfloat16 is changed by less than its last bit as often as not, so rounding is much of the update.
TEST(AdamWTest, ProductWithNextUpdateSeesTheRoundingOfBfloat16Weights) {
  const AdamW::NamedParameters parameters = Bfloat16Parameters();
  AdamW optimizer(parameters, {.learning_rate = 1e-3});
  for (int step = 0; step < 3; ++step) {
    for (const auto& [name, parameter] : parameters) {
      SetRandomGradient(parameter);
      ExpectProductWithNextUpdate(optimizer, parameter, std::ldexp(1.0, -9),
                                  absl::StrCat(name, " after ", step, " steps"));
    }
    optimizer.Step();
  }
}

TEST(AdamWTest, ProductWithNextUpdateCountsTheStepsOfEachTensorAlsoAfterLoading) {
  AdamW::NamedParameters parameters = Parameters();
  AdamW optimizer(parameters, kOptions);
  for (int step = 0; step < 3; ++step) {
    optimizer.ClearGradients();
    for (size_t i = 0; i <= static_cast<size_t>(step); ++i) SetRandomGradient(parameters[i].second);
    optimizer.Step();
  }
  AdamW resumed(parameters, kOptions);
  ASSERT_TRUE(resumed.LoadState(optimizer.state()).ok());
  for (const auto& [name, parameter] : parameters) {
    SetRandomGradient(parameter);
    ExpectProductWithNextUpdate(optimizer, parameter, 1e-6, name);
    ExpectProductWithNextUpdate(resumed, parameter, 1e-6, absl::StrCat(name, " loaded"));
  }
}

TEST(AdamWTest, TellsTheLastUpdateFromItsMoments) {
  for (double weight_decay : {0.0, 0.1}) {
    AdamW::NamedParameters parameters = Parameters();
    AdamW optimizer(parameters, {.learning_rate = 1e-2, .weight_decay = weight_decay});
    for (int step = 0; step < 3; ++step) {
      optimizer.set_learning_rate(1e-2 / (step + 1));
      std::vector<at::Tensor> expected;
      for (const auto& [name, parameter] : parameters) {
        SetRandomGradient(parameter);
        expected.push_back(optimizer.NextUpdate(parameter, parameter.grad()));
      }
      optimizer.Step();
      optimizer.set_learning_rate(1);  // As a schedule does before the next step.
      for (size_t i = 0; i < parameters.size(); ++i) {
        EXPECT_TRUE(at::allclose(optimizer.LastUpdate(parameters[i].second), expected[i], 1e-4, 1e-6))
            << parameters[i].first << " step " << step;
      }
    }
  }
}

TEST(AdamWTest, StepsATensorOfTwoNamesOnce) {
  AdamW::NamedParameters parameters = Parameters(), tied = Parameters();
  tied.emplace_back("tied", tied[0].second);
  AdamW once(parameters, kOptions), twice(tied, kOptions);
  for (int step = 0; step < 2; ++step) {
    for (size_t i = 0; i < parameters.size(); ++i) {
      SetRandomGradient(parameters[i].second);
      tied[i].second.mutable_grad() = Copy(parameters[i].second.grad());
    }
    once.Step();
    twice.Step();
  }
  for (size_t i = 0; i < parameters.size(); ++i) EXPECT_TRUE(at::equal(parameters[i].second, tied[i].second));
  EXPECT_EQ(twice.state().size(), once.state().size());
  EXPECT_EQ(twice.LoadState(twice.state()), absl::OkStatus());
}

void ExpectToContinueBitForBit(AdamW::NamedParameters parameters) {
  AdamW optimizer(parameters, kOptions);
  for (auto& [name, parameter] : parameters) SetRandomGradient(parameter);
  optimizer.Step();

  AdamW::NamedParameters copies;
  for (const auto& [name, parameter] : parameters) copies.emplace_back(name, Copy(parameter).requires_grad_(true));
  AdamW resumed(copies, kOptions);
  ASSERT_TRUE(resumed.LoadState(optimizer.state()).ok());
  for (size_t i = 0; i < parameters.size(); ++i) {
    SetRandomGradient(parameters[i].second);
    copies[i].second.mutable_grad() = Copy(parameters[i].second.grad());
  }
  optimizer.Step();
  resumed.Step();
  for (size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_TRUE(at::equal(parameters[i].second, copies[i].second)) << parameters[i].first;
  }
}

TEST(AdamWTest, ContinuesBitForBitFromASavedState) { ExpectToContinueBitForBit(Parameters()); }

TEST(AdamWTest, ContinuesBitForBitWithBfloat16Weights) { ExpectToContinueBitForBit(Bfloat16Parameters()); }

TEST(AdamWTest, StepsByTheElementsOfAGradientWhateverItsStrides) {
  AdamW::NamedParameters parameters = Parameters(), strided = Parameters();
  SetRandomGradient(parameters[0].second);
  strided[0].second.mutable_grad() = parameters[0].second.grad().t().contiguous().t();
  ASSERT_FALSE(strided[0].second.grad().is_contiguous());
  AdamW(parameters, kOptions).Step();
  AdamW(strided, kOptions).Step();
  EXPECT_TRUE(at::equal(strided[0].second, parameters[0].second));
}

TEST(AdamWTest, RefusesAStateThatDoesNotFit) {
  AdamW optimizer(Parameters(), kOptions);
  const at::Tensor step = at::ones({});
  const struct {
    AdamW::State state;
    const char* message;
  } cases[] = {
      {{{"bias.exp_avg", at::ones({7})}, {"bias.step", step}}, "lacks bias.exp_avg_sq"},
      {{{"bias.exp_avg", at::ones({8})}, {"bias.exp_avg_sq", at::ones({7})}, {"bias.step", step}},
       "bias.exp_avg has the shape [8]; it must be [7]"},
      {{{"bias.exp_avg", at::ones({7})}, {"bias.exp_avg_sq", at::ones({7})}}, "lacks bias.step"},
      {{{"other.exp_avg", at::ones({7})}}, "only 0 belong"},
  };
  for (const auto& [state, message] : cases) {
    const absl::Status status = optimizer.LoadState(state);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(message));
    EXPECT_TRUE(optimizer.state().empty());
  }
}

TEST(AdamWTest, AParameterWhoseStateWasDroppedBeginsAnewAndOneWhoseStateIsKeptGoesOn) {
  for (FrozenState policy : {FrozenState::kKeep, FrozenState::kOffload, FrozenState::kDrop}) {
    AdamW::NamedParameters parameters = Parameters();
    AdamW optimizer(parameters, kOptions);
    for (int step = 0; step < 3; ++step) {
      for (const auto& [name, parameter] : parameters) SetRandomGradient(parameter);
      optimizer.Step();
    }
    const at::Tensor& matrix = parameters[0].second;
    SetRandomGradient(matrix);
    const AdamW fresh(parameters, kOptions);
    const at::Tensor expected = (policy == FrozenState::kDrop ? fresh : optimizer).NextUpdate(matrix, matrix.grad());
    optimizer.PlaceState({matrix}, policy);
    EXPECT_EQ(optimizer.state().size(), policy == FrozenState::kDrop ? 9u : 12u);
    if (policy == FrozenState::kOffload) EXPECT_TRUE(optimizer.state().at("matrix.exp_avg").is_cpu());
    EXPECT_TRUE(at::equal(optimizer.NextUpdate(matrix, matrix.grad()), expected));
    optimizer.PlaceState({}, policy);
    if (policy != FrozenState::kDrop) EXPECT_EQ(optimizer.state().at("matrix.exp_avg").device(), matrix.device());
    const at::Tensor before = Copy(matrix);
    optimizer.Step();
    EXPECT_TRUE(at::equal(matrix - before, expected));
  }
}

}  // namespace
}  // namespace greenplan::trainer
