#include "trainer_client/checkpoint/adapter.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "planner/files/files.h"
#include "planner/files/json_reader.h"
#include "trainer_client/checkpoint/safetensors.h"
#include "trainer_client/checkpoint/tensor_bytes.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

constexpr char kConfigFile[] = "adapter_config.json";
constexpr char kWeightsFile[] = "adapter_model.safetensors";
constexpr char kPrefix[] = "base_model.model.";
constexpr char kSuffixA[] = ".lora_A.weight";
constexpr char kSuffixB[] = ".lora_B.weight";
constexpr int64_t kLargestRank = int64_t{1} << 20;

std::string LastComponent(const std::string& name) { return name.substr(name.rfind('.') + 1); }

std::set<std::string> AdaptedLayers(torch::nn::Module& model) {
  std::set<std::string> names;
  for (const auto& [name, layer] : LinearLayers(model)) {
    if (layer->low_rank() != nullptr) names.insert(name);
  }
  return names;
}

// Returns the last components of the adapted layers' names, as PEFT lists them, where they tell the adapted layers from
// the others; their whole names otherwise.
std::set<std::string> TargetModules(torch::nn::Module& model) {
  const std::set<std::string> adapted = AdaptedLayers(model);
  std::set<std::string> suffixes;
  for (const std::string& name : adapted) suffixes.insert(LastComponent(name));
  for (const auto& [name, layer] : LinearLayers(model)) {
    if (!adapted.contains(name) && suffixes.contains(LastComponent(name))) return adapted;
  }
  return suffixes;
}

json ConfigOf(torch::nn::Module& model, const Adapter& adapter) {
  const LoraOptions& options = adapter.options;
  return {{"peft_type", "LORA"},
          {"task_type", "CAUSAL_LM"},
          {"base_model_name_or_path", adapter.base.empty() ? json() : json(adapter.base)},
          {"r", options.rank},
          {"lora_alpha", options.alpha},
          {"lora_dropout", options.dropout},
          {"use_rslora", options.use_rslora},
          {"target_modules", TargetModules(model)},
          {"bias", "none"},
          {"fan_in_fan_out", false},
          {"inference_mode", true},
          {"init_lora_weights", true},
          {"use_dora", false},
          {"modules_to_save", nullptr},
          {"rank_pattern", json::object()},
          {"alpha_pattern", json::object()}};
}

// Refuses a key that asks for what the layers here do not compute. Absent, null, false and empty values ask for
// nothing.
void RefuseUnlessEmpty(JsonReader& reader, const json& config, const char* key) {
  const auto value = config.find(key);
  if (value == config.end() || value->is_null() || *value == false || (value->is_structured() && value->empty()))
    return;
  reader.Fail(key, "nothing; this kind of adapter is not supported");
}

// Returns the names in target_modules. Empty where they alone do not tell the adapted layers: a regular expression, or
// keys that leave layers out.
std::vector<std::string> ReadTargets(JsonReader& reader, const json& config) {
  const auto is_empty = [&](const char* key) {
    const auto value = config.find(key);
    return value == config.end() || value->is_null() || (value->is_structured() && value->empty());
  };
  if (is_empty("target_modules") || !is_empty("exclude_modules") || !is_empty("layers_to_transform")) return {};
  const json& targets = config["target_modules"];
  if (targets == "all-linear") return {"all-linear"};
  if (targets.is_string()) return {};
  const auto is_text = [](const json& target) { return target.is_string(); };
  if (targets.is_array() && std::all_of(targets.begin(), targets.end(), is_text)) {
    return targets.get<std::vector<std::string>>();
  }
  reader.Fail("target_modules", "a list of names, or a text");
  return {};
}

absl::StatusOr<Adapter> ReadConfig(const std::string& path) {
  absl::StatusOr<json> config = ReadJsonObjectFile(path);
  if (!config.ok()) return config.status();
  JsonReader reader(*config, absl::StrCat(path, ": "));
  Adapter adapter;
  LoraOptions& options = adapter.options;
  if (reader.Has("base_model_name_or_path") && !reader.IsNull("base_model_name_or_path")) {
    adapter.base = reader.Text("base_model_name_or_path");
  }
  reader.Text("peft_type", {"LORA"});
  options.rank = reader.Integer("r", 1, kLargestRank);
  options.alpha = reader.Number("lora_alpha", std::numeric_limits<double>::min());
  if (reader.Has("lora_dropout")) options.dropout = reader.Number("lora_dropout", 0, std::nextafter(1.0, 0.0));
  if (reader.Has("use_rslora")) options.use_rslora = reader.Boolean("use_rslora");
  if (reader.Has("bias")) reader.Text("bias", {"none"});
  for (const char* key : {"use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "fan_in_fan_out", "lora_bias",
                          "layer_replication", "megatron_config", "trainable_token_indices", "target_parameters",
                          "alora_invocation_tokens", "arrow_config", "kasa_config", "monteclora_config", "use_bdlora",
                          "use_qalora", "velora_config"}) {
    RefuseUnlessEmpty(reader, *config, key);
  }
  options.targets = ReadTargets(reader, *config);
  if (!reader.status().ok()) return reader.status();
  return adapter;
}

// Returns the layers that the file's tensors belong to. Each has both factors.
absl::StatusOr<std::vector<std::string>> LayersInFile(const std::map<std::string, TensorView>& tensors) {
  std::map<std::string, int> factors;
  for (const auto& [name, view] : tensors) {
    absl::string_view layer = name;
    const bool is_factor = absl::ConsumePrefix(&layer, kPrefix) &&
                           (absl::ConsumeSuffix(&layer, kSuffixA) || absl::ConsumeSuffix(&layer, kSuffixB));
    if (!is_factor) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", absl::CEscape(name), " is not a LoRA factor of a layer"));
    }
    ++factors[std::string(layer)];
  }
  std::vector<std::string> layers;
  for (const auto& [layer, count] : factors) {
    if (count != 2)
      return absl::InvalidArgumentError(absl::StrCat(layer, " has one LoRA factor; each layer needs A and B"));
    layers.push_back(layer);
  }
  if (layers.empty()) return absl::InvalidArgumentError("holds no tensor");
  return layers;
}

// Checks every shape before anything is added to the model.
absl::Status CheckShapes(const std::map<std::string, TensorView>& tensors, const std::vector<std::string>& layers,
                         torch::nn::Module& model, int64_t rank) {
  const std::map<std::string, Linear*> linear = LinearLayers(model);
  for (const std::string& layer : layers) {
    const auto found = linear.find(layer);
    if (found == linear.end()) {
      return absl::InvalidArgumentError(absl::StrCat(layer, " is not a linear layer of this base model"));
    }
    const auto sizes = found->second->weight().sizes();
    const std::vector<int64_t> a = tensors.at(absl::StrCat(kPrefix, layer, kSuffixA)).shape;
    const std::vector<int64_t> b = tensors.at(absl::StrCat(kPrefix, layer, kSuffixB)).shape;
    if (a != std::vector<int64_t>{rank, sizes[1]} || b != std::vector<int64_t>{sizes[0], rank}) {
      return absl::InvalidArgumentError(absl::StrCat("the LoRA factors of ", layer, " do not fit its weight of ",
                                                     sizes[0], " x ", sizes[1], " with rank ", rank));
    }
  }
  return absl::OkStatus();
}

// Checks that the config's targets, if there are any, name the layers of the weights and no others. PEFT would leave a
// layer out that they do not name, and begin one anew that has no weights.
absl::Status CheckTargets(const std::vector<std::string>& targets, const std::vector<std::string>& layers,
                          torch::nn::Module& model) {
  if (targets.empty()) return absl::OkStatus();
  std::set<std::string> named;
  for (const std::string& target : targets) {  // PEFT lets a target match nothing.
    const absl::StatusOr<std::vector<std::string>> matches = TargetLayers(model, {target});
    if (matches.ok()) named.insert(matches->begin(), matches->end());
  }
  for (const std::string& layer : layers) {
    if (named.erase(layer) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("holds LoRA factors of ", layer, ", which target_modules in ", kConfigFile, " does not name"));
    }
  }
  if (named.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("holds no LoRA factors of ", *named.begin(), ", which target_modules in ", kConfigFile, " names"));
}

}  // namespace

bool HoldsAdapter(const std::string& directory) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(std::filesystem::path(directory) / kWeightsFile, ignored);
}

absl::StatusOr<std::string> AdapterBase(const std::string& directory) {
  absl::StatusOr<Adapter> adapter = ReadConfig(std::filesystem::path(directory) / kConfigFile);
  if (!adapter.ok()) return adapter.status();
  return std::move(adapter->base);
}

absl::Status SaveAdapter(torch::nn::Module& model, const Adapter& adapter, const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return absl::UnavailableError(absl::StrCat(directory, ": cannot create: ", error.message()));
  const std::filesystem::path folder(directory);
  absl::Status unflushed;
  absl::Status status =
      IfWritten(WriteFile(folder / kConfigFile, IndentedJsonText(ConfigOf(model, adapter)) + "\n"), unflushed);
  if (!status.ok()) return status;
  TensorBytes tensors;
  const std::map<std::string, Linear*> layers = LinearLayers(model);
  for (const std::string& name : AdaptedLayers(model)) {
    tensors.Add(absl::StrCat(kPrefix, name, kSuffixA), layers.at(name)->low_rank()->a);
    tensors.Add(absl::StrCat(kPrefix, name, kSuffixB), layers.at(name)->low_rank()->b);
  }
  status = IfWritten(WriteSafetensors(folder / kWeightsFile, tensors.views()), unflushed);
  return status.ok() ? unflushed : status;
}

absl::StatusOr<Adapter> LoadAdapter(const std::string& directory, torch::nn::Module& model) {
  const std::filesystem::path folder(directory);
  absl::StatusOr<Adapter> adapter = ReadConfig(folder / kConfigFile);
  if (!adapter.ok()) return adapter.status();
  LoraOptions& options = adapter->options;
  const std::string path = folder / kWeightsFile;
  absl::StatusOr<std::unique_ptr<SafetensorsFile>> file = SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  const std::map<std::string, TensorView>& tensors = (*file)->tensors();
  absl::StatusOr<std::vector<std::string>> layers = LayersInFile(tensors);
  absl::Status status = layers.ok() ? CheckShapes(tensors, *layers, model, options.rank) : layers.status();
  if (status.ok()) status = CheckTargets(options.targets, *layers, model);
  if (status.ok()) status = AddUninitializedLora(model, *layers, options);
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  const std::map<std::string, Linear*> linear = LinearLayers(model);
  for (const std::string& layer : *layers) {
    torch::Tensor a = linear.at(layer)->low_rank()->a, b = linear.at(layer)->low_rank()->b;
    for (auto [factor, suffix] : {std::pair(&a, kSuffixA), std::pair(&b, kSuffixB)}) {
      status = CopyInto(*factor, tensors.at(absl::StrCat(kPrefix, layer, suffix)), kConfigFile);
      if (!status.ok()) return status;
    }
  }
  options.targets.clear();
  for (const std::string& target : TargetModules(model)) options.targets.push_back(target);
  return adapter;
}

}  // namespace greenplan::trainer
