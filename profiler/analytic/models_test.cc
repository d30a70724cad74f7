// Holds the analytic profile against what Hugging Face's own modules execute, for every fixture in testdata/models.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "profiler/analytic/analytic.h"
#include "profiler/analytic/fixtures.h"

namespace greenplan::profiler {
namespace {

class ModelsTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    fixture_ = LoadFixture(GetParam());
    absl::StatusOr<ModelProfile> profile = AnalyticProfile(fixture_.config, fixture_.options);
    ASSERT_TRUE(profile.ok()) << profile.status();
    profile_ = *std::move(profile);
  }

  Fixture fixture_;
  ModelProfile profile_;
};

TEST_P(ModelsTest, TensorsAreNamedParametersInTheirOrder) {
  ASSERT_EQ(profile_.tensors.size(), fixture_.tensor_count);
  std::string lines;
  for (size_t k = 0; k < profile_.tensors.size(); ++k) {
    const std::string line = DescribeTensor(profile_.tensors[k]);
    if (!fixture_.parameters.empty()) {
      EXPECT_EQ(line, fixture_.parameters[k]);
    }
    absl::StrAppend(&lines, line, "\n");
  }
  EXPECT_EQ(Fnv1a(lines), fixture_.parameters_digest);
  EXPECT_EQ(ParameterCount(profile_), fixture_.parameter_count);
}

TEST_P(ModelsTest, ForwardCostIsWhatRuns) { EXPECT_EQ(profile_.forward_cost, fixture_.forward_flops); }

TEST_P(ModelsTest, BackwardCostOfEveryMaskIsWhatRuns) {
  ASSERT_GE(fixture_.masks.size(), 20);
  for (size_t m = 0; m < fixture_.masks.size(); ++m) {
    std::vector<bool> trainable = fixture_.masks[m].trainable;
    for (size_t k = 0; k < trainable.size(); ++k) {  // A parameter that no gradient reaches may require grad.
      if (profile_.tensors[k].op == kNone) trainable[k] = false;
    }
    EXPECT_EQ(EvaluateMask(profile_, trainable).backward_cost, fixture_.masks[m].backward_flops) << "mask " << m;
  }
}

TEST_P(ModelsTest, SavedBytesOfEveryMaskAreNearlyWhatIsKept) {
  // The profile leaves out tables of rotations, the bookkeeping of routers, and what a pooler keeps whose output the
  // loss does not use. Next to the activations of full-size models this is nothing; in models of width 48 it shows.
  const double tolerance = fixture_.model.rfind("tiny", 0) == 0 ? 0.09 : 0.0015;
  for (size_t m = 0; m < fixture_.masks.size(); ++m) {
    std::vector<bool> trainable = fixture_.masks[m].trainable;
    for (size_t k = 0; k < trainable.size(); ++k) {
      if (profile_.tensors[k].op == kNone) trainable[k] = false;
    }
    const double measured = fixture_.masks[m].saved_bytes;
    EXPECT_NEAR(EvaluateMask(profile_, trainable).saved_bytes, measured, tolerance * measured) << "mask " << m;
  }
}

TEST_P(ModelsTest, TheGraphIsWellFormedAndSmall) {
  std::vector<bool> reached(profile_.ops.size());
  reached[0] = true;
  for (size_t i = 0; i < profile_.ops.size(); ++i) {
    EXPECT_TRUE(reached[i]) << "op " << i;
    for (const Edge& edge : profile_.ops[i].inputs) {
      ASSERT_GT(edge.op, static_cast<int>(i));
      ASSERT_LT(edge.op, static_cast<int>(profile_.ops.size()));
      reached[edge.op] = true;
    }
  }
  EXPECT_LE(profile_.ops.size(), 3 * profile_.tensors.size());
  EXPECT_EQ(std::set<std::string>(profile_.blocks.begin(), profile_.blocks.end()).size(), profile_.blocks.size());
}

TEST_P(ModelsTest, EveryBlockHangsOnOneOpAndHoldsTensorsUnlessAllOfItIsFrozen) {
  std::vector<std::set<int>> entries(profile_.blocks.size());
  for (const Op& op : profile_.ops) {
    if (op.name == "saved") continue;  // No gradient flows through these.
    for (const Edge& edge : op.inputs) {
      const Op& target = profile_.ops[edge.op];
      if (target.block != kNone && target.block != op.block && target.name != "saved") {
        entries[target.block].insert(edge.op);
      }
    }
  }
  std::vector<int> tensors(profile_.blocks.size());
  for (const Tensor& tensor : profile_.tensors) {
    if (tensor.op != kNone && profile_.ops[tensor.op].block != kNone) ++tensors[profile_.ops[tensor.op].block];
  }
  for (size_t b = 0; b < profile_.blocks.size(); ++b) {
    EXPECT_EQ(entries[b].size(), 1) << profile_.blocks[b];
    // With adapters, a block of experts alone is frozen.
    if (fixture_.options.lora_rank == 0) EXPECT_GT(tensors[b], 0) << profile_.blocks[b];
  }
}

INSTANTIATE_TEST_SUITE_P(HuggingFace, ModelsTest, testing::ValuesIn(FixtureNames()), [](const auto& info) {
  return absl::StrReplaceAll(info.param, {{"-", "_"}, {".", "_"}});
});

TEST(ModelsTest, EveryFamilyHasASmallAndAFullSizeFixtureOrIsAMixtureOfExperts) {
  std::map<std::string, std::set<bool>> sizes;
  for (const std::string& name : FixtureNames()) {
    const std::string type = LoadFixture(name).config.at("model_type");
    const bool whole = type.find("_vl") != std::string::npos && type.find("_text") == std::string::npos;
    sizes[whole ? type + "_text" : type].insert(name.rfind("tiny", 0) == 0);
  }
  // Too large to run, and routers look at values.
  const std::set<std::string> experts = {"deepseek_v3", "gpt_oss", "mixtral", "qwen2_moe", "qwen3_moe"};
  for (const SupportedFamily& family : SupportedFamilies()) {
    const std::string& type = family.model_type;
    EXPECT_TRUE(sizes[type].contains(true)) << type;
    EXPECT_TRUE(experts.contains(type) || sizes[type].contains(false)) << type;
  }
}

TEST(ModelsTest, ParameterCountsAreThePublishedOnes) {
  const nlohmann::json models = LoadTestData("parameter_counts.json");
  ASSERT_GE(models.size(), 25);
  for (const nlohmann::json& model : models) {
    const AnalyticOptions options = {.seq_len = model["config"]["model_type"] == "whisper" ? 3000 : 16,
                                     .target_len = 8};
    const absl::StatusOr<ModelProfile> profile = AnalyticProfile(model["config"], options);
    ASSERT_TRUE(profile.ok()) << profile.status();
    EXPECT_EQ(ParameterCount(*profile), model["parameter_count"]) << model["model"];
    if (model["difference"] == "") {
      EXPECT_EQ(ParameterCount(*profile), model["published"]) << model["model"];
    }
  }
}

}  // namespace
}  // namespace greenplan::profiler
