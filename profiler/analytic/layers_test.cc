#include "profiler/analytic/layers.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"

namespace greenplan::profiler {
namespace {

using testing::ElementsAre;

ModelProfile MustFinish(Graph& graph, const Value& logits) {
  const absl::StatusOr<ModelProfile> profile = graph.Finish(logits);
  EXPECT_TRUE(profile.ok()) << profile.status();
  return profile.value_or(ModelProfile());
}

int64_t Backward(const ModelProfile& profile, const std::vector<bool>& trainable) {
  return EvaluateMask(profile, trainable).backward_cost;
}

TEST(LinearTest, PaysForItsWeightAndForWhatLiesBelow) {
  Graph graph({});
  const Embedding embedding(graph, "embedding", 11, 3);
  const Linear linear(graph, "linear", 3, 5);
  const ModelProfile profile = MustFinish(graph, linear(embedding(7)));
  const int64_t product = 2 * 7 * 3 * 5;
  EXPECT_EQ(profile.forward_cost, product);
  EXPECT_EQ(Backward(profile, {true, false, false}), product) << "the embedding, through the input's gradient";
  EXPECT_EQ(Backward(profile, {false, true, false}), product) << "the weight";
  EXPECT_EQ(Backward(profile, {false, false, true}), 0) << "the bias";
  EXPECT_EQ(Backward(profile, {true, true, true}), 2 * product);
  EXPECT_THAT(profile.tensors[1].shape, ElementsAre(5, 3));
}

TEST(LinearTest, StoresItsWeightTransposedOnRequest) {
  Graph graph({});
  const Linear linear(graph, "c_attn", 3, 5, {.bias = false, .transposed = true});
  const ModelProfile profile = MustFinish(graph, linear(graph.NewValue(kNone, 7, 3)));
  ASSERT_EQ(profile.tensors.size(), 1);
  EXPECT_THAT(profile.tensors[0].shape, ElementsAre(3, 5));
}

TEST(LinearTest, AnAdapterAddsTwoThinProducts) {
  Graph graph({.lora_rank = 2});
  const Linear below(graph, "below", 3, 3, {.bias = false});
  const Linear linear(graph, "linear", 3, 5, {.bias = false});
  const ModelProfile profile = MustFinish(graph, linear(below(graph.NewValue(kNone, 7, 3))));
  ASSERT_EQ(profile.tensors.size(), 6);  // weight, A, B of each.
  EXPECT_EQ(profile.tensors[3].op, kNone);
  const int64_t base = 2 * 7 * 3 * 5, a = 2 * 7 * 3 * 2, b = 2 * 7 * 2 * 5;
  EXPECT_EQ(Backward(profile, {false, false, false, false, false, true}), b);
  EXPECT_EQ(Backward(profile, {false, false, false, false, true, false}), b + a);
  const int64_t b_below = 2 * 7 * 2 * 3;
  EXPECT_EQ(Backward(profile, {false, false, true, false, false, false}), base + b + a + b_below);
}

TEST(EmbeddingTest, CostsNothing) {
  Graph graph({});
  const ModelProfile profile = MustFinish(graph, Embedding(graph, "embedding", 11, 3)(7));
  EXPECT_EQ(profile.forward_cost, 0);
  EXPECT_EQ(Backward(profile, {true}), 0);
  EXPECT_EQ(profile.tensors[0].saved_bytes, 7 * 8) << "the indices";
}

TEST(LayerNormTest, IsOneOpThatKeepsItsInputAndHasNoTensorsUnlessAffine) {
  for (const bool affine : {false, true}) {
    Graph graph({});
    const Embedding embedding(graph, "embedding", 11, 3);
    const ModelProfile profile =
        MustFinish(graph, LayerNorm(graph, "norm", 3, {.weight = affine, .bias = affine})(embedding(7)));
    EXPECT_EQ(profile.tensors.size(), affine ? 3 : 1);
    EXPECT_EQ(profile.ops[1].saved_bytes, 7 * 3 * 4 + 2 * 7 * 4);
  }
}

TEST(RmsNormTest, KeepsItsInputForWhatLiesBelowAndTheNormalizedForItsWeight) {
  Graph graph({});
  const Embedding embedding(graph, "embedding", 11, 3);
  const ModelProfile profile = MustFinish(graph, RmsNorm(graph, "norm", 3)(embedding(7)));
  const int64_t loss = 7 * (3 * 4 + 8) + 4, activation = 7 * 3 * 4, statistics = 7 * 4, indices = 7 * 8;
  EXPECT_EQ(EvaluateMask(profile, {false, true}).saved_bytes, loss + activation);
  EXPECT_EQ(EvaluateMask(profile, {true, false}).saved_bytes, loss + activation + statistics + indices);
}

TEST(ConvolutionTest, PaysForTheInputOnlyIfThatNeedsAGradient) {
  Graph graph({});
  const Convolution first(graph, "first", 3, 4, {2, 2});
  const Convolution second(graph, "second", 4, 5, {3});
  const Value pixels = graph.NewValue(kNone, 100, 3);
  const ModelProfile profile = MustFinish(graph, second(first(pixels, 25), 10));
  const int64_t first_flops = 2 * 25 * 4 * 3 * 4, second_flops = 2 * 10 * 3 * 4 * 5;
  EXPECT_EQ(profile.forward_cost, first_flops + second_flops);
  EXPECT_EQ(Backward(profile, {true, true, true, true}), first_flops + 2 * second_flops);
  EXPECT_THAT(profile.tensors[0].shape, ElementsAre(4, 3, 2, 2));
  EXPECT_THAT(profile.tensors[2].shape, ElementsAre(5, 4, 3));
}

TEST(ActivationTest, KeepsWhatItsFormulaNeeds) {
  const auto kept = [](const std::string& name) {
    Graph graph({});
    const Linear linear(graph, "linear", 1, 1, {.bias = false});
    const Value y = Activation(graph, name, linear(graph.NewValue(kNone, 10, 1)));
    const ModelProfile profile = MustFinish(graph, y);
    return profile.ops[1].saved_bytes / (10 * 4);
  };
  EXPECT_EQ(kept("relu"), 1);
  EXPECT_EQ(kept("silu"), 1);
  EXPECT_EQ(kept("gelu_new"), 4);
}

TEST(AddTest, NeedsNoOpNextToAConstant) {
  Graph graph({});
  const Value x = Embedding(graph, "embedding", 11, 3)(7);
  const Value constant = graph.NewValue(kNone, 7, 3);
  EXPECT_EQ(Add(graph, "add", x, constant).op, x.op);
  EXPECT_EQ(Add(graph, "add", constant, x).op, x.op);
  EXPECT_EQ(Add(graph, "add", constant, constant).op, kNone);
  EXPECT_NE(Add(graph, "add", x, x).op, x.op);
}

// Queries, keys and values from an embedding each.
ModelProfile Attention(profiler::Attention attention, const AttentionShape& shape) {
  Graph graph({.attention = attention});
  const int64_t query_rows = shape.batch * shape.query_length, key_rows = shape.batch * shape.key_length;
  const Embedding q(graph, "q", 9, shape.heads * shape.head_width);
  const Embedding k(graph, "k", 9, shape.kv_heads * shape.head_width);
  const Embedding v(graph, "v", 9, shape.kv_heads * shape.value_head_width);
  return MustFinish(graph, Attend(graph, "attention", q(query_rows), k(key_rows), v(key_rows), shape));
}

TEST(AttendTest, EagerAndFusedCountProductsOfTheirOwnWidths) {
  const AttentionShape shape = {.batch = 2,
                                .heads = 4,
                                .kv_heads = 2,
                                .query_length = 3,
                                .key_length = 5,
                                .head_width = 7,
                                .value_head_width = 11};
  const int64_t scores = 2 * 2 * 4 * 3 * 5 * 7, values = 2 * 2 * 4 * 3 * 5 * 11;
  const ModelProfile eager = Attention(profiler::Attention::kEager, shape);
  EXPECT_EQ(eager.forward_cost, scores + values);
  EXPECT_EQ(Backward(eager, {false, false, true}), values);
  EXPECT_EQ(Backward(eager, {true, false, false}), values + scores);
  EXPECT_EQ(Backward(eager, {true, true, true}), 2 * values + 2 * scores);
  const ModelProfile fused = Attention(profiler::Attention::kSdpa, shape);
  EXPECT_EQ(fused.forward_cost, scores + values);
  for (const std::vector<bool>& mask :
       {std::vector<bool>{false, false, true}, {true, false, false}, {true, true, true}}) {
    EXPECT_EQ(Backward(fused, mask), 2 * values + 3 * scores);
  }
}

TEST(ResidualTest, OpsOfTheBranchAreInItsBlock) {
  Graph graph({});
  const Embedding embedding(graph, "embedding", 11, 3);
  const Linear linear(graph, "linear", 3, 3);
  const Linear head(graph, "head", 3, 2);
  const ModelProfile profile =
      MustFinish(graph, head(Residual(graph, "branch", embedding(7), [&](const Value& x) { return linear(x); })));
  EXPECT_THAT(profile.blocks, ElementsAre("branch"));
  const int64_t product = 2 * 7 * 3 * 3;
  EXPECT_THAT(BlockCosts(profile, {true, true, true, true, true}), ElementsAre(2 * product));
  EXPECT_THAT(BlockCosts(profile, {false, true, false, true, true}), ElementsAre(product));
}

TEST(RowsTest, RowsAreCutIntoPartsAndJoinedAgain) {
  Graph graph({});
  const Value x = graph.NewValue(kNone, 6, 8);
  const Value parts = SplitRows(x, 4);
  EXPECT_EQ(parts.rows, 24);
  EXPECT_EQ(parts.width, 2);
  EXPECT_EQ(parts.storage, x.storage);
  const Value joined = JoinRows(parts, 4);
  EXPECT_EQ(joined.rows, 6);
  EXPECT_EQ(joined.width, 8);
}

TEST(AttendTest, SharedKeysAreCopiedForEachHeadWhereTheFusedKernelCannotShareThem) {
  const auto saved_bytes = [](bool masked, int64_t head_width) {
    Graph graph({});
    const int64_t heads = 4, tokens = 8;
    const Linear q(graph, "q", 1, heads * head_width, {.bias = false});
    const Linear k(graph, "k", 1, head_width, {.bias = false});
    const Value x = graph.NewValue(kNone, tokens, 1);
    const Value keys = k(x);
    const AttentionShape shape = {.batch = 1,
                                  .heads = heads,
                                  .kv_heads = 1,
                                  .query_length = tokens,
                                  .key_length = tokens,
                                  .head_width = head_width,
                                  .value_head_width = head_width,
                                  .masked = masked};
    const ModelProfile profile = MustFinish(graph, Attend(graph, "attention", q(x), keys, keys, shape));
    return EvaluateMask(profile, FullMask(profile)).saved_bytes;
  };
  const int64_t shared = 8 * 64 * 4, copied = 4 * shared;
  EXPECT_EQ(saved_bytes(true, 64) - saved_bytes(false, 64), 2 * copied - shared) << "keys and values were one storage";
  EXPECT_EQ(saved_bytes(true, 512), saved_bytes(false, 512)) << "too wide a head to be shared at all";
}

}  // namespace
}  // namespace greenplan::profiler
