#include "trainer_client/checkpoint/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "planner/files/files.h"
#include "planner/files/json_reader.h"
#include "trainer_client/checkpoint/safetensors.h"
#include "trainer_client/checkpoint/tensor_bytes.h"
#include "trainer_client/checkpoint/weights.h"

namespace greenplan::trainer {
namespace {

using Parameters = torch::OrderedDict<std::string, torch::Tensor>;

constexpr char kHead[] = "lm_head.weight";

absl::Status Prefixed(const absl::Status& status, const std::string& path) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

// The name under which `parameter` stands in the file, empty where it does not: as it is, without the "model." that
// checkpoints of the bare decoder lack, or, for a tied embedding, as the head.
std::string NameInFile(const std::string& parameter, const Parameters& parameters, const Weights& weights) {
  if (weights.tensors.contains(parameter)) return parameter;
  constexpr char kPrefix[] = "model.";
  if (absl::StartsWith(parameter, kPrefix)) {
    const std::string bare = parameter.substr(std::strlen(kPrefix));
    if (weights.tensors.contains(bare)) return bare;
  }
  const bool is_tied = absl::EndsWith(parameter, "embed_tokens.weight") && !parameters.contains(kHead);
  return is_tied && weights.tensors.contains(kHead) ? kHead : "";
}

bool SameValues(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape && std::equal(a.data.begin(), a.data.end(), b.data.begin());
}

// Tensors that a file may hold beside the parameters: a tied head that equals the embedding, and the rotary tables that
// older checkpoints list.
bool MayBeSurplus(const std::string& name, const TensorView& view, const std::set<std::string>& used,
                  const Weights& weights) {
  for (const char* table : {".rotary_emb.inv_freq", ".rotary_emb.cos_cached", ".rotary_emb.sin_cached"}) {
    if (absl::EndsWith(name, table)) return true;
  }
  if (name != kHead) return false;
  return std::any_of(used.begin(), used.end(), [&](const std::string& other) {
    return absl::EndsWith(other, "embed_tokens.weight") && SameValues(weights.tensors.at(other), view);
  });
}

// Whether a tensor would be a parameter if the config had more layers: a bigger model's, cut short to try things out.
bool IsOfALaterLayer(const std::string& name, const Parameters& parameters) {
  constexpr char kLayers[] = "layers.";
  const size_t begin = name.find(kLayers);
  if (begin == std::string::npos) return false;
  const size_t number = begin + std::strlen(kLayers);
  const size_t end = name.find_first_not_of("0123456789", number);
  if (end == number || end == std::string::npos) return false;
  const std::string in_first_layer = absl::StrCat(name.substr(0, number), "0", name.substr(end));
  return parameters.contains(in_first_layer) || parameters.contains("model." + in_first_layer);
}

// Copies the weights into the model. Returns the names of those that belong to later layers.
absl::StatusOr<std::vector<std::string>> Fill(const Weights& weights, CausalLm& model) {
  Parameters parameters = model.named_parameters();
  std::set<std::string> used;
  for (auto& parameter : parameters) {
    const std::string name = NameInFile(parameter.key(), parameters, weights);
    if (name.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", parameter.key(), " is missing"));
    }
    absl::Status copied = CopyInto(parameter.value(), weights.tensors.at(name), "config.json");
    if (!copied.ok()) return absl::Status(copied.code(), absl::StrCat("tensor ", name, " ", copied.message()));
    used.insert(name);
  }
  std::vector<std::string> unused;
  for (const auto& [name, view] : weights.tensors) {
    if (used.contains(name) || MayBeSurplus(name, view, used, weights)) continue;
    if (!IsOfALaterLayer(name, parameters)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor ", absl::CEscape(name),
          name == kHead ? " differs from the embedding, but config.json ties them" : " is not one of this config's"));
    }
    unused.push_back(name);
  }
  return unused;
}

absl::Status WriteConfig(nlohmann::json config, const std::string& path) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (config.contains(key)) config[key] = "float32";
  }
  return WriteFile(path, IndentedJsonText(config) + "\n");
}

}  // namespace

absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& directory, Attention attention) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory, ignored)) {
    return absl::NotFoundError(absl::StrCat(directory, ": no such folder"));
  }
  const std::string config_path = std::filesystem::path(directory) / "config.json";
  absl::StatusOr<nlohmann::json> config = ReadJsonObjectFile(config_path);
  if (!config.ok()) return config.status();
  absl::StatusOr<std::shared_ptr<CausalLm>> model = CreateUninitializedCausalLm(*config, attention);
  if (!model.ok()) return Prefixed(model.status(), config_path);
  absl::StatusOr<Weights> weights = OpenWeights(directory);
  if (!weights.ok()) return weights.status();
  absl::StatusOr<std::vector<std::string>> unused = Fill(*weights, **model);
  if (!unused.ok()) return Prefixed(unused.status(), weights->path);
  return Checkpoint{*std::move(config), *std::move(model), *std::move(unused)};
}

absl::Status SaveCheckpoint(const Checkpoint& checkpoint, const std::string& directory) {
  if (checkpoint.adapter.has_value()) return SaveAdapter(*checkpoint.model, *checkpoint.adapter, directory);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return absl::UnavailableError(absl::StrCat(directory, ": cannot create: ", error.message()));
  const std::filesystem::path folder(directory);
  absl::Status unflushed;
  absl::Status status = IfWritten(WriteConfig(checkpoint.config, folder / "config.json"), unflushed);
  if (!status.ok()) return status;

  TensorBytes tensors;
  for (const auto& parameter : checkpoint.model->named_parameters()) tensors.Add(parameter.key(), parameter.value());
  status = IfWritten(WriteSafetensors(folder / "model.safetensors", tensors.views()), unflushed);
  return status.ok() ? unflushed : status;
}

}  // namespace greenplan::trainer
