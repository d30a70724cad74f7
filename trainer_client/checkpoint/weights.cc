#include "trainer_client/checkpoint/weights.h"

#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "planner/files/json_reader.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";

bool IsPlainFileName(const json& name) {
  return name.is_string() && !name.get<std::string>().empty() && name.get<std::string>() != ".." &&
         name.get<std::string>().find('/') == std::string::npos;
}

// The shards that an index names, each once.
absl::StatusOr<std::set<std::string>> ShardNames(const json& index, const std::string& path) {
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": weight_map is not an object"));
  }
  std::set<std::string> shards;
  for (const auto& [tensor, file] : map->items()) {
    if (!IsPlainFileName(file)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor ", absl::CEscape(tensor),
                       " is not in a file of this folder: ", file.dump(-1, ' ', true).substr(0, 200)));
    }
    shards.insert(file.get<std::string>());
  }
  return shards;
}

absl::StatusOr<Weights> OpenShards(const std::filesystem::path& folder) {
  const std::string path = folder / kIndexFile;
  absl::StatusOr<json> index = ReadJsonObjectFile(path);
  if (!index.ok()) return index.status();
  absl::StatusOr<std::set<std::string>> shards = ShardNames(*index, path);
  if (!shards.ok()) return shards.status();
  Weights weights{path, {}, {}};
  const json& map = (*index)["weight_map"];
  for (const std::string& shard : *shards) {
    absl::StatusOr<std::unique_ptr<SafetensorsFile>> file = SafetensorsFile::Open(folder / shard);
    if (!file.ok()) return file.status();
    for (const auto& [name, view] : (*file)->tensors()) {
      // The index decides where several shards hold a tensor of one name. Tensors that it leaves out count, too.
      const auto entry = map.find(name);
      if (entry != map.end() && *entry != shard && shards->contains(entry->get<std::string>())) continue;
      if (!weights.tensors.emplace(name, view).second) {
        return absl::InvalidArgumentError(absl::StrCat((folder / shard).string(), ": tensor ", absl::CEscape(name),
                                                       " is in another shard, too, and ", kIndexFile,
                                                       " does not say which one counts"));
      }
    }
    weights.files.push_back(*std::move(file));
  }
  return weights;
}

}  // namespace

absl::StatusOr<Weights> OpenWeights(const std::string& directory) {
  const std::filesystem::path folder(directory);
  std::error_code ignored;
  if (std::filesystem::exists(folder / kSingleFile, ignored)) {
    absl::StatusOr<std::unique_ptr<SafetensorsFile>> file = SafetensorsFile::Open(folder / kSingleFile);
    if (!file.ok()) return file.status();
    Weights weights{folder / kSingleFile, {}, (*file)->tensors()};
    weights.files.push_back(*std::move(file));
    return weights;
  }
  if (std::filesystem::exists(folder / kIndexFile, ignored)) return OpenShards(folder);
  return absl::NotFoundError(
      absl::StrCat(directory, ": holds no ", kSingleFile, " and no ", kIndexFile,
                   "; other formats are not read. save_pretrained of transformers writes these"));
}

}  // namespace greenplan::trainer
