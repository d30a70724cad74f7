#include "trainer_client/data/jsonl.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace greenplan::trainer {
namespace {

using nlohmann::json;
using Ids = std::vector<int64_t>;

JsonlRow Join(int64_t bos, const Ids& source, const Ids& target, int64_t eos) {
  JsonlRow row{{bos}, static_cast<int64_t>(source.size()) + 1, 0};
  row.ids.insert(row.ids.end(), source.begin(), source.end());
  row.ids.insert(row.ids.end(), target.begin(), target.end());
  row.ids.push_back(eos);
  return row;
}

absl::StatusOr<JsonlRow> FromStrings(const json& object, const Tokenizer* tokenizer) {
  for (const char* key : {"source", "target"}) {
    if (!object.contains(key) || !object[key].is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(key, " is missing or not a string"));
    }
  }
  if (tokenizer == nullptr) {
    return absl::InvalidArgumentError(
        "source and target need a tokenizer, and none is given; source_ids and "
        "target_ids do not");
  }
  if (tokenizer->bos_id() == Tokenizer::kNoToken || tokenizer->eos_id() == Tokenizer::kNoToken) {
    return absl::InvalidArgumentError(
        absl::StrCat("source and target need a tokenizer with BOS and EOS; ", tokenizer->path(), " lacks one"));
  }
  return Join(tokenizer->bos_id(), tokenizer->Encode(object["source"].get_ref<const std::string&>()),
              tokenizer->Encode(object["target"].get_ref<const std::string&>()), tokenizer->eos_id());
}

bool IsId(const json& value) {
  constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();
  return value.is_number_unsigned() ? value.get<uint64_t>() <= kLargest : value.is_number_integer();
}

absl::StatusOr<JsonlRow> FromIds(const json& object, const SpecialTokens& special) {
  for (const char* key : {"source_ids", "target_ids"}) {
    const bool is_list =
        object.contains(key) && object[key].is_array() && std::all_of(object[key].begin(), object[key].end(), IsId);
    if (!is_list) return absl::InvalidArgumentError(absl::StrCat(key, " is missing or not a list of integers"));
  }
  if (!special.bos || !special.eos) {
    return absl::InvalidArgumentError(absl::StrCat("source_ids and target_ids need ",
                                                   special.bos ? "an eos_token_id" : "a bos_token_id",
                                                   ", which the model's config does not give"));
  }
  return Join(*special.bos, object["source_ids"].get<Ids>(), object["target_ids"].get<Ids>(), *special.eos);
}

absl::StatusOr<JsonlRow> ParseLine(std::string_view line, const Tokenizer* tokenizer, const SpecialTokens& special) {
  const json object = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return absl::InvalidArgumentError("is not a JSON object");
  const bool has_strings = object.contains("source") || object.contains("target");
  const bool has_ids = object.contains("source_ids") || object.contains("target_ids");
  if (has_strings == has_ids) {
    return absl::InvalidArgumentError("must hold either source and target, or source_ids and target_ids");
  }
  return has_ids ? FromIds(object, special) : FromStrings(object, tokenizer);
}

}  // namespace

absl::StatusOr<std::vector<JsonlRow>> ParseJsonl(std::string_view text, const Tokenizer* tokenizer,
                                                 const SpecialTokens& special) {
  std::vector<JsonlRow> rows;
  int64_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    absl::StatusOr<JsonlRow> row = ParseLine(line, tokenizer, special);
    if (!row.ok()) return absl::InvalidArgumentError(absl::StrCat(number, ": ", row.status().message()));
    row->line = number;
    rows.push_back(*std::move(row));
  }
  return rows;
}

}  // namespace greenplan::trainer
