#include "profiler/autograd/graph_reading.h"

#include <string>
#include <vector>

#include "ATen/TensorOperators.h"
#include "ATen/ops/mm.h"
#include "ATen/ops/ones.h"
#include "ATen/ops/randn.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::profiler {
namespace {

using ::testing::HasSubstr;

// The loss sum(x @ weight + bias) of a batch x [3, 5], a weight [5, 7] and a bias [7].
struct Model {
  at::Tensor x = at::ones({3, 5});
  at::Tensor weight = at::randn({5, 7}).set_requires_grad(true);
  at::Tensor bias = at::randn({7}).set_requires_grad(true);
  at::Tensor product = at::mm(x, weight);
  at::Tensor loss = (product + bias).sum();
  NamedParameters parameters = {{"fc.weight", weight}, {"fc.bias", bias}};

  absl::StatusOr<GraphReading> Read(const ProfileOptions& options = {}) const {
    return ReadGraph(loss, parameters, options);
  }
};

ProfileOptions Frozen(const std::vector<std::string>& names) {
  ProfileOptions options;
  options.frozen = names;
  return options;
}

void ExpectInvalid(const absl::StatusOr<GraphReading>& reading, const std::string& message) {
  EXPECT_EQ(reading.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(reading.status().message()), HasSubstr(message));
}

TEST(ReadGraphTest, MakesOneOpOfEachNodeAndHangsTensorsOnTheirLeaves) {
  const absl::StatusOr<GraphReading> reading = Model().Read();
  ASSERT_TRUE(reading.ok()) << reading.status();
  const ModelProfile& profile = reading->profile;
  ASSERT_EQ(profile.ops.size(), 5);  // Sum, Add, Mm and two leaves.
  EXPECT_EQ(profile.forward_cost, 2 * 3 * 5 * 7);
  ASSERT_EQ(profile.tensors.size(), 2);
  for (const Tensor& tensor : profile.tensors) {
    ASSERT_NE(tensor.op, kNone) << tensor.name;
    EXPECT_EQ(profile.ops[tensor.op].name, "torch::autograd::AccumulateGrad");
    EXPECT_TRUE(profile.ops[tensor.op].inputs.empty());
    EXPECT_EQ(tensor.weight_grad_cost, 0);
  }
}

TEST(ReadGraphTest, KeepsStoragesThatAreNeitherParametersNorResident) {
  const Model model;
  const absl::StatusOr<GraphReading> reading = model.Read();
  ASSERT_TRUE(reading.ok()) << reading.status();
  ASSERT_EQ(reading->storages.size(), 1);  // The batch, for the gradient of the weight.
  EXPECT_EQ(reading->storages[0].bytes, 3 * 5 * sizeof(float));
  ASSERT_EQ(reading->storages[0].keepers.size(), 1);
  EXPECT_EQ(reading->storages[0].keepers[0], reading->profile.tensors[0].op);

  ProfileOptions options;
  options.resident = {model.x};
  const absl::StatusOr<GraphReading> with_resident_batch = model.Read(options);
  ASSERT_TRUE(with_resident_batch.ok()) << with_resident_batch.status();
  EXPECT_TRUE(with_resident_batch->storages.empty());
}

TEST(ReadGraphTest, RefusesAFrozenNameThatIsNoParameter) {
  ExpectInvalid(Model().Read(Frozen({"fc.scale"})), "options.frozen names fc.scale");
}

TEST(ReadGraphTest, RefusesToFreezeEveryTensor) {
  ExpectInvalid(Model().Read(Frozen({"fc.weight", "fc.bias"})), "none of the parameters that may be trained");
}

TEST(ReadGraphTest, RefusesBlocksThatCannotBeMarked) {
  const Model model;
  const struct {
    std::vector<MarkedBlock> blocks;
    const char* message;
  } cases[] = {
      {{{"", model.product}}, "options.blocks: the name \"\""},
      {{{"a", model.product}, {"a", model.loss}}, "options.blocks: the name \"a\""},
      {{{"a", at::mm(model.x, model.weight)}}, "the output of block a does not lead to the loss"},
      {{{"a", at::Tensor()}}, "the output of block a does not lead to the loss"},
  };
  for (const auto& [blocks, message] : cases) {
    ProfileOptions options;
    options.blocks = blocks;
    ExpectInvalid(model.Read(options), message);
  }
}

TEST(FinishProfileTest, MovesTensorsToTheOpsThatComputeTheirGradientsAndNamesThese) {
  absl::StatusOr<GraphReading> reading = Model().Read();
  ASSERT_TRUE(reading.ok()) << reading.status();
  const ModelProfile profile = FinishProfile(*std::move(reading));
  const Tensor& weight = profile.tensors[0];
  EXPECT_EQ(weight.weight_grad_cost, 2 * 3 * 5 * 7);
  EXPECT_EQ(weight.saved_bytes, 3 * 5 * sizeof(float));
  EXPECT_EQ(profile.ops[weight.op].name, "Mm fc.weight");
  EXPECT_LE(profile.ops.size(), 3);
}

}  // namespace
}  // namespace greenplan::profiler
