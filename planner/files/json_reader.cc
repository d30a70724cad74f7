#include "planner/files/json_reader.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "planner/files/files.h"

namespace greenplan {
namespace {

using nlohmann::json;

constexpr size_t kMostShown = 200;

bool IsInteger(const json& value) {
  constexpr uint64_t kLargest = JsonReader::kMax;
  return value.is_number_unsigned() ? value.get<uint64_t>() <= kLargest : value.is_number_integer();
}

// "an integer", "an integer >= 1", "an integer from 1 to 8".
template <typename Limit>
std::string RangeText(absl::string_view what, Limit minimum, Limit maximum) {
  constexpr Limit kLowest = std::numeric_limits<Limit>::lowest();
  constexpr Limit kHighest = std::numeric_limits<Limit>::max();
  if (minimum == kLowest && maximum == kHighest) return std::string(what);
  if (maximum == kHighest) return absl::StrCat(what, " >= ", minimum);
  return absl::StrCat(what, " from ", minimum, " to ", maximum);
}

// The NaN or infinity, which Python writes as if it were JSON, at which a parser stopped; a view into the text, or
// empty.
absl::string_view NonFiniteLiteral(absl::string_view text, size_t at) {
  size_t begin = std::min(at, text.size());
  while (begin > 0 && absl::ascii_isalpha(text[begin - 1])) --begin;
  size_t end = begin;
  while (end < text.size() && absl::ascii_isalpha(text[end])) ++end;
  const absl::string_view literal = text.substr(begin, end - begin);
  if (literal != "NaN" && literal != "Infinity") return {};
  const bool is_negative = begin > 0 && text[begin - 1] == '-';
  return text.substr(begin - is_negative, literal.size() + is_negative);
}

// "line 3, column 7", counted in bytes from 1, of a position in the text.
std::string PlaceText(absl::string_view text, size_t at) {
  const absl::string_view before = text.substr(0, at);
  const size_t line_begin = before.rfind('\n') == absl::string_view::npos ? 0 : before.rfind('\n') + 1;
  return absl::StrCat("line ", std::count(before.begin(), before.end(), '\n') + 1, ", column ", at - line_begin + 1);
}

// nlohmann's reason alone: "[json.exception.x] parse error at line 1, column 2: syntax error while parsing value -
// REASON" or "[json.exception.x] REASON".
std::string Reason(absl::string_view what) {
  const size_t bracket = what.find("] ");
  if (bracket != absl::string_view::npos) what.remove_prefix(bracket + 2);
  const size_t colon = what.find(": ");
  if (absl::StartsWith(what, "parse error") && colon != absl::string_view::npos) what.remove_prefix(colon + 2);
  const size_t dash = what.find(" - ");
  if (absl::StartsWith(what, "syntax error") && dash != absl::string_view::npos) what.remove_prefix(dash + 3);
  return std::string(what.substr(0, kMostShown));
}

}  // namespace

absl::StatusOr<json> ParseJson(absl::string_view text) {
  try {
    return json::parse(text.begin(), text.end());
  } catch (const json::parse_error& error) {
    const size_t at = error.byte == 0 ? 0 : error.byte - 1;
    if (const absl::string_view literal = NonFiniteLiteral(text, at); !literal.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("is not JSON at ", PlaceText(text, literal.data() - text.data()),
                                                     ": ", literal,
                                                     " is no JSON value, though Python writes it (json.dumps)"));
    }
    return absl::InvalidArgumentError(absl::StrCat("is not JSON at ", PlaceText(text, at), ": ", Reason(error.what())));
  } catch (const json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("is not JSON: ", Reason(error.what())));
  }
}

absl::StatusOr<json> ReadJsonFile(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  absl::StatusOr<json> value = ParseJson(*text);
  if (!value.ok()) return absl::InvalidArgumentError(absl::StrCat(path, " ", value.status().message()));
  return value;
}

absl::StatusOr<json> ReadJsonObjectFile(const std::string& path) {
  absl::StatusOr<json> value = ReadJsonFile(path);
  if (value.ok() && !value->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a JSON object"));
  }
  return value;
}

std::string JsonText(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }
std::string IndentedJsonText(const json& value) { return value.dump(2, ' ', false, json::error_handler_t::replace); }

const json* JsonReader::Find(const std::string& key) const {
  if (!object_.is_object()) return nullptr;
  const auto it = object_.find(key);
  return it == object_.end() ? nullptr : &*it;
}

bool JsonReader::IsNull(const std::string& key) const {
  const json* value = Find(key);
  return value != nullptr && value->is_null();
}

int64_t JsonReader::Integer(const std::string& key, int64_t minimum, int64_t maximum, int64_t fallback) {
  const json* value = Find(key);
  if (value != nullptr && IsInteger(*value) && value->get<int64_t>() >= minimum && value->get<int64_t>() <= maximum) {
    return value->get<int64_t>();
  }
  Fail(key, RangeText("an integer", minimum, maximum));
  return fallback;
}

double JsonReader::Number(const std::string& key, double minimum, double maximum, double fallback) {
  const json* value = Find(key);
  if (value != nullptr && value->is_number() && value->get<double>() >= minimum && value->get<double>() <= maximum) {
    return value->get<double>();
  }
  Fail(key, RangeText("a number", minimum, maximum));
  return fallback;
}

std::optional<double> JsonReader::OptionalNumber(const std::string& key) {
  const json* value = Find(key);
  if (value != nullptr && value->is_number()) return value->get<double>();
  if (value == nullptr || !value->is_null()) Fail(key, "a number or null");
  return std::nullopt;
}

bool JsonReader::Boolean(const std::string& key, bool fallback) {
  const json* value = Find(key);
  if (value != nullptr && value->is_boolean()) return value->get<bool>();
  Fail(key, "true or false");
  return fallback;
}

std::string JsonReader::Text(const std::string& key, std::initializer_list<absl::string_view> allowed,
                             std::string fallback) {
  const json* value = Find(key);
  if (value != nullptr && value->is_string()) {
    const std::string& text = value->get_ref<const std::string&>();
    if (allowed.size() == 0 || std::find(allowed.begin(), allowed.end(), text) != allowed.end()) return text;
  }
  Fail(key, allowed.size() == 0 ? "text" : absl::StrJoin(allowed, ", "));
  return fallback;
}

std::vector<double> JsonReader::Numbers(const std::string& key) {
  const json* value = Find(key);
  const auto is_number = [](const json& element) { return element.is_number(); };
  if (value != nullptr && value->is_array() && std::all_of(value->begin(), value->end(), is_number)) {
    return value->get<std::vector<double>>();
  }
  Fail(key, "a list of numbers");
  return {};
}

std::vector<std::string> JsonReader::Texts(const std::string& key) {
  const json* value = Find(key);
  const auto is_text = [](const json& element) { return element.is_string(); };
  if (value != nullptr && value->is_array() && std::all_of(value->begin(), value->end(), is_text)) {
    return value->get<std::vector<std::string>>();
  }
  Fail(key, "a list of texts");
  return {};
}

const json& JsonReader::Array(const std::string& key) {
  static const json empty = json::array();
  const json* value = Find(key);
  if (value != nullptr && value->is_array()) return *value;
  Fail(key, "a list");
  return empty;
}

const json& JsonReader::Object(const std::string& key) {
  static const json empty = json::object();
  const json* value = Find(key);
  if (value != nullptr && value->is_object()) return *value;
  Fail(key, "an object");
  return empty;
}

const json& JsonReader::Value(const std::string& key) {
  static const json null;
  const json* value = Find(key);
  if (value != nullptr) return *value;
  Fail(key, "any value");
  return null;
}

std::string JsonReader::PathOf(const std::string& key, size_t index) const {
  return absl::StrCat(prefix_, key, "[", index, "].");
}

void JsonReader::Fail(const std::string& key, absl::string_view allowed) {
  if (!status_.ok()) return;
  const json* value = Find(key);
  // Shown in ASCII, so that the cut falls within no character.
  const std::string shown =
      value == nullptr ? "missing" : value->dump(-1, ' ', true, json::error_handler_t::replace).substr(0, kMostShown);
  status_ = absl::InvalidArgumentError(absl::StrCat(prefix_, key, " is ", shown, "; allowed: ", allowed));
}

}  // namespace greenplan
