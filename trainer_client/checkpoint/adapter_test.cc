#include "trainer_client/checkpoint/adapter.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "trainer_client/checkpoint/checkpoint.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string kTestdata = "trainer_client/checkpoint/testdata/";
const std::string kAdapter = kTestdata + "adapter";  // Of rank 3 and alpha 5, saved by PEFT (make_adapter.py).

std::shared_ptr<CausalLm> Base(const std::string& flavour = "llama_tied") {
  absl::StatusOr<Checkpoint> loaded = LoadCheckpoint(kTestdata + flavour, Attention::kSdpa);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded->model;
}

json ReadJson(const std::filesystem::path& path) { return json::parse(std::ifstream(path)); }

torch::Tensor Matrix(const json& rows) {
  std::vector<int64_t> flat;
  for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  return torch::tensor(flat).view({static_cast<int64_t>(rows.size()), -1});
}

torch::Tensor LossOfGolden(CausalLm& model) {
  const json golden = ReadJson(kTestdata + "llama_tied/expected.json");
  return CausalLmLoss(model.forward(Matrix(golden["input_ids"])), Matrix(golden["labels"]));
}

std::string NewFolder(const std::string& name) {
  const std::string folder = testing::TempDir() + "/" + name;
  std::filesystem::remove_all(folder);
  return folder;
}

TEST(AdapterTest, LossAndGradientsAgreeWithPeft) {
  const std::shared_ptr<CausalLm> model = Base();
  const absl::StatusOr<Adapter> adapter = LoadAdapter(kAdapter, *model);
  ASSERT_TRUE(adapter.ok()) << adapter.status();
  EXPECT_EQ(adapter->options.rank, 3);
  EXPECT_EQ(adapter->options.alpha, 5);
  const json expected = ReadJson(kAdapter + "/expected.json");
  const torch::Tensor loss = LossOfGolden(*model);
  EXPECT_NEAR(loss.item<double>(), expected["loss"].get<double>(), 1e-5);
  loss.backward();
  size_t factors = 0;
  for (const auto& parameter : model->named_parameters()) {
    const bool is_factor = absl::StrContains(parameter.key(), ".lora_");
    EXPECT_EQ(parameter.value().requires_grad(), is_factor) << parameter.key();
    if (!is_factor) continue;
    ++factors;
    const double norm = expected["gradient_norms"].at(parameter.key());
    EXPECT_NEAR(parameter.value().grad().norm().item<double>(), norm, 1e-5 + 1e-4 * norm) << parameter.key();
  }
  EXPECT_EQ(factors, expected["gradient_norms"].size());
}

TEST(AdapterTest, WhatIsSavedLoadsAsTheSameAdapterAndAsPeftWroteIt) {
  const std::shared_ptr<CausalLm> model = Base();
  const Adapter adapter = *LoadAdapter(kAdapter, *model);
  const std::string folder = NewFolder("saved_adapter");
  ASSERT_TRUE(SaveAdapter(*model, adapter, folder).ok());

  const json saved = ReadJson(folder + "/adapter_config.json"), given = ReadJson(kAdapter + "/adapter_config.json");
  for (const auto& [key, value] : saved.items()) {
    if (key != "target_modules") EXPECT_EQ(value, given.at(key)) << key;
  }
  // PEFT lists every layer in full; the last components name the same layers.
  EXPECT_EQ(saved["target_modules"],
            json({"down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"}));

  const std::shared_ptr<CausalLm> again = Base();
  ASSERT_TRUE(LoadAdapter(folder, *again).ok());
  const auto before = model->named_parameters(), after = again->named_parameters();
  ASSERT_EQ(before.keys(), after.keys());
  for (const auto& parameter : before) EXPECT_TRUE(parameter.value().equal(after[parameter.key()])) << parameter.key();
}

TEST(AdapterTest, DropoutAndTheKindOfScaleAreKept) {
  const std::shared_ptr<CausalLm> model = Base();
  const LoraOptions options = {.rank = 4, .alpha = 6, .use_rslora = true, .dropout = 0.25};
  ASSERT_TRUE(AddLora(*model, options).ok());
  const std::string folder = NewFolder("rslora");
  ASSERT_TRUE(SaveAdapter(*model, {options, ""}, folder).ok());
  const std::shared_ptr<CausalLm> again = Base();
  const absl::StatusOr<Adapter> loaded = LoadAdapter(folder, *again);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->options.dropout, 0.25);
  EXPECT_TRUE(loaded->options.use_rslora);
  const LowRankAddition& addition = *LinearLayers(*again).at("model.layers.0.mlp.up_proj")->low_rank();
  EXPECT_EQ(addition.dropout, 0.25);
  EXPECT_EQ(addition.scale, 3) << "alpha by the root of the rank";
}

TEST(AdapterTest, ASubsetOfTheLayersIsWrittenByName) {
  const std::shared_ptr<CausalLm> model = Base();
  const LoraOptions options = {.rank = 2, .targets = {"layers.0.self_attn.q_proj"}};
  ASSERT_TRUE(AddLora(*model, options).ok());
  const std::string folder = NewFolder("one_layer");
  ASSERT_TRUE(SaveAdapter(*model, {options, "llama_tied"}, folder).ok());
  EXPECT_EQ(ReadJson(folder + "/adapter_config.json")["target_modules"], json({"model.layers.0.self_attn.q_proj"}));
}

// Copies the golden adapter, changes its config, and returns the error of loading it.
std::string ErrorWithConfig(const std::function<void(json&)>& change) {
  const std::string folder = NewFolder("changed_adapter");
  std::filesystem::copy(kAdapter, folder);
  json config = ReadJson(kAdapter + "/adapter_config.json");
  change(config);
  std::filesystem::remove(folder + "/adapter_config.json");
  std::ofstream(folder + "/adapter_config.json") << config;
  return std::string(LoadAdapter(folder, *Base()).status().message());
}

TEST(AdapterTest, RefusesWhatTheLayersDoNotCompute) {
  EXPECT_THAT(ErrorWithConfig([](json& config) { config["peft_type"] = "IA3"; }), HasSubstr("peft_type is \"IA3\""));
  EXPECT_THAT(ErrorWithConfig([](json& config) { config["use_dora"] = true; }), HasSubstr("use_dora is true"));
  EXPECT_THAT(ErrorWithConfig([](json& config) { config["bias"] = "all"; }), HasSubstr("bias is \"all\""));
  for (const char* pattern : {"rank_pattern", "alpha_pattern"}) {
    EXPECT_THAT(ErrorWithConfig([pattern](json& config) { config[pattern] = {{"q_proj", 4}}; }), HasSubstr(pattern));
  }
  EXPECT_THAT(ErrorWithConfig([](json& config) { config["modules_to_save"] = {"lm_head"}; }),
              HasSubstr("modules_to_save"));
  EXPECT_THAT(ErrorWithConfig([](json& config) { config["r"] = 0; }), HasSubstr("r is 0"));
  EXPECT_THAT(ErrorWithConfig([](json& config) { config["lora_alpha"] = "x"; }), HasSubstr("lora_alpha is \"x\""));
  EXPECT_THAT(ErrorWithConfig([](json& config) { config["r"] = 4; }), HasSubstr("with rank 4"));
}

TEST(AdapterTest, RefusesTargetsThatDoNotNameALayerOfTheWeights) {
  const auto error_with = [](const json& targets) {
    return ErrorWithConfig([&](json& config) { config["target_modules"] = targets; });
  };
  const json all = {"down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"};
  json one_less = all, one_more = all;
  one_less.erase(6);
  one_more.push_back("c_attn");  // PEFT takes targets that match nothing here.
  EXPECT_THAT(error_with(one_less), HasSubstr("adapter_model.safetensors: holds LoRA factors of "
                                              "model.layers.0.self_attn.v_proj, which target_modules in "
                                              "adapter_config.json does not name"));
  one_less.push_back("model.layers.0.self_attn.v_proj");
  EXPECT_THAT(error_with(one_less), HasSubstr("holds LoRA factors of model.layers.1.self_attn.v_proj"));
  EXPECT_THAT(error_with(json({"nothing"})), HasSubstr("holds LoRA factors of model.layers.0.mlp.down_proj"));
  EXPECT_THAT(error_with(3), HasSubstr("target_modules is 3; allowed: a list of names, or a text"));
  EXPECT_THAT(error_with(json({1, 2})), HasSubstr("target_modules is [1,2]"));
  for (const json& targets : {all, one_more, json("all-linear"), json(".*_proj"), json(), json::array()}) {
    EXPECT_EQ(error_with(targets), "") << targets;
  }
}

TEST(AdapterTest, RefusesTargetsThatNameALayerWithoutWeights) {
  const std::shared_ptr<CausalLm> model = Base();
  const LoraOptions options = {.rank = 2, .targets = {"layers.0.self_attn.q_proj"}};
  ASSERT_TRUE(AddLora(*model, options).ok());
  const std::string folder = NewFolder("wider_targets");
  ASSERT_TRUE(SaveAdapter(*model, {options, "llama_tied"}, folder).ok());
  json config = ReadJson(folder + "/adapter_config.json");
  config["target_modules"] = {"q_proj"};
  std::ofstream(folder + "/adapter_config.json") << config;
  EXPECT_THAT(std::string(LoadAdapter(folder, *Base()).status().message()),
              HasSubstr("holds no LoRA factors of model.layers.1.self_attn.q_proj, which target_modules in "
                        "adapter_config.json names"));

  // These leave out layers that the targets name.
  for (const char* key : {"exclude_modules", "layers_to_transform"}) {
    json leaves_out = config;
    leaves_out[key] = {0};
    std::ofstream(folder + "/adapter_config.json") << leaves_out;
    EXPECT_EQ(LoadAdapter(folder, *Base()).status(), absl::OkStatus()) << key;
  }
}

TEST(AdapterTest, RefusesAnAdapterOfAnotherBaseAndLeavesTheModelAsItIs) {
  const std::shared_ptr<CausalLm> model = Base("opt_pre_norm");
  const auto names = model->named_parameters().keys();
  const absl::Status status = LoadAdapter(kAdapter, *model).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is not a linear layer of this base model"));
  EXPECT_EQ(model->named_parameters().keys(), names);
}

TEST(AdapterTest, RefusesAnAdapterOfAWiderBaseAndLeavesTheModelAsItIs) {
  json config = ReadJson(kTestdata + "llama_tied/config.json");
  config["intermediate_size"] = config["intermediate_size"].get<int64_t>() + 8;
  const std::shared_ptr<CausalLm> model = *CreateCausalLm(config, Attention::kSdpa);
  const auto names = model->named_parameters().keys();
  const absl::Status status = LoadAdapter(kAdapter, *model).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("down_proj do not fit its weight of "));
  EXPECT_EQ(model->named_parameters().keys(), names);
}

TEST(AdapterTest, AFolderTellsItsBase) {
  EXPECT_TRUE(HoldsAdapter(kAdapter));
  EXPECT_FALSE(HoldsAdapter(kTestdata + "llama_tied"));
  const std::shared_ptr<CausalLm> model = Base();
  Adapter adapter = *LoadAdapter(kAdapter, *model);
  for (const char* base : {"some/base", ""}) {
    adapter.base = base;
    const std::string folder = NewFolder("based_adapter");
    ASSERT_TRUE(SaveAdapter(*model, adapter, folder).ok());
    EXPECT_EQ(*AdapterBase(folder), base);
  }
  EXPECT_EQ(AdapterBase("/nowhere").status().code(), absl::StatusCode::kNotFound);
}

TEST(AdapterTest, AMissingFolderIsNamed) {
  const absl::Status status = LoadAdapter("/nowhere", *Base()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nowhere/adapter_config.json"));
}

}  // namespace
}  // namespace greenplan::trainer
