#include "trainer_client/session/importance.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>

#include "ATen/Context.h"
#include "ATen/TensorOperators.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/dropout.h"
#include "ATen/ops/equal.h"
#include "ATen/ops/mm.h"
#include "ATen/ops/rand.h"
#include "c10/util/intrusive_ptr.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profiler/autograd/testing/test_device.h"
#include "torch/csrc/autograd/function_hook.h"
#include "torch/csrc/autograd/variable.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/session/random_state.h"
#include "trainer_client/session/trainable.h"

namespace greenplan::trainer {
namespace {

using profiler::testing::Randn;
using ::testing::HasSubstr;

at::Tensor Copy(const at::Tensor& tensor) { return tensor.detach().clone(); }

// Of importance. On a GPU the last bit of a weight may differ from that of LibTorch's step, 1e-5 of an update here.
const double kAccuracy = profiler::testing::TestDevice().is_cpu() ? 1e-6 : 1e-4;

double Dot(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) * b.to(at::kDouble)).sum().item<double>();
}

// Two layers and a bias under dropout, with an optimizer that has stepped already.
struct ImportanceTest : ::testing::Test {
  ImportanceTest() {
    at::manual_seed(3);
    for (auto [name, shape] :
         {std::pair<const char*, std::vector<int64_t>>{"first", {6, 5}}, {"bias", {5}}, {"second", {5, 2}}}) {
      parameters.emplace_back(name, Randn(shape).requires_grad_(true));
    }
    for (int batch = 0; batch < 2; ++batch) inputs.push_back(Randn({4, 6}));
    optimizer = std::make_unique<AdamW>(parameters, AdamWOptions{.learning_rate = 1e-2, .weight_decay = 0.1});
    for (int step = 0; step < 2; ++step) {
      loss(0).backward();
      optimizer->Step();
      optimizer->ClearGradients();
    }
    options.update_rule = optimizer.get();
  }

  at::Tensor Forward(int batch) {
    const at::Tensor hidden = (at::mm(inputs[batch], parameters[0].second) + parameters[1].second).relu();
    const at::Tensor out = at::mm(at::dropout(hidden, 0.3, /*train=*/true), parameters[2].second);
    return (out * out).mean();
  }

  // The gradients that the probe sees in `batch`, by a backward pass of the test's own.
  std::vector<at::Tensor> Gradients(int batch) {
    RandomStateGuard guard;
    loss(batch).backward();
    std::vector<at::Tensor> gradients;
    for (auto& [name, parameter] : parameters) {
      gradients.push_back(Copy(parameter.grad()));
      parameter.mutable_grad().reset();
    }
    return gradients;
  }

  NamedParameters parameters;
  std::vector<at::Tensor> inputs;
  std::unique_ptr<AdamW> optimizer;
  ImportanceOptions options;
  LossFunction loss = [this](int batch) { return Forward(batch); };
  const std::vector<bool> all = {true, true, true};
};

TEST_F(ImportanceTest, FollowsTheDefinitionOfEachMetric) {
  const std::vector<at::Tensor> gradients = Gradients(0);
  for (int k = 0; k < 3; ++k) {
    const at::Tensor &weight = parameters[k].second, &gradient = gradients[k];
    const at::Tensor update = optimizer->NextUpdate(weight, gradient);
    const struct {
      v1::ImportanceMetric metric;
      double expected;
    } cases[] = {
        {v1::IMPORTANCE_METRIC_UNSPECIFIED, -Dot(gradient, update)},
        {v1::IMPORTANCE_METRIC_GRADIENT_TIMES_UPDATE, -Dot(gradient, update)},
        {v1::IMPORTANCE_METRIC_UPDATE_MAGNITUDE, std::sqrt(Dot(update, update))},
        {v1::IMPORTANCE_METRIC_GRADIENT_MAGNITUDE, std::sqrt(Dot(gradient, gradient))},
        {v1::IMPORTANCE_METRIC_FISHER, Dot(gradient, gradient)},
        {v1::IMPORTANCE_METRIC_SNIP, Dot(gradient.abs(), weight.detach().abs())},
    };
    for (const auto& [metric, expected] : cases) {
      options.metric = metric;
      auto importance = MeasureImportance(parameters, all, options, loss);
      ASSERT_TRUE(importance.ok()) << importance.status();
      EXPECT_NEAR(importance->mean[k], expected, kAccuracy * std::abs(expected))
          << parameters[k].first << " " << metric;
    }
  }
}

TEST_F(ImportanceTest, TouchesNeitherWeightsNorMomentsNorRandomStateNorRequiresGrad) {
  parameters[1].second.requires_grad_(false);
  std::vector<at::Tensor> weights;
  for (const auto& [name, parameter] : parameters) weights.push_back(Copy(parameter));
  AdamW::State moments;
  for (const auto& [name, tensor] : optimizer->state()) moments[name] = Copy(tensor);
  const RandomState random_state = GetRandomState();
  options.probe_batches = 2;

  ASSERT_TRUE(MeasureImportance(parameters, all, options, loss).ok());

  for (size_t k = 0; k < parameters.size(); ++k) {
    EXPECT_TRUE(at::equal(parameters[k].second, weights[k]));
    EXPECT_FALSE(parameters[k].second.grad().defined());
    EXPECT_EQ(parameters[k].second.requires_grad(), k != 1);
  }
  for (const auto& [name, tensor] : optimizer->state()) EXPECT_TRUE(at::equal(tensor, moments.at(name))) << name;
  EXPECT_TRUE(at::equal(GetRandomState().back().second, random_state.back().second));
}

TEST_F(ImportanceTest, IsTheMeanOverTheBatches) {
  options.metric = v1::IMPORTANCE_METRIC_SNIP;
  auto first = MeasureImportance(parameters, all, options, loss);
  options.probe_batches = 3;
  auto mean = MeasureImportance(parameters, all, options, [&](int batch) {
    at::manual_seed(5);
    return Forward(batch == 2 ? 1 : 0);
  });
  auto one = MeasureImportance(parameters, all, {.metric = v1::IMPORTANCE_METRIC_SNIP}, [&](int) {
    at::manual_seed(5);
    return Forward(0);
  });
  auto other = MeasureImportance(parameters, all, {.metric = v1::IMPORTANCE_METRIC_SNIP}, [&](int) {
    at::manual_seed(5);
    return Forward(1);
  });
  ASSERT_TRUE(first.ok() && mean.ok() && one.ok() && other.ok());
  for (int k = 0; k < 3; ++k) EXPECT_NEAR(mean->mean[k], (2 * one->mean[k] + other->mean[k]) / 3, 1e-9);
}

TEST_F(ImportanceTest, TellsTheStandardErrorOverBatches) {
  options.metric = v1::IMPORTANCE_METRIC_FISHER;
  auto one = MeasureImportance(parameters, all, options, loss);
  ASSERT_TRUE(one.ok());
  EXPECT_THAT(one->standard_error, ::testing::IsEmpty());
  std::vector<std::vector<double>> values;
  for (int batch : {0, 1}) {
    values.push_back(MeasureImportance(parameters, all, options, [&](int) {
                       at::manual_seed(5);
                       return Forward(batch);
                     })->mean);
  }
  options.probe_batches = 2;
  auto both = MeasureImportance(parameters, all, options, [&](int batch) {
    at::manual_seed(5);
    return Forward(batch);
  });
  ASSERT_TRUE(both.ok());
  for (int k = 0; k < 3; ++k) {
    EXPECT_NEAR(both->standard_error[k], std::abs(values[0][k] - values[1][k]) / 2, 1e-9);
  }
}

TEST_F(ImportanceTest, ABatchThatDoesNotReachATensorCountsAsZero) {
  options.metric = v1::IMPORTANCE_METRIC_FISHER;
  options.probe_batches = 2;
  const auto importance = MeasureImportance(
      parameters, all, options, [&](int batch) { return batch == 0 ? Forward(0) : parameters[2].second.sum(); });
  ASSERT_TRUE(importance.ok()) << importance.status();
  for (int k : {0, 1}) {  // The standard error of x and 0 is their mean.
    EXPECT_GT(importance->mean[k], 0);
    EXPECT_NEAR(importance->standard_error[k], importance->mean[k], 1e-9 * importance->mean[k]) << k;
  }
}

TEST_F(ImportanceTest, CrossFittedTakesGradientAndUpdateFromDifferentBatches) {
  std::vector<std::vector<at::Tensor>> gradients;
  inputs.push_back(Randn({4, 6}));
  for (int batch = 0; batch < 3; ++batch) {
    at::manual_seed(5 + batch);
    gradients.push_back(Gradients(batch));
  }
  options.metric = v1::IMPORTANCE_METRIC_CROSS_FITTED;
  options.probe_batches = 3;
  auto importance = MeasureImportance(parameters, all, options, [&](int batch) {
    at::manual_seed(5 + batch);
    return Forward(batch);
  });
  ASSERT_TRUE(importance.ok()) << importance.status();
  for (int k = 0; k < 3; ++k) {
    std::vector<double> pairs;
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) {
        if (i == j) continue;
        pairs.push_back(-Dot(gradients[j][k], optimizer->NextUpdate(parameters[k].second, gradients[i][k])));
      }
    }
    double mean = 0, squares = 0;
    for (double pair : pairs) mean += pair / 6;
    for (double pair : pairs) squares += (pair - mean) * (pair - mean);
    EXPECT_NEAR(importance->mean[k], mean, kAccuracy * std::abs(mean));
    EXPECT_NEAR(importance->standard_error[k], std::sqrt(squares / 5 / 6), kAccuracy * std::abs(mean));
  }
}

TEST_F(ImportanceTest, OfGradientsThatAreThereIsTheProbesAndLeavesThem) {
  auto separate = MeasureImportance(parameters, all, options, [&](int) {
    at::manual_seed(5);
    return Forward(0);
  });
  at::manual_seed(5);
  Forward(0).backward();
  auto in_step = ImportanceOfGradients(parameters, {true, false, true}, options);
  ASSERT_TRUE(separate.ok() && in_step.ok());
  EXPECT_EQ(in_step->mean[0], separate->mean[0]);
  EXPECT_EQ(in_step->mean[1], 0);
  EXPECT_EQ(in_step->mean[2], separate->mean[2]);
  EXPECT_TRUE(parameters[0].second.grad().defined());
}

TEST_F(ImportanceTest, SkipsBackwardOfTensorsThatAreNotMeasured) {
  auto importance = MeasureImportance(parameters, {false, false, true}, options, [&](int batch) {
    EXPECT_FALSE(parameters[0].second.requires_grad());
    EXPECT_TRUE(parameters[2].second.requires_grad());
    return Forward(batch);
  });
  ASSERT_TRUE(importance.ok());
  EXPECT_EQ(importance->mean[0], 0);
  EXPECT_NE(importance->mean[2], 0);
  EXPECT_TRUE(parameters[0].second.requires_grad());
}

TEST_F(ImportanceTest, HoldsOneGradientAtATime) {
  struct CountsGradients : UpdateRule {
    explicit CountsGradients(const NamedParameters& parameters) : parameters(parameters) {}
    at::Tensor NextUpdate(const at::Tensor&, const at::Tensor& gradient) const override {
      int defined = 0;
      for (const auto& [name, parameter] : parameters) defined += parameter.grad().defined();
      most = std::max(most, defined);
      return gradient;
    }
    const NamedParameters& parameters;
    mutable int most = 0;
  } rule(parameters);
  options.update_rule = &rule;
  ASSERT_TRUE(MeasureImportance(parameters, all, options, loss).ok());
  EXPECT_EQ(rule.most, 1);
}

TEST_F(ImportanceTest, CrossFittedKeepsTheGradientsOfAllBatchesButTheLast) {
  struct CountsLiving : UpdateRule {
    at::Tensor NextUpdate(const at::Tensor&, const at::Tensor& gradient) const override {
      seen.emplace(gradient.unsafeGetTensorImpl(), gradient.getIntrusivePtr());
      const auto living =
          std::count_if(seen.begin(), seen.end(), [](const auto& entry) { return !entry.second.expired(); });
      most = std::max<int64_t>(most, living);
      return gradient;
    }
    mutable std::map<const void*, c10::weak_intrusive_ptr<at::TensorImpl>> seen;
    mutable int64_t most = 0;
  } rule;
  options.update_rule = &rule;
  options.metric = v1::IMPORTANCE_METRIC_CROSS_FITTED;
  options.probe_batches = 2;
  ASSERT_TRUE(MeasureImportance(parameters, all, options, loss).ok());
  EXPECT_EQ(rule.seen.size(), 2 * parameters.size());
  EXPECT_EQ(rule.most, static_cast<int64_t>(parameters.size()) + 1) << "the first batch's, and one of the second";
}

TEST_F(ImportanceTest, SetsHooksOfTheUsersAsideAndPutsThemBack) {
  struct CountsCalls : torch::autograd::PostAccumulateGradHook {
    explicit CountsCalls(int& calls) : calls(calls) {}
    void operator()(const at::Tensor&) override { ++calls; }
    int& calls;
  };
  int calls = 0;
  torch::autograd::impl::set_post_acc_grad_hooks(parameters[0].second, std::make_unique<CountsCalls>(calls));
  ASSERT_TRUE(MeasureImportance(parameters, all, options, loss).ok());
  EXPECT_EQ(calls, 0);
  loss(0).backward();
  EXPECT_EQ(calls, 1);
}

TEST_F(ImportanceTest, WorksUnderNoGradAndWithALossThatReachesNothing) {
  at::NoGradGuard no_grad;
  auto importance = MeasureImportance(parameters, all, options, loss);
  ASSERT_TRUE(importance.ok());
  EXPECT_NE(importance->mean[0], 0);
  auto none = MeasureImportance(parameters, all, options, [&](int) { return inputs[0].sum(); });
  ASSERT_TRUE(none.ok());
  EXPECT_THAT(none->mean, ::testing::Each(0.0));
}

TEST_F(ImportanceTest, ReportsWhatWentWrong) {
  options.update_rule = nullptr;
  auto no_rule = MeasureImportance(parameters, all, options, loss);
  EXPECT_EQ(no_rule.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(no_rule.status().message(), HasSubstr("update_rule"));

  options.update_rule = optimizer.get();
  options.metric = v1::IMPORTANCE_METRIC_CROSS_FITTED;
  auto one_batch = MeasureImportance(parameters, all, options, loss);
  EXPECT_EQ(one_batch.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(one_batch.status().message(), HasSubstr("probe_batches is 1; the cross_fitted metric needs at least 2"));
  EXPECT_EQ(ImportanceOfGradients(parameters, all, options).status().code(), absl::StatusCode::kInvalidArgument);
  options.metric = v1::IMPORTANCE_METRIC_GRADIENT_TIMES_UPDATE;
  options.probe_batches = 0;
  const absl::Status no_batch = MeasureImportance(parameters, all, options, loss).status();
  EXPECT_EQ(no_batch.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(no_batch.message(), HasSubstr("importance.probe_batches is 0; it must be >= 1"));
  options.probe_batches = 1;
  auto thrown =
      MeasureImportance(parameters, all, options, [](int) -> at::Tensor { throw std::runtime_error("no such batch"); });
  EXPECT_EQ(thrown.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(thrown.status().message(), HasSubstr("no such batch"));

  auto diverged = MeasureImportance(
      parameters, all, options, [&](int batch) { return Forward(batch) * std::numeric_limits<double>::infinity(); });
  EXPECT_EQ(diverged.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(diverged.status().message(), HasSubstr("the importance of first is"));
  for (const auto& [name, parameter] : parameters) EXPECT_TRUE(parameter.requires_grad());
}

}  // namespace
}  // namespace greenplan::trainer
