#include "trainer_client/data/tokenizer_config.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "nlohmann/json.hpp"
#include "planner/files/json_reader.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The object in a file, or an empty one if there is no such file.
absl::StatusOr<json> ReadIfThere(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return json::object();
  return ReadJsonObjectFile(path);
}

// The value under `key` if it is an object or else an empty one.
const json& ObjectIn(const json& object, const char* key) {
  static const json empty = json::object();
  const auto it = object.find(key);
  return it != object.end() && it->is_object() ? *it : empty;
}

// A token is written as its text or as an object that holds it as "content".
std::optional<std::string> TokenText(const json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end()) return std::nullopt;
  const json& value = it->is_object() ? it->value("content", json()) : *it;
  return value.is_string() ? std::make_optional(value.get<std::string>()) : std::nullopt;
}

void Add(const std::optional<std::string>& text, int64_t id, TokenizerConfig& config) {
  if (text && !text->empty()) config.added_tokens[*text] = id;
}

// tokenizer_config.json: {"added_tokens_decoder": {"32000": {"content": "<|im_start|>", ...}}}.
void AddDecoder(const json& decoder, TokenizerConfig& config) {
  for (const auto& [key, token] : decoder.items()) {
    int64_t id = 0;
    if (absl::SimpleAtoi(key, &id) && token.is_object()) Add(TokenText(token, "content"), id, config);
  }
}

// added_tokens.json: {"<|im_start|>": 32000}.
void AddIds(const json& ids, TokenizerConfig& config) {
  for (const auto& [text, id] : ids.items()) {
    if (id.is_number_integer()) Add(text, id.get<int64_t>(), config);
  }
}

// tokenizer.json: {"added_tokens": [{"id": 32000, "content": "<|im_start|>", ...}]}.
void AddList(const json& file, TokenizerConfig& config) {
  const auto list = file.find("added_tokens");
  if (list == file.end() || !list->is_array()) return;
  for (const json& token : *list) {
    if (!token.is_object() || !token.value("id", json()).is_number_integer()) continue;
    Add(TokenText(token, "content"), token["id"].get<int64_t>(), config);
  }
}

std::optional<int64_t> IdIn(const json& vocabulary, const std::string& text) {
  const auto it = vocabulary.find(text);
  return it != vocabulary.end() && it->is_number_integer() ? std::make_optional(it->get<int64_t>()) : std::nullopt;
}

// The id of a token among the added ones or in the vocabularies of a byte-level BPE.
absl::StatusOr<std::optional<int64_t>> FindId(const fs::path& folder, const std::string& text,
                                              const TokenizerConfig& config) {
  if (const auto it = config.added_tokens.find(text); it != config.added_tokens.end()) return it->second;
  absl::StatusOr<json> tokenizer = ReadIfThere(folder / "tokenizer.json");
  if (!tokenizer.ok()) return tokenizer.status();
  if (const auto id = IdIn(ObjectIn(ObjectIn(*tokenizer, "model"), "vocab"), text)) return id;
  absl::StatusOr<json> vocabulary = ReadIfThere(folder / "vocab.json");
  if (!vocabulary.ok()) return vocabulary.status();
  return IdIn(*vocabulary, text);
}

}  // namespace

absl::StatusOr<TokenizerConfig> ReadTokenizerConfig(const std::string& folder) {
  TokenizerConfig config;
  if (folder.empty()) return config;
  const fs::path path(folder);
  std::error_code ignored;
  config.has_tokenizer_json = fs::is_regular_file(path / "tokenizer.json", ignored);

  const absl::StatusOr<json> main = ReadIfThere(path / "tokenizer_config.json");
  if (!main.ok()) return main.status();
  const absl::StatusOr<json> added = ReadIfThere(path / "added_tokens.json");
  if (!added.ok()) return added.status();
  const absl::StatusOr<json> special = ReadIfThere(path / "special_tokens_map.json");
  if (!special.ok()) return special.status();
  const json& decoder = ObjectIn(*main, "added_tokens_decoder");
  AddDecoder(decoder, config);
  AddIds(*added, config);
  if (decoder.empty()) {  // An older folder; else this file, which can be large, says the same.
    const absl::StatusOr<json> tokenizer = ReadIfThere(path / "tokenizer.json");
    if (!tokenizer.ok()) return tokenizer.status();
    AddList(*tokenizer, config);
  }

  const auto bos = main->find("bos_token");
  config.has_no_bos = bos != main->end() && bos->is_null();
  std::optional<std::string> eos = TokenText(*main, "eos_token");
  if (!eos) eos = TokenText(*special, "eos_token");
  if (!eos) return config;
  absl::StatusOr<std::optional<int64_t>> id = FindId(path, *eos, config);
  if (!id.ok()) return id.status();
  config.eos = *id;
  return config;
}

}  // namespace greenplan::trainer
