#include "profiler/autograd/profile.h"

#include <random>

#include "ATen/Functions.h"
#include "ATen/TensorOperators.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "profiler/autograd/executed_flops.h"
#include "profiler/autograd/testing/models.h"
#include "profiler/autograd/testing/test_device.h"
#include "torch/csrc/autograd/custom_function.h"

namespace greenplan::profiler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Model;
using testing::Randn;

at::Tensor Parameter(at::IntArrayRef shape) { return Randn(shape).set_requires_grad(true); }

void ExpectStatus(const absl::Status& status, absl::StatusCode code, const std::string& message) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_NE(std::string(status.message()).find(message), std::string::npos) << status;
}

// Runs one step that trains exactly the tensors of `trainable` [num_tensors]. Returns what forward and backward
// execute.
struct Executed {
  int64_t forward_flops = 0;
  int64_t backward_flops = 0;
};

Executed Execute(const Model& model, const std::vector<bool>& trainable) {
  for (size_t i = 0; i < model.parameters.size(); ++i) {
    at::Tensor parameter = model.parameters[i].second;
    parameter.set_requires_grad(trainable[i]);
    parameter.mutable_grad().reset();
  }
  const ExecutedFlopsCounter counter;
  const at::Tensor loss = model.loss();
  if (loss.requires_grad()) loss.backward();
  return {.forward_flops = counter.forward_flops(), .backward_flops = counter.backward_flops()};
}

// Selects each tensor with the same probability, which differs from mask to mask. About every fourth mask selects a
// single tensor.
std::vector<bool> RandomMask(const ModelProfile& profile, std::mt19937_64& random) {
  std::vector<bool> mask(profile.tensors.size(), false);
  if (random() % 4 == 0) {
    mask[random() % mask.size()] = true;
  } else {
    std::bernoulli_distribution selected(std::uniform_real_distribution<double>(0, 1)(random));
    for (size_t i = 0; i < mask.size(); ++i) mask[i] = selected(random);
  }
  for (size_t i = 0; i < mask.size(); ++i) mask[i] = mask[i] && profile.tensors[i].op != kNone;
  return mask;
}

class ProfileOfModel : public ::testing::TestWithParam<Model> {};

TEST_P(ProfileOfModel, PredictsWhatBackwardExecutesForEveryMask) {
  const Model& model = GetParam();
  const auto profile = Profile(model.loss(), model.parameters);
  ASSERT_TRUE(profile.ok()) << profile.status();
  ASSERT_EQ(profile->tensors.size(), model.parameters.size());

  const std::vector<bool> full = FullMask(*profile);
  EXPECT_EQ(EvaluateMask(*profile, full).backward_cost, Execute(model, full).backward_flops);
  std::mt19937_64 random(20240607);
  for (int i = 0; i < 200; ++i) {
    const std::vector<bool> mask = RandomMask(*profile, random);
    ASSERT_EQ(EvaluateMask(*profile, mask).backward_cost, Execute(model, mask).backward_flops)
        << "mask " << i << ": " << ::testing::PrintToString(mask);
  }
}

INSTANTIATE_TEST_SUITE_P(AllModels, ProfileOfModel, ::testing::ValuesIn(testing::AllModels()),
                         [](const ::testing::TestParamInfo<Model>& info) {
                           std::string name = info.param.name;
                           std::erase_if(name, [](char c) { return !std::isalnum(c); });
                           return name;
                         });

TEST(ProfileTest, KeepsAtMostThreeOpsPerTensor) {
  for (const Model& model :
       {testing::Gpt(), testing::Llama(), testing::ParallelResidual(), testing::EncoderDecoder()}) {
    const auto profile = Profile(model.loss(), model.parameters);
    ASSERT_TRUE(profile.ok()) << profile.status();
    EXPECT_LE(profile->ops.size(), 3 * profile->tensors.size()) << model.name;
  }
}

TEST(ProfileTest, ForwardCostIsWhatForwardExecutesWhenEveryParameterTrains) {
  for (const Model& model : testing::AllModels()) {
    if (model.name == testing::LowRankAdapters().name) continue;  // Its first products leave no node in the graph.
    const auto profile = Profile(model.loss(), model.parameters);
    ASSERT_TRUE(profile.ok()) << profile.status();
    EXPECT_EQ(profile->forward_cost, Execute(model, FullMask(*profile)).forward_flops) << model.name;
  }
}

TEST(ProfileTest, FindsResidualBlocksAndNamesThem) {
  const auto blocks = [](const Model& model) {
    auto profile = Profile(model.loss(), model.parameters);
    return profile.ok() ? profile->blocks : std::vector<std::string>{profile.status().ToString()};
  };
  EXPECT_THAT(blocks(testing::Gpt()), ElementsAre("h.0.attn", "h.0.mlp", "h.1.attn", "h.1.mlp"));
  EXPECT_THAT(blocks(testing::Llama()), ElementsAre("model.layers.0.self_attn", "model.layers.0.mlp",
                                                    "model.layers.1.self_attn", "model.layers.1.mlp"));
  EXPECT_THAT(blocks(testing::ParallelResidual()), ElementsAre("gpt_neox.layers.0.attention", "gpt_neox.layers.0.mlp",
                                                               "gpt_neox.layers.1.attention", "gpt_neox.layers.1.mlp"));
  EXPECT_THAT(blocks(testing::EncoderDecoder()),
              ElementsAre("encoder.block.0.SelfAttention", "encoder.block.0.1", "encoder.block.1.SelfAttention",
                          "encoder.block.1.1", "decoder.block.0.SelfAttention", "decoder.block.0.EncDecAttention",
                          "decoder.block.0.2", "decoder.block.1.SelfAttention", "decoder.block.1.EncDecAttention",
                          "decoder.block.1.2"));
  EXPECT_THAT(blocks(testing::Mlp()), IsEmpty());
  EXPECT_THAT(blocks(testing::LstmCell()), IsEmpty());
}

TEST(ProfileTest, ABlockCostsWhatItsBranchExecutes) {
  const at::Tensor in = Parameter({7, 5}), up = Parameter({11, 7}), down = Parameter({7, 11});
  const at::Tensor x = Randn({3, 5});
  const auto loss = [&](bool drop) {
    const at::Tensor stream = at::linear(x, in);
    const at::Tensor branch = at::linear(at::relu(at::linear(at::tanh(stream), up)), down);
    return (stream + (drop ? branch.detach() : branch)).pow(2).sum();
  };
  const auto executed = [&](bool drop) {
    const ExecutedFlopsCounter counter;
    loss(drop).backward();
    return counter.backward_flops();
  };
  const auto profile = Profile(loss(false), {{"in", in}, {"mlp.up", up}, {"mlp.down", down}});
  ASSERT_TRUE(profile.ok()) << profile.status();
  ASSERT_THAT(profile->blocks, ElementsAre("mlp"));
  EXPECT_EQ(BlockCosts(*profile, FullMask(*profile))[0], executed(false) - executed(true));
}

TEST(ProfileTest, TakesBlocksMarkedByHand) {
  const at::Tensor first = Parameter({7, 5}), second = Parameter({2, 7});
  const at::Tensor hidden = at::linear(Randn({3, 5}), first), loss = at::linear(hidden, second).sum();
  const NamedParameters parameters = {{"first", first}, {"second", second}};
  const auto profile = Profile(loss, parameters, {.frozen = {}, .blocks = {{"encoder", hidden}}, .resident = {}});
  ASSERT_TRUE(profile.ok()) << profile.status();
  ASSERT_THAT(profile->blocks, ElementsAre("encoder"));
  EXPECT_EQ(profile->ops[profile->tensors[0].op].block, 0);
  EXPECT_EQ(profile->ops[profile->tensors[1].op].block, kNone);
  const auto outside =
      Profile(loss, parameters, {.frozen = {}, .blocks = {{"encoder", at::relu(hidden)}}, .resident = {}});
  ExpectStatus(outside.status(), absl::StatusCode::kInvalidArgument, "the output of block encoder");
}

TEST(ProfileTest, TiedTensorHangsOnAnOpOfItsOwnThatEveryUseFeeds) {
  const at::Tensor embedding = Parameter({11, 5}), tokens = at::randint(11, {3}, at::kLong).to(testing::TestDevice());
  const at::Tensor logits = at::linear(at::embedding(embedding, tokens), embedding);
  const auto profile = Profile(logits.sum(), {{"wte", embedding}, {"lm_head", embedding}});
  ASSERT_TRUE(profile.ok()) << profile.status();
  ASSERT_EQ(profile->tensors.size(), 1);
  const Tensor& tensor = profile->tensors[0];
  EXPECT_EQ(tensor.name, "wte");
  EXPECT_EQ(tensor.weight_grad_cost, 0);
  ASSERT_NE(tensor.op, kNone);
  EXPECT_EQ(profile->ops[tensor.op].cost, 0);
  EXPECT_TRUE(profile->ops[tensor.op].inputs.empty());
  EXPECT_EQ(EvaluateMask(*profile, {true}).backward_cost, 2 * (2 * 3 * 5 * 11));
}

TEST(ProfileTest, UntiedTensorHasItsWeightGradientCost) {
  const at::Tensor weight = Parameter({7, 5}), bias = Parameter({7}), unused = Parameter({2});
  const at::Tensor loss = at::linear(Randn({3, 5}), weight, bias).sum();
  const auto profile = Profile(loss, {{"weight", weight}, {"bias", bias}, {"unused", unused}});
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(profile->tensors[0].weight_grad_cost, 2 * 3 * 5 * 7);
  EXPECT_EQ(profile->tensors[1].weight_grad_cost, 0);
  EXPECT_EQ(profile->tensors[2].op, kNone);
  EXPECT_EQ(profile->tensors[0].shape, (std::vector<int64_t>{7, 5}));
  EXPECT_EQ(profile->forward_cost, 2 * 3 * 5 * 7);
}

TEST(ProfileTest, FrozenParameterIsListedWithoutOp) {
  const Model model = testing::LowRankAdapters();
  const auto profile = Profile(model.loss(), model.parameters);
  ASSERT_TRUE(profile.ok()) << profile.status();
  for (const Tensor& tensor : profile->tensors) {
    EXPECT_EQ(tensor.op == kNone, tensor.name.find("base_layer") != std::string::npos) << tensor.name;
  }
}

TEST(ProfileTest, FusedAttentionIsOneOpOfFiveProducts) {
  const at::Tensor query = Parameter({1, 2, 3, 8}), key = Parameter({1, 2, 5, 8}), value = Parameter({1, 2, 5, 8});
  const at::Tensor loss = at::scaled_dot_product_attention(query, key, value).sum();
  const auto profile = Profile(loss, {{"query", query}, {"key", key}, {"value", value}});
  ASSERT_TRUE(profile.ok()) << profile.status();
  for (int tensor = 0; tensor < 3; ++tensor) {
    std::vector<bool> mask(3, false);
    mask[tensor] = true;
    EXPECT_EQ(EvaluateMask(*profile, mask).backward_cost, 5 * (2 * 2 * 3 * 5 * 8));
  }
}

struct Doubled : torch::autograd::Function<Doubled> {
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& x) { return x * 2; }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list gradients) {
    return {gradients[0] * 2};
  }
};

TEST(ProfileTest, RefusesACustomFunctionByName) {
  const at::Tensor weight = Parameter({3});
  ExpectStatus(Profile(Doubled::apply(weight).sum(), {{"weight", weight}}).status(), absl::StatusCode::kUnimplemented,
               "Doubled");
}

TEST(ProfileTest, RefusesLinearAlgebraWithoutARuleByName) {
  const at::Tensor weight = Parameter({3, 3});
  ExpectStatus(Profile(at::linalg_inv(weight).sum(), {{"weight", weight}}).status(), absl::StatusCode::kUnimplemented,
               "LinalgInvExBackward0");
}

TEST(ProfileTest, RefusesAProductWrittenIntoAView) {
  const at::Tensor weight = Parameter({3, 3}), target = at::zeros({2, 3, 3}, testing::TestDevice());
  target.select(0, 1).addmm_(weight, weight);
  ExpectStatus(Profile(target.sum(), {{"weight", weight}}).status(), absl::StatusCode::kUnimplemented,
               "CopySlices (AddmmBackward0)");
}

TEST(ProfileTest, RefusesALossThatDoesNotRequireGrad) {
  const at::Tensor weight = Randn({3});
  ExpectStatus(Profile(weight.sum(), {{"weight", weight}}).status(), absl::StatusCode::kInvalidArgument,
               "loss does not require grad");
  ExpectStatus(Profile(at::Tensor(), {{"weight", weight}}).status(), absl::StatusCode::kInvalidArgument,
               "loss is not defined");
  ExpectStatus(Profile(Parameter({}), {{"weight", weight}}).status(), absl::StatusCode::kInvalidArgument,
               "loss is a leaf tensor");
}

TEST(ProfileTest, RefusesALeafThatIsNotAParameter) {
  const at::Tensor weight = Parameter({3}), input = Parameter({2, 3});
  ExpectStatus(Profile((weight * input).sum(), {{"weight", weight}}).status(), absl::StatusCode::kInvalidArgument,
               "shape [2, 3] that requires grad and is not among the parameters");
}

TEST(ProfileTest, RefusesParametersThatAreNotLeaves) {
  const at::Tensor weight = Parameter({3}), doubled = weight * 2;
  ExpectStatus(Profile(doubled.sum(), {{"doubled", doubled}}).status(), absl::StatusCode::kInvalidArgument,
               "parameter doubled");
  ExpectStatus(Profile(doubled.sum(), {{"missing", at::Tensor()}}).status(), absl::StatusCode::kInvalidArgument,
               "parameter missing is not defined");
  ExpectStatus(Profile(doubled.sum(), {{"weight", weight}, {"weight", Parameter({3})}}).status(),
               absl::StatusCode::kInvalidArgument, "parameter weight is listed twice");
}

TEST(ProfileTest, RefusesCostsBeyondTheLimit) {
  const auto options = at::device(at::kMeta).dtype(at::kFloat);
  const at::Tensor left = at::empty({int64_t{1} << 22, int64_t{1} << 20}, options).set_requires_grad(true);
  const at::Tensor right = at::empty({int64_t{1} << 20, int64_t{1} << 20}, options).set_requires_grad(true);
  ExpectStatus(Profile(at::mm(left, right).sum(), {{"left", left}, {"right", right}}).status(),
               absl::StatusCode::kInvalidArgument, "2^62");
}

}  // namespace
}  // namespace greenplan::profiler
