#include "profiler/analytic/graph.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"

namespace greenplan::profiler {
namespace {

using testing::ElementsAre;

constexpr int64_t kLossBytes = 4 + 8 + 4;  // Of one logit.

ModelProfile MustFinish(Graph& graph, const Value& logits) {
  const absl::StatusOr<ModelProfile> profile = graph.Finish(logits);
  EXPECT_TRUE(profile.ok()) << profile.status();
  return profile.value_or(ModelProfile());
}

TEST(SaturatingTest, StaysAtTheLimitAndIsExactBelow) {
  EXPECT_EQ(SaturatingProduct({3, 5, 7}), 105);
  EXPECT_EQ(SaturatingProduct({int64_t{1} << 31, int64_t{1} << 31}), kMaxCost);
  EXPECT_GT(SaturatingProduct({int64_t{1} << 31, int64_t{1} << 31, 2}), kMaxCost);
  EXPECT_GT(SaturatingProduct({int64_t{1} << 62, int64_t{1} << 62, int64_t{1} << 62}), kMaxCost);
  EXPECT_EQ(SaturatingProduct({int64_t{1} << 62, int64_t{1} << 62, 0}), 0);
  EXPECT_EQ(SaturatingSum(kMaxCost - 1, 1), kMaxCost);
  EXPECT_GT(SaturatingSum(kMaxCost, 1), kMaxCost);
  EXPECT_GT(SaturatingSum(SaturatingSum(kMaxCost, kMaxCost), kMaxCost), kMaxCost);
}

TEST(GraphTest, AParameterWithOneUserHangsOnIt) {
  Graph graph({});
  const Parameter weight = graph.AddParameter("weight", {2, 3});
  const int op = graph.AddOp("linear", 0, {{weight.op, 42}});
  const ModelProfile profile = MustFinish(graph, graph.NewValue(op, 1, 1));
  ASSERT_EQ(profile.ops.size(), 2);
  EXPECT_EQ(profile.ops[0].name, "loss");
  EXPECT_EQ(profile.ops[1].name, "linear");
  EXPECT_EQ(profile.tensors[0].op, 1);
  EXPECT_EQ(profile.tensors[0].weight_grad_cost, 42);
}

TEST(GraphTest, NamesOfAModelWithinAnotherAreRenamedByTheirFirstPrefix) {
  Graph graph({});
  graph.RenamePrefix("model.", "model.text.");
  graph.RenamePrefix("lm_head", "text.lm_head");
  const Parameter embedding = graph.AddParameter("model.embed", {2, 3});
  const Parameter head = graph.AddParameter("lm_head.weight", {2, 3});
  graph.OpenBlock("model.block");
  const int op = graph.AddOp("model.op", 1, {{embedding.op, 1}, {head.op, 1}});
  const ModelProfile profile = MustFinish(graph, graph.NewValue(op, 1, 1));
  EXPECT_EQ(profile.tensors[0].name, "model.text.embed");
  EXPECT_EQ(profile.tensors[1].name, "text.lm_head.weight");
  EXPECT_EQ(profile.ops[1].name, "model.text.op");
  EXPECT_THAT(profile.blocks, ElementsAre("model.text.block"));
}

TEST(GraphTest, ALossThatIsASumKeepsNothing) {
  Graph graph({});
  const Parameter weight = graph.AddParameter("weight", {2});
  const int op = graph.AddOp("op", 0, {{weight.op, 3}});
  const absl::StatusOr<ModelProfile> profile = graph.Finish(graph.NewValue(op, 5, 7), Loss::kSum);
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(EvaluateMask(*profile, {true}).saved_bytes, 0);
  EXPECT_EQ(EvaluateMask(*profile, {true}).backward_cost, 3);
}

TEST(GraphTest, AParameterWithSeveralUsersHangsOnAnOpOfItsOwn) {
  Graph graph({});
  const Parameter weight = graph.AddParameter("weight", {2});
  const int first = graph.AddOp("first", 0, {{weight.op, 5}});
  const int second = graph.AddOp("second", 0, {{first, 0}, {weight.op, 7}});
  const ModelProfile profile = MustFinish(graph, graph.NewValue(second, 1, 1));
  EXPECT_EQ(profile.tensors[0].op, 3);
  EXPECT_EQ(profile.tensors[0].weight_grad_cost, 0);
  EXPECT_EQ(EvaluateMask(profile, {true}).backward_cost, 12);
}

TEST(GraphTest, WhatTheLossDoesNotReachHasNoOp) {
  Graph graph({});
  const Parameter unused = graph.AddParameter("unused", {2});
  const Parameter weight = graph.AddParameter("weight", {2});
  graph.AddOp("aside", 9, {{unused.op, 5}});
  const int op = graph.AddOp("linear", 0, {{weight.op, 7}});
  const ModelProfile profile = MustFinish(graph, graph.NewValue(op, 1, 1));
  EXPECT_EQ(profile.tensors[0].op, kNone);
  EXPECT_EQ(profile.tensors[0].weight_grad_cost, 0);
  EXPECT_EQ(profile.ops.size(), 2);
}

TEST(GraphTest, AnOpThatReachesNoParameterIsNone) {
  Graph graph({});
  EXPECT_EQ(graph.AddOp("constant", 5, {{kNone, 7}}), kNone);
}

TEST(GraphTest, ParallelEdgesAddUp) {
  Graph graph({});
  const Parameter weight = graph.AddParameter("weight", {2});
  const int joint = graph.AddOp("joint", 0, {{weight.op, 1}});
  const int product = graph.AddOp("product", 0, {{joint, 10}, {joint, 100}});
  const ModelProfile profile = MustFinish(graph, graph.NewValue(product, 1, 1));
  ASSERT_EQ(profile.ops[1].inputs.size(), 1);
  EXPECT_EQ(profile.ops[1].inputs[0].cost, 110);
}

TEST(GraphTest, AFreeJoinWithOneConsumerIsFoldedIntoItUnlessABlockEndsThere) {
  for (const bool block : {false, true}) {
    Graph graph({});
    const Parameter a = graph.AddParameter("a", {1});
    const Parameter b = graph.AddParameter("b", {1});
    if (block) graph.OpenBlock("block");
    const int left = graph.AddOp("left", 0, {{a.op, 1}});
    const int right = graph.AddOp("right", 0, {{b.op, 1}});
    const int join = graph.AddOp("join", 0, {{left, 0}, {right, 0}});
    graph.CloseBlock();
    const int norm = graph.AddOp("norm", 3, {{join, 0}});
    const ModelProfile profile = MustFinish(graph, graph.NewValue(norm, 1, 1));
    EXPECT_EQ(profile.ops.size(), block ? 5 : 4);
    EXPECT_EQ(EvaluateMask(profile, {true, false}).backward_cost, 4);
  }
}

TEST(GraphTest, StorageKeptByOneOpIsBookedOnIt) {
  Graph graph({.bytes_per_element = 2});
  const Parameter weight = graph.AddParameter("weight", {1});
  const int op = graph.AddOp("norm", 0, {{weight.op, 0}});
  const Value input = graph.NewValue(kNone, 3, 5);
  graph.Keep(input.storage, op);
  graph.Keep(input.storage, weight.op);  // Adds nothing: the norm is live whenever its weight is trained.
  const ModelProfile profile = MustFinish(graph, graph.NewValue(op, 1, 10));
  EXPECT_EQ(profile.ops[1].saved_bytes, 3 * 5 * 2);
  EXPECT_EQ(profile.tensors[0].saved_bytes, 0);
  EXPECT_EQ(profile.ops[0].saved_bytes, 1 * 10 * 4 + 1 * 8 + 4) << "log-softmax in float32, labels, their weight";
}

TEST(GraphTest, StorageKeptByAWeightAloneIsBookedOnTheTensor) {
  Graph graph({});
  const Parameter weight = graph.AddParameter("weight", {1});
  const Parameter bias = graph.AddParameter("bias", {1});
  const int op = graph.AddOp("linear", 0, {{weight.op, 0}, {bias.op, 0}});
  graph.Keep(graph.NewValue(kNone, 3, 5).storage, weight.op);
  const ModelProfile profile = MustFinish(graph, graph.NewValue(op, 1, 1));
  EXPECT_EQ(profile.tensors[0].saved_bytes, 60);
  EXPECT_EQ(EvaluateMask(profile, {false, true}).saved_bytes, kLossBytes) << "the bias needs no input";
}

TEST(GraphTest, StorageKeptForSeveralCountsOnce) {
  Graph graph({});
  const Parameter q = graph.AddParameter("q", {1});
  const Parameter k = graph.AddParameter("k", {1});
  const Value input = graph.NewValue(kNone, 3, 5);
  graph.Keep(input.storage, q.op);
  graph.Keep(input.storage, k.op);
  const int q_op = graph.AddOp("q", 0, {{q.op, 6}});
  const int k_op = graph.AddOp("k", 0, {{k.op, 6}});
  const int scores = graph.AddOp("scores", 0, {{q_op, 1}, {k_op, 1}});
  const ModelProfile profile = MustFinish(graph, graph.NewValue(scores, 1, 1));
  EXPECT_EQ(EvaluateMask(profile, {true, true}).saved_bytes, kLossBytes + 60);
  EXPECT_EQ(EvaluateMask(profile, {true, false}).saved_bytes, kLossBytes + 60);
  EXPECT_EQ(EvaluateMask(profile, {false, false}).saved_bytes, 0);
  EXPECT_EQ(EvaluateMask(profile, {true, true}).backward_cost, 14);
}

TEST(GraphTest, WhatOneBlockKeepsBelongsToIt) {
  Graph graph({});
  const Parameter q = graph.AddParameter("q", {1});
  const Parameter k = graph.AddParameter("k", {1});
  graph.OpenBlock("attention");
  const Value input = graph.NewValue(kNone, 3, 5);
  graph.Keep(input.storage, q.op);
  graph.Keep(input.storage, k.op);
  const int scores =
      graph.AddOp("scores", 0, {{graph.AddOp("q", 0, {{q.op, 6}}), 1}, {graph.AddOp("k", 0, {{k.op, 6}}), 1}});
  graph.CloseBlock();
  const ModelProfile profile = MustFinish(graph, graph.NewValue(scores, 1, 1));
  EXPECT_THAT(profile.blocks, ElementsAre("attention"));
  for (size_t i = 1; i < profile.ops.size(); ++i) EXPECT_EQ(profile.ops[i].block, 0) << profile.ops[i].name;
  EXPECT_EQ(profile.ops[0].block, kNone);
}

TEST(GraphTest, RefusesCostsAndBytesAboveTheLimit) {
  {
    Graph graph({.batch_size = 7});
    const Parameter weight = graph.AddParameter("weight", {1});
    const int op = graph.AddOp("linear", kMaxCost, {{weight.op, 1}});
    const absl::Status status = graph.Finish(graph.NewValue(op, 1, 1)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), "this model at batch_size 7 has a step of more than 2^62 FLOPs");
  }
  {
    Graph graph({.batch_size = 7});
    const Parameter weight = graph.AddParameter("weight", {1});
    const int op = graph.AddOp("linear", 0, {{weight.op, 1}});
    const absl::Status status = graph.Finish(graph.NewValue(op, int64_t{1} << 61, 1)).status();
    EXPECT_EQ(status.message(), "this model at batch_size 7 has a step of more than 2^62 saved bytes");
  }
}

TEST(GraphTest, RefusesALossThatNeedsNoGradient) {
  Graph graph({});
  const absl::Status status = graph.Finish(graph.NewValue(kNone, 1, 1)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "no trainable tensor reaches the loss");
}

}  // namespace
}  // namespace greenplan::profiler
