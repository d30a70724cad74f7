#include "profiler/autograd/kernel_choice.h"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ATen/Context.h"
#include "ATen/Functions.h"
#include "ATen/TensorOperators.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "profiler/autograd/checkpoint.h"
#include "profiler/autograd/executed_flops.h"
#include "profiler/autograd/profile.h"
#include "profiler/autograd/profile_time.h"

// Predicted costs are held to executed ones, for every mask.
namespace greenplan::profiler {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

at::Tensor Parameter(at::IntArrayRef shape) { return at::randn(shape).set_requires_grad(true); }

struct Network {
  NamedParameters parameters;
  std::function<at::Tensor()> loss;
};

absl::StatusOr<ModelProfile> ProfileOf(const Network& network, const std::vector<std::string>& always = {},
                                       const std::vector<std::string>& dropped = {}) {
  ProfileOptions options;
  options.always = always;
  options.dropped = dropped;
  return Profile(network.loss(), network.parameters, options);
}

int64_t ExecutedBackwardFlops(const Network& network, const std::vector<bool>& mask) {
  for (size_t i = 0; i < mask.size(); ++i) network.parameters[i].second.set_requires_grad(mask[i]);
  const at::Tensor loss = network.loss();
  const ExecutedFlopsCounter counter;
  loss.backward();
  for (const auto& [name, parameter] : network.parameters) {
    parameter.set_requires_grad(true);
    parameter.mutable_grad().reset();
  }
  return counter.backward_flops();
}

// Checks every mask that trains something, and trains the first `always` tensors.
void ExpectExact(const Network& network, size_t always = 0) {
  std::vector<std::string> names;
  for (size_t i = 0; i < always; ++i) names.push_back(network.parameters[i].first);
  const absl::StatusOr<ModelProfile> profile = ProfileOf(network, names);
  ASSERT_TRUE(profile.ok()) << profile.status();
  const size_t count = network.parameters.size();
  const uint32_t pinned = (1u << always) - 1;
  for (uint32_t bits = 1; bits < 1u << count; ++bits) {
    if ((bits & pinned) != pinned) continue;
    std::vector<bool> mask(count);
    for (size_t i = 0; i < count; ++i) mask[i] = (bits >> i & 1) != 0;
    EXPECT_EQ(EvaluateMask(*profile, mask).backward_cost, ExecutedBackwardFlops(network, mask))
        << ::testing::PrintToString(mask);
  }
}

void ExpectRefused(const Network& network, const std::string& problem, const std::string& tensors,
                   const std::vector<std::string>& always = {}, const std::vector<std::string>& dropped = {}) {
  const absl::Status status = ProfileOf(network, always, dropped).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(problem));
  EXPECT_THAT(std::string(status.message()), EndsWith(": " + tensors));
}

Network BiasedAttention(double dropout = 0) {
  const at::Tensor bias = Parameter({7, 7}), weight = Parameter({8, 5}), x = at::randn({2, 3, 7, 5});
  return {.parameters = {{"bias", bias}, {"weight", weight}}, .loss = [=] {
            const at::Tensor features = at::linear(x, weight);
            return at::scaled_dot_product_attention(features, features, features, bias, dropout).pow(2).sum();
          }};
}

TEST(KernelChoiceTest, RefusesAnAttentionMaskThatMayBeFrozen) {
  ExpectRefused(BiasedAttention(), "mask that requires grad", "bias");
}

TEST(KernelChoiceTest, AnAttentionMaskThatAlwaysTrainsIsExact) { ExpectExact(BiasedAttention(), /*always=*/1); }

TEST(KernelChoiceTest, AnAttentionMaskUnderDropoutIsExact) { ExpectExact(BiasedAttention(/*dropout=*/0.1)); }

TEST(KernelChoiceTest, AnAttentionMaskIsExactWhereFusedKernelsAreSwitchedOff) {
  at::globalContext().setSDPUseFlash(false);
  ExpectExact(BiasedAttention());
  at::globalContext().setSDPUseFlash(true);
}

TEST(KernelChoiceTest, NamesAtMostThreeTensorsBehindAMask) {
  const Network attention = BiasedAttention();
  const at::Tensor a = Parameter({7, 1}), b = Parameter({7}), c = Parameter({7}), d = Parameter({7});
  const at::Tensor weight = attention.parameters[1].second, x = at::randn({2, 3, 7, 5});
  const Network network{.parameters = {{"a", a}, {"b", b}, {"c", c}, {"d", d}, {"weight", weight}}, .loss = [=] {
                          const at::Tensor features = at::linear(x, weight);
                          const at::Tensor mask = a + b + c + d;
                          return at::scaled_dot_product_attention(features, features, features, mask).sum();
                        }};
  const absl::Status status = ProfileOf(network).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), EndsWith(", ..."));
  EXPECT_TRUE(ProfileOf(network, {"c"}).ok());
}

Network Scores(bool contiguous) {
  const at::Tensor vector = Parameter({7}), weight = Parameter({6, 5}), x = at::randn({3, 7, 5});
  return {.parameters = {{"vector", vector}, {"weight", weight}}, .loss = [=] {
            const at::Tensor transposed = at::linear(x, weight).transpose(-1, -2);
            return at::matmul(contiguous ? transposed.contiguous() : transposed, vector).pow(2).sum();
          }};
}

TEST(KernelChoiceTest, RefusesTransposedMatricesTimesAVectorThatMayBeFrozen) {
  ExpectRefused(Scores(/*contiguous=*/false), "once the vector is frozen", "vector");
}

TEST(KernelChoiceTest, MatricesTimesAVectorAreExactWhereNothingIsCopiedOrTheVectorAlwaysTrains) {
  ExpectExact(Scores(/*contiguous=*/true));
  ExpectExact(Scores(/*contiguous=*/false), /*always=*/1);
}

Network NormalisedImages(at::MemoryFormat format) {
  const at::Tensor filter = Parameter({8, 3, 3, 3}), scale = Parameter({8}), shift = Parameter({8});
  const at::Tensor x = at::randn({2, 3, 6, 6}).contiguous(format);
  return {.parameters = {{"filter", filter}, {"scale", scale}, {"shift", shift}},
          .loss = [=] { return at::group_norm(at::conv2d(x, filter), 4, scale, shift).pow(2).sum(); }};
}

Network Checkpointed(const Network& network) {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, parameter] : network.parameters) tensors.push_back(parameter);
  return {.parameters = network.parameters, .loss = [=] {
            return Checkpoint([=](const std::vector<at::Tensor>&) { return network.loss(); }, {}, tensors);
          }};
}

TEST(KernelChoiceTest, SeesIntoCheckpointedFunctions) {
  ExpectRefused(Checkpointed(NormalisedImages(at::MemoryFormat::ChannelsLast)), "group_norm", "filter");
  ExpectRefused(Checkpointed(Scores(/*contiguous=*/false)), "once the vector is frozen", "vector");
  ExpectRefused(Checkpointed(BiasedAttention()), "mask that requires grad", "bias");
  ExpectExact(Checkpointed(NormalisedImages(at::MemoryFormat::Contiguous)));
}

// The images are x + convolution(x). If the block "branch" is dropped, they require grad only if the stem is trained.
Network NormalisedResidual() {
  const at::Tensor stem = Parameter({3, 3, 1, 1}), filter = Parameter({3, 3, 3, 3}), scale = Parameter({3});
  const at::Tensor x = at::randn({2, 3, 6, 6}).contiguous(at::MemoryFormat::ChannelsLast);
  return {.parameters = {{"stem", stem}, {"branch.filter", filter}, {"scale", scale}}, .loss = [=] {
            const at::Tensor images = at::conv2d(x, stem);
            return at::group_norm(images + at::conv2d(images, filter, {}, 1, 1), 1, scale).pow(2).sum();
          }};
}

TEST(KernelChoiceTest, ATensorSettlesNothingOutsideItsBlockIfStepsMayDropThat) {
  const Network network = NormalisedResidual();
  const std::vector<std::string> block = {"branch"};
  ASSERT_EQ(ProfileOf(network, {"stem"})->blocks, block);
  EXPECT_TRUE(ProfileOf(network, {"branch.filter"}).ok());
  ExpectRefused(network, "group_norm", "stem", {"branch.filter"}, block);
  EXPECT_TRUE(ProfileOf(network, {"stem"}, block).ok());
  EXPECT_TRUE(ProfileOf(network, {"branch.filter"}, {"another"}).ok());
}

TEST(KernelChoiceTest, SaysSoIfNoTensorCanSettleTheChoice) {
  const Network network = NormalisedImages(at::MemoryFormat::ChannelsLast);
  ProfileOptions options;
  options.frozen = options.always = {"filter"};
  const absl::Status status = Profile(network.loss(), network.parameters, options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), EndsWith("; no tensor behind it can train in every step"));
}

// In a block of its own the mask always trains when its attention is part of the step.
TEST(KernelChoiceTest, ATensorSettlesChoicesWithinItsOwnBlock) {
  const at::Tensor stem = Parameter({5, 5}), bias = Parameter({7, 7}), weight = Parameter({5, 5});
  const at::Tensor x = at::randn({2, 3, 7, 5});
  const Network network{
      .parameters = {{"stem", stem}, {"attention.bias", bias}, {"attention.weight", weight}}, .loss = [=] {
        const at::Tensor stream = at::linear(x, stem);
        const at::Tensor features = at::linear(stream.tanh(), weight);
        const at::Tensor branch = at::scaled_dot_product_attention(features, features, features, bias);
        return (stream + branch).pow(2).sum();
      }};
  const std::vector<std::string> block = {"attention"};
  const absl::StatusOr<ModelProfile> profile = ProfileOf(network, {"attention.bias"}, block);
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(profile->blocks, block);
  ExpectRefused(network, "mask that requires grad", "attention.bias", {"attention.weight"}, block);
}

TEST(KernelChoiceTest, AProfileOfTimeRefusesThemToo) {
  const Network attention = BiasedAttention();
  TimeOptions options;
  options.repetitions = 1;
  EXPECT_EQ(ProfileTime(attention.loss, attention.parameters, options).status().code(),
            absl::StatusCode::kUnimplemented);
  options.always = {"bias"};
  EXPECT_TRUE(ProfileTime(attention.loss, attention.parameters, options).ok());
}

TEST(KernelChoiceTest, RefusesAnUnknownNameAmongThoseThatAlwaysTrain) {
  const absl::Status status = ProfileOf(BiasedAttention(), {"biased"}).status();
  EXPECT_EQ(status, absl::InvalidArgumentError("options.always names biased, which is not a parameter"));
}

// LibTorch's kernel ends the process with a segmentation fault where the filter is frozen, so no mask is run.
TEST(KernelChoiceTest, RefusesGroupNormOfChannelsLastImagesThatMayBeFrozen) {
  ExpectRefused(NormalisedImages(at::MemoryFormat::ChannelsLast), "group_norm", "filter");
  EXPECT_TRUE(ProfileOf(NormalisedImages(at::MemoryFormat::ChannelsLast), {"filter"}).ok());
  ExpectExact(NormalisedImages(at::MemoryFormat::Contiguous));
}

}  // namespace
}  // namespace greenplan::profiler
