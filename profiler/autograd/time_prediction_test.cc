// Compares predicted times with measured ones. If the machine is too noisy for that, the test is skipped and reports
// the noise. time_benchmark.cc does the same for models of realistic shapes.

#include <chrono>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include "ATen/Functions.h"
#include "ATen/TensorOperators.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "profiler/autograd/freed_memory.h"
#include "profiler/autograd/profile_time.h"
#include "tests/statistics/quantile.h"

namespace greenplan::profiler {
namespace {

constexpr int kRounds = 7;
constexpr double kMaxNoise = 0.03;

struct Mlp {
  static constexpr int64_t kBatch = 256, kWidth = 384;
  static constexpr int kLayers = 4;

  Mlp() {
    for (int layer = 0; layer < kLayers; ++layer) {
      const std::string name = "layers." + std::to_string(layer);
      parameters.emplace_back(name + ".weight", at::randn({kWidth, kWidth}).mul_(0.05).set_requires_grad(true));
      parameters.emplace_back(name + ".bias", at::zeros({kWidth}).set_requires_grad(true));
    }
  }

  at::Tensor Loss() const {
    at::Tensor h = x;
    for (int layer = 0; layer < kLayers; ++layer) {
      h = at::gelu(at::linear(h, parameters[2 * layer].second, parameters[2 * layer + 1].second));
    }
    return h.pow(2).mean();
  }

  double BackwardSeconds(const std::vector<bool>& trainable) const {
    for (size_t k = 0; k < parameters.size(); ++k) {
      at::Tensor parameter = parameters[k].second;
      parameter.set_requires_grad(trainable[k]);
      parameter.mutable_grad().reset();
    }
    const at::Tensor loss = Loss();
    const auto start = std::chrono::steady_clock::now();
    loss.backward();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  NamedParameters parameters;
  at::Tensor x = at::randn({kBatch, kWidth});
};

TEST(TimePredictionTest, PredictsBackwardOfMasksWithinFivePercentOnAQuietMachine) {
  KeepFreedMemory();
  const Mlp mlp;
  const auto profile = ProfileTime([&] { return mlp.Loss(); }, mlp.parameters, {.repetitions = 9});
  ASSERT_TRUE(profile.ok()) << profile.status();
  const std::vector<bool> full = FullMask(*profile);
  const double full_cost = static_cast<double>(EvaluateMask(*profile, full).backward_cost);
  std::vector<double> errors, full_seconds;
  for (const unsigned bits :
       {0b00000001u, 0b00000010u, 0b00000101u, 0b00010100u, 0b01000000u, 0b01010101u, 0b11110000u}) {
    std::vector<bool> mask;
    for (size_t k = 0; k < mlp.parameters.size(); ++k) mask.push_back((bits >> k & 1) != 0);
    std::vector<double> shares;
    for (int round = 0; round < kRounds; ++round) {
      full_seconds.push_back(mlp.BackwardSeconds(full));
      shares.push_back(mlp.BackwardSeconds(mask) / full_seconds.back());
    }
    const double predicted = static_cast<double>(EvaluateMask(*profile, mask).backward_cost) / full_cost;
    errors.push_back(std::abs(predicted / Quantile(shares, 0.5) - 1));
  }
  std::vector<double> deviations;
  for (const double seconds : full_seconds) deviations.push_back(std::abs(seconds / Quantile(full_seconds, 0.5) - 1));
  const double noise = Quantile(deviations, 0.9), median = Quantile(errors, 0.5), p90 = Quantile(errors, 0.9);
  std::cout << "noise " << noise << ", error median " << median << ", p90 " << p90 << "\n";
  if (noise > kMaxNoise) {
    GTEST_SKIP() << "the machine is too noisy: repeated runs differ by " << noise << " (p90), more than " << kMaxNoise
                 << "; error median " << median << ", p90 " << p90;
  }
  EXPECT_LE(median, 0.05);
  EXPECT_LE(p90, 0.10);
}

}  // namespace
}  // namespace greenplan::profiler
