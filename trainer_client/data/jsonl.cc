#include "trainer_client/data/jsonl.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "planner/files/json_reader.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;
using Ids = std::vector<int64_t>;

constexpr const char* kKeys[] = {"source", "target", "source_ids", "target_ids"};

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

JsonlRow Join(std::optional<int64_t> bos, const Ids& source, const Ids& target, int64_t eos) {
  JsonlRow row;
  if (bos) row.ids.push_back(*bos);
  row.ids.insert(row.ids.end(), source.begin(), source.end());
  // Nothing comes before the first token that it could be predicted from.
  row.first_predicted = std::max<int64_t>(1, row.ids.size());
  row.ids.insert(row.ids.end(), target.begin(), target.end());
  row.ids.push_back(eos);
  return row;
}

absl::StatusOr<Ids> EncodeString(const json& object, const char* key, const Tokenizer& tokenizer) {
  const std::string& text = object[key].get_ref<const std::string&>();
  absl::StatusOr<Ids> ids = tokenizer.Encode(text);
  if (!ids.ok()) return absl::InvalidArgumentError(absl::StrCat(key, " ", ids.status().message()));
  return ids;
}

absl::StatusOr<JsonlRow> FromStrings(const json& object, const JsonlEncoding& encoding) {
  for (const char* key : {"source", "target"}) {
    if (!object.contains(key) || !object[key].is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(key, " is missing or not a string"));
    }
  }
  const Tokenizer* tokenizer = encoding.tokenizer;
  if (tokenizer == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("source and target need a tokenizer, and ", encoding.no_tokenizer,
                                                   "; source_ids and target_ids do not"));
  }
  if (!tokenizer->eos_id()) {
    return absl::InvalidArgumentError(
        absl::StrCat("source and target need a tokenizer with EOS, which ", tokenizer->path(), " lacks"));
  }
  absl::StatusOr<Ids> source = EncodeString(object, "source", *tokenizer);
  if (!source.ok()) return source.status();
  absl::StatusOr<Ids> target = EncodeString(object, "target", *tokenizer);
  if (!target.ok()) return target.status();
  return Join(tokenizer->bos_id(), *source, *target, *tokenizer->eos_id());
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
  if (!special.eos) {
    return absl::InvalidArgumentError(
        "source_ids and target_ids need an eos_token_id, which the model's config.json does not give");
  }
  return Join(special.bos, object["source_ids"].get<Ids>(), object["target_ids"].get<Ids>(), *special.eos);
}

absl::StatusOr<JsonlRow> ParseRow(const json& object, const JsonlEncoding& encoding) {
  if (!object.is_object()) return absl::InvalidArgumentError("is not a JSON object");
  const bool has_strings = object.contains("source") || object.contains("target");
  const bool has_ids = object.contains("source_ids") || object.contains("target_ids");
  if (has_strings != has_ids) return has_ids ? FromIds(object, encoding.special) : FromStrings(object, encoding);
  return absl::InvalidArgumentError(
      absl::StrCat("must hold either source and target, or source_ids and target_ids",
                   object.contains("messages")
                       ? "; conversations in messages become such rows by the model's chat template, in Python"
                       : ""));
}

absl::StatusOr<JsonlRow> ParseLine(std::string_view line, const JsonlEncoding& encoding) {
  const absl::StatusOr<json> object = ParseJson(View(line));
  return object.ok() ? ParseRow(*object, encoding) : object.status();
}

// Adds a row, or says at which place there is none.
absl::Status Add(absl::StatusOr<JsonlRow> row, const std::string& place, std::vector<JsonlRow>& rows) {
  if (!row.ok()) return absl::InvalidArgumentError(absl::StrCat(place, ": ", row.status().message()));
  row->place = place;
  rows.push_back(*std::move(row));
  return absl::OkStatus();
}

// Takes the first line off the text.
std::string_view TakeLine(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

bool IsBlank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

}  // namespace

absl::StatusOr<std::vector<JsonlRow>> ParseJsonl(std::string_view text, const JsonlEncoding& encoding) {
  std::vector<JsonlRow> rows;
  for (int64_t number = 1; !text.empty(); ++number) {
    const std::string_view line = TakeLine(text);
    if (IsBlank(line)) continue;
    if (absl::Status status = Add(ParseLine(line, encoding), absl::StrCat(number), rows); !status.ok()) return status;
  }
  return rows;
}

absl::StatusOr<std::vector<JsonlRow>> ParseJsonArray(std::string_view text, const JsonlEncoding& encoding) {
  const absl::StatusOr<json> array = ParseJson(View(text));
  if (!array.ok()) return absl::InvalidArgumentError(absl::StrCat(" ", array.status().message()));
  if (!array->is_array()) return absl::InvalidArgumentError(" is not an array of rows");
  std::vector<JsonlRow> rows;
  for (size_t i = 0; i < array->size(); ++i) {
    if (absl::Status status = Add(ParseRow((*array)[i], encoding), absl::StrCat("[", i, "]"), rows); !status.ok()) {
      return status;
    }
  }
  return rows;
}

bool HoldsRow(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || (text[begin] != '{' && text[begin] != '[')) return false;
  text.remove_prefix(begin);
  const json parsed = json::parse(text[0] == '{' ? TakeLine(text) : text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  const json& object = parsed.is_array() && !parsed.empty() ? parsed[0] : parsed;
  return object.is_object() &&
         std::any_of(std::begin(kKeys), std::end(kKeys), [&](const char* key) { return object.contains(key); });
}

}  // namespace greenplan::trainer
