#include "profiler/analytic/chain_arrays.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "planner/core/cost.h"

namespace greenplan::profiler {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json Arrays() {
  return {{"model", "chain"},     {"order", "output_first"},    {"names", {"head", "middle", "deep"}},
          {"t_dy", {100, 20, 3}}, {"t_dw", {1000, 4000, 7000}}, {"forward_cost", 50000}};
}

ModelProfile MustImport(const json& arrays, OwnDx own_dx) {
  const absl::StatusOr<ModelProfile> profile = ImportChainArrays(arrays, own_dx);
  EXPECT_TRUE(profile.ok()) << profile.status();
  return profile.value_or(ModelProfile());
}

// trainable: in forward order (deep, middle, head).
int64_t Backward(const ModelProfile& profile, const std::vector<bool>& trainable) {
  return EvaluateMask(profile, trainable).backward_cost;
}

TEST(ImportChainArraysTest, SeedChargesTheDeepestTensorsOwnDx) {
  const ModelProfile profile = MustImport(Arrays(), OwnDx::kSeed);
  EXPECT_EQ(Backward(profile, {false, false, true}), 1000 + 100);
  EXPECT_EQ(Backward(profile, {false, true, false}), 4000 + 100 + 20);
  EXPECT_EQ(Backward(profile, {true, false, true}), 7000 + 1000 + 100 + 20 + 3);
}

TEST(ImportChainArraysTest, AutogradChargesDxOnlyOnTheWayToTheDeepestTensor) {
  const ModelProfile profile = MustImport(Arrays(), OwnDx::kAutograd);
  EXPECT_EQ(Backward(profile, {false, false, true}), 1000);
  EXPECT_EQ(Backward(profile, {false, true, false}), 4000 + 100);
  EXPECT_EQ(Backward(profile, {true, false, true}), 7000 + 1000 + 100 + 20);
}

TEST(ImportChainArraysTest, TensorsAreInForwardOrderWhateverTheArraysSay) {
  json forward = Arrays();
  forward["order"] = "forward";
  forward["names"] = {"deep", "middle", "head"};
  forward["t_dy"] = {3, 20, 100};
  forward["t_dw"] = {7000, 4000, 1000};
  for (const json& arrays : {Arrays(), forward}) {
    const ModelProfile profile = MustImport(arrays, OwnDx::kSeed);
    ASSERT_EQ(profile.tensors.size(), 3);
    EXPECT_EQ(profile.tensors[0].name, "deep");
    EXPECT_EQ(profile.tensors[2].name, "head");
    EXPECT_EQ(profile.tensors[2].op, 1);
    EXPECT_EQ(Backward(profile, {true, false, true}), 8123);
    EXPECT_EQ(profile.forward_cost, 50000);
    EXPECT_EQ(profile.model, "chain");
  }
}

TEST(ImportChainArraysTest, ReadsShapesUnitAndTheShortNameOfTheForwardCost) {
  json arrays = Arrays();
  arrays.erase("forward_cost");
  arrays["t_fp"] = 5e4;
  arrays["shapes"] = {{10, 4}, {4}, json::array()};
  arrays["cost_unit"] = "COST_UNIT_NANOSECONDS";
  const ModelProfile profile = MustImport(arrays, OwnDx::kSeed);
  EXPECT_EQ(profile.forward_cost, 50000);
  EXPECT_EQ(profile.cost_unit, CostUnit::kNanoseconds);
  EXPECT_THAT(profile.tensors[2].shape, ElementsAre(10, 4));
  EXPECT_THAT(profile.tensors[0].shape, ElementsAre());
}

TEST(ImportChainArraysTest, RefusesByNamingKeyAndIndex) {
  struct Refusal {
    const char* key;
    json value;
    const char* message;
  };
  const int64_t most = int64_t{1} << 62;
  const std::vector<Refusal> refusals = {
      {"names", nullptr, "names is not an array"},
      {"names", json::array(), "names is not an array of at least one name"},
      {"names", {"a", "b", "a"}, "names[2] is \"a\" again; names must be unique"},
      {"names", {"a", "", "c"}, "names[1] is \"\"; a name is needed"},
      {"t_dy", {1, 2}, "t_dy has 2 entries, names has 3"},
      {"t_dy", {1, -2, 3}, "t_dy[1] is -2; costs are whole numbers in [0, 2^62]"},
      {"t_dw", {1, 2.5, 3}, "t_dw[1] is 2.5; costs are whole numbers"},
      {"t_dw", {1, "2", 3}, "t_dw[1] is \"2\"; costs are whole numbers"},
      {"t_dw", {1, 18446744073709551615ull, 3}, "t_dw[1] is 18446744073709551615; costs"},
      {"t_dw", {most, 1, 0}, "forward_cost + t_dy + t_dw exceeds 2^62"},
      {"shapes", {{1}, {2}}, "shapes has 2 entries"},
      {"shapes", {{1}, {-2}, {3}}, "shapes[1] holds -2; sizes are whole numbers >= 0"},
      {"order", "backward", "order is \"backward\"; allowed: output_first, forward"},
      {"cost_unit", "FLOPS", "cost_unit is \"FLOPS\"; allowed: COST_UNIT_FLOPS"},
      {"model", 7, "model is not a string"},
      {"t_fp", 1, "forward_cost and t_fp are both given"},
      {"t_dx", {1, 2, 3}, "t_dx is not a known key"},
  };
  for (const Refusal& refusal : refusals) {
    json arrays = Arrays();
    arrays[refusal.key] = refusal.value;
    const absl::Status status = ImportChainArrays(arrays, OwnDx::kSeed).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << refusal.message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(refusal.message));
  }
  EXPECT_EQ(ImportChainArrays(json::array(), OwnDx::kSeed).status().message(), "the arrays are not a JSON object");
}

TEST(ImportChainArraysTest, RefusesAMissingKey) {
  for (const char* key : {"names", "t_dy", "t_dw", "order", "forward_cost"}) {
    json arrays = Arrays();
    arrays.erase(key);
    const absl::Status status = ImportChainArrays(arrays, OwnDx::kSeed).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << key;
    EXPECT_THAT(std::string(status.message()), HasSubstr(key));
    EXPECT_THAT(std::string(status.message()), HasSubstr("is missing"));
  }
}

TEST(ParseOwnDxTest, KnowsBothReadings) {
  EXPECT_EQ(*ParseOwnDx("seed"), OwnDx::kSeed);
  EXPECT_EQ(*ParseOwnDx("autograd"), OwnDx::kAutograd);
  const absl::Status status = ParseOwnDx("torch").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "own-dx is \"torch\"; allowed: seed, autograd");
}

}  // namespace
}  // namespace greenplan::profiler
