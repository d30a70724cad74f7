#include "trainer_client/checkpoint/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <vector>

#include "gtest/gtest.h"
#include "trainer_client/checkpoint/safetensors.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

constexpr char kTestdata[] = "trainer_client/checkpoint/testdata/";

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// A copy of a golden folder that a test may spoil.
std::filesystem::path CopyOf(const std::string& flavour, const std::string& name) {
  const std::filesystem::path copy = std::filesystem::path(testing::TempDir()) / name;
  std::filesystem::remove_all(copy);
  std::filesystem::create_directories(copy);
  for (const auto& file : std::filesystem::directory_iterator(kTestdata + flavour)) {
    std::ofstream(copy / file.path().filename(), std::ios::binary) << ReadFile(file.path());
  }
  return copy;
}

torch::Tensor Matrix(const json& rows) {
  std::vector<int64_t> flat;
  for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  return torch::tensor(flat).view({static_cast<int64_t>(rows.size()), -1});
}

struct Golden {
  std::string flavour;
  Attention attention;
};

class GoldenTest : public testing::TestWithParam<Golden> {
 protected:
  Checkpoint Load() {
    absl::StatusOr<Checkpoint> loaded = LoadCheckpoint(kTestdata + GetParam().flavour, GetParam().attention);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    loaded->model->eval();
    return *std::move(loaded);
  }
  const json expected_ = json::parse(ReadFile(kTestdata + GetParam().flavour + "/expected.json"));
};

TEST_P(GoldenTest, ParametersHaveTheNamesOrderAndShapesOfTransformers) {
  json found = json::array();
  for (const auto& parameter : Load().model->named_parameters()) {
    found.push_back({{"name", parameter.key()}, {"shape", parameter.value().sizes().vec()}});
  }
  json expected = expected_["parameters"];
  for (json& parameter : expected) parameter.erase("gradient_norm");
  EXPECT_EQ(found, expected);
}

TEST_P(GoldenTest, LogitsLossAndGradientsAgreeWithTransformers) {
  const Checkpoint loaded = Load();
  const torch::Tensor logits = loaded.model->forward(Matrix(expected_["input_ids"]));
  const torch::Tensor reference =
      torch::tensor(expected_["logits"].get<std::vector<double>>()).to(torch::kFloat).view_as(logits);
  EXPECT_LT((logits - reference).abs().max().item<float>(), 1e-5);

  const torch::Tensor loss = CausalLmLoss(logits, Matrix(expected_["labels"]));
  EXPECT_NEAR(loss.item<double>(), expected_["loss"].get<double>(), 1e-5);

  loss.backward();
  size_t i = 0;
  for (const auto& parameter : loaded.model->named_parameters()) {
    const double norm = expected_["parameters"][i++]["gradient_norm"];
    EXPECT_NEAR(parameter.value().grad().to(torch::kDouble).norm().item<double>(), norm, 1e-5 + 1e-4 * norm)
        << parameter.key();
  }
}

TEST_P(GoldenTest, WhatIsSavedLoadsAsTheSameModel) {
  const Checkpoint loaded = Load();
  const std::string folder = testing::TempDir() + "/saved_" + GetParam().flavour;
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(SaveCheckpoint(loaded, folder).ok());
  const absl::StatusOr<Checkpoint> again = LoadCheckpoint(folder, GetParam().attention);
  ASSERT_TRUE(again.ok()) << again.status();
  const auto before = loaded.model->named_parameters(), after = again->model->named_parameters();
  ASSERT_EQ(before.keys(), after.keys());
  for (const auto& parameter : before) EXPECT_TRUE(parameter.value().equal(after[parameter.key()])) << parameter.key();

  json config = loaded.config;
  config["dtype"] = "float32";
  EXPECT_EQ(json::parse(ReadFile(folder + "/config.json")), config);
  const auto file = SafetensorsFile::Open(folder + "/model.safetensors");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->tensors().contains("lm_head.weight"), !config.value("tie_word_embeddings", false));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 2) << "temporary files were left behind";
}

INSTANTIATE_TEST_SUITE_P(Flavours, GoldenTest, testing::ValuesIn([] {
                           std::vector<Golden> all;
                           for (const char* flavour :
                                {"llama_gqa_untied_bf16", "llama_tied", "llama_yarn", "mistral_window_longrope",
                                 "qwen2_late_window", "qwen3", "smollm3", "opt_pre_norm", "opt_post_norm_projected",
                                 "opt_plain_norm_sharded"}) {
                             all.push_back({flavour, Attention::kSdpa});
                             all.push_back({flavour, Attention::kEager});
                           }
                           return all;
                         }()),
                         [](const auto& info) {
                           return info.param.flavour + (info.param.attention == Attention::kSdpa ? "_sdpa" : "_eager");
                         });

// Rewrites model.safetensors of a copy of llama_tied with other tensors.
absl::Status LoadWithTensors(const std::string& name,
                             const std::function<void(std::map<std::string, TensorView>&)>& change) {
  const std::filesystem::path folder = CopyOf("llama_tied", name);
  const auto file = SafetensorsFile::Open(std::string(kTestdata) + "llama_tied/model.safetensors");
  std::map<std::string, TensorView> tensors = (*file)->tensors();
  change(tensors);
  EXPECT_TRUE(WriteSafetensors(folder / "model.safetensors", tensors).ok());
  return LoadCheckpoint(folder, Attention::kSdpa).status();
}

void ExpectInvalid(const absl::Status& status, const std::string& message) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_NE(status.message().find(message), std::string::npos) << status;
}

TEST(LoadCheckpointTest, NamesAMissingTensor) {
  ExpectInvalid(LoadWithTensors("missing", [](auto& tensors) { tensors.erase("model.norm.weight"); }),
                "model.safetensors: tensor model.norm.weight is missing");
}

TEST(LoadCheckpointTest, NamesASurplusTensor) {
  ExpectInvalid(LoadWithTensors("surplus", [](auto& tensors) { tensors["extra"] = tensors["model.norm.weight"]; }),
                "tensor extra is not one of this config's");
}

TEST(LoadCheckpointTest, NamesAWrongShape) {
  ExpectInvalid(LoadWithTensors("shape",
                                [](auto& tensors) {
                                  tensors["model.norm.weight"].shape = {4, 4};
                                }),
                "tensor model.norm.weight has the shape [4, 4]; config.json asks for [16]");
}

TEST(LoadCheckpointTest, TakesATiedHeadThatEqualsTheEmbedding) {
  const auto add_head = [](auto& tensors) { tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]; };
  EXPECT_TRUE(LoadWithTensors("tied_head", add_head).ok());
  EXPECT_TRUE(LoadWithTensors("head_only", [&](auto& tensors) {
                add_head(tensors);
                tensors.erase("model.embed_tokens.weight");
              }).ok());
}

TEST(LoadCheckpointTest, RefusesATiedHeadThatDiffers) {
  ExpectInvalid(LoadWithTensors("other_head",
                                [](auto& tensors) {
                                  tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"];
                                  tensors["lm_head.weight"].shape = {16, 61};
                                }),
                "tensor lm_head.weight differs from the embedding, but config.json ties them");
}

TEST(LoadCheckpointTest, TakesNamesWithoutTheModelPrefixAndOldRotaryFrequencies) {
  EXPECT_TRUE(LoadWithTensors("bare", [](auto& tensors) {
                std::map<std::string, TensorView> bare;
                for (const auto& [name, view] : tensors) bare[name.substr(std::string("model.").size())] = view;
                bare["layers.0.self_attn.rotary_emb.inv_freq"] = bare["norm.weight"];
                bare["layers.0.self_attn.rotary_emb.cos_cached"] = bare["norm.weight"];
                tensors = bare;
              }).ok());
}

TEST(LoadCheckpointTest, NamesWhatIsNotThere) {
  const absl::Status no_folder = LoadCheckpoint("/no/such/folder", Attention::kSdpa).status();
  EXPECT_EQ(no_folder.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(no_folder.message(), "/no/such/folder: no such folder");

  const std::filesystem::path folder = CopyOf("llama_tied", "no_weights");
  std::filesystem::remove(folder / "model.safetensors");
  const absl::Status no_weights = LoadCheckpoint(folder, Attention::kSdpa).status();
  EXPECT_EQ(no_weights.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(no_weights.message().find("holds no model.safetensors"), std::string::npos) << no_weights;

  std::filesystem::remove(folder / "config.json");
  EXPECT_EQ(LoadCheckpoint(folder, Attention::kSdpa).status().code(), absl::StatusCode::kNotFound);
}

TEST(LoadCheckpointTest, NamesTheConfigKeyThatIsWrong) {
  const std::filesystem::path folder = CopyOf("llama_tied", "bad_config");
  json config = json::parse(ReadFile(folder / "config.json"));
  config["hidden_act"] = "mish";
  std::ofstream(folder / "config.json") << config;
  ExpectInvalid(LoadCheckpoint(folder, Attention::kSdpa).status(),
                "config.json: config hidden_act is \"mish\"; allowed: ");
  std::ofstream(folder / "config.json") << "{";
  ExpectInvalid(LoadCheckpoint(folder, Attention::kSdpa).status(), "config.json is not JSON");
}

TEST(LoadCheckpointTest, ChecksTheShardsAgainstTheirIndex) {
  const std::string flavour = "opt_plain_norm_sharded";
  const auto load_with_index = [&](const std::string& name, const std::function<void(json&)>& change) {
    const std::filesystem::path folder = CopyOf(flavour, name);
    json index = json::parse(ReadFile(folder / "model.safetensors.index.json"));
    change(index);
    std::ofstream(folder / "model.safetensors.index.json") << index;
    return LoadCheckpoint(folder, Attention::kSdpa).status();
  };
  ExpectInvalid(load_with_index("no_map", [](json& index) { index.erase("weight_map"); }),
                "weight_map is not an object");
  ExpectInvalid(load_with_index("elsewhere", [](json& index) { index["weight_map"]["lm_head.weight"] = "../x"; }),
                "tensor lm_head.weight is not in a file of this folder: \"../x\"");
  // Like transformers, which takes a tensor from whichever shard holds it.
  EXPECT_TRUE(load_with_index("unlisted", [](json& index) { index["weight_map"].erase("lm_head.weight"); }).ok());
  EXPECT_TRUE(load_with_index("phantom", [](json& index) {
                index["weight_map"]["phantom"] = "model-00001-of-00005.safetensors";
              }).ok());
  ExpectInvalid(
      load_with_index("moved",
                      [](json& index) { index["weight_map"]["lm_head.weight"] = "model-00001-of-00005.safetensors"; }),
      "model.safetensors.index.json: tensor lm_head.weight is missing");
  const absl::Status no_shard =
      load_with_index("no_shard", [](json& index) { index["weight_map"]["phantom"] = "absent.safetensors"; });
  EXPECT_EQ(no_shard.code(), absl::StatusCode::kNotFound) << no_shard;
}

TEST(LoadCheckpointTest, RefusesATensorThatSeveralShardsHold) {
  const std::filesystem::path folder = CopyOf("opt_plain_norm_sharded", "twice");
  json index = json::parse(ReadFile(folder / "model.safetensors.index.json"));
  std::filesystem::copy(folder / index["weight_map"]["lm_head.weight"].get<std::string>(),
                        folder / "second.safetensors");
  index["weight_map"]["phantom"] = "second.safetensors";
  std::ofstream(folder / "model.safetensors.index.json") << index;
  EXPECT_TRUE(LoadCheckpoint(folder, Attention::kSdpa).ok()) << "the index says which one counts";
  index["weight_map"].erase("lm_head.weight");
  std::ofstream(folder / "model.safetensors.index.json") << index;
  ExpectInvalid(LoadCheckpoint(folder, Attention::kSdpa).status(), "tensor lm_head.weight is in another shard, too");
}

TEST(LoadCheckpointTest, LeavesOutTheLayersBehindTheLastOneOfTheConfig) {
  const std::filesystem::path folder = CopyOf("llama_tied", "cut_short");
  json config = json::parse(ReadFile(folder / "config.json"));
  config["num_hidden_layers"] = 1;
  std::ofstream(folder / "config.json") << config;
  const absl::StatusOr<Checkpoint> loaded = LoadCheckpoint(folder, Attention::kSdpa);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_FALSE(loaded->unused.empty());
  for (const std::string& name : loaded->unused) EXPECT_NE(name.find("model.layers.1."), std::string::npos) << name;
  EXPECT_EQ(loaded->unused.size() + loaded->model->named_parameters().size(),
            LoadCheckpoint(std::string(kTestdata) + "llama_tied", Attention::kSdpa)->model->named_parameters().size());
}

TEST(SaveCheckpointTest, NamesAFolderThatCannotBeMade) {
  const absl::StatusOr<Checkpoint> loaded = LoadCheckpoint(std::string(kTestdata) + "llama_tied", Attention::kSdpa);
  const std::string file = testing::TempDir() + "/a_file";
  std::ofstream(file) << "x";
  const absl::Status status = SaveCheckpoint(*loaded, file + "/folder");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find(file + "/folder: cannot create"), std::string::npos) << status;
}

}  // namespace
}  // namespace greenplan::trainer
