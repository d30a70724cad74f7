#include "trainer_client/models/config_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace greenplan::trainer {

using nlohmann::json;

ConfigReader::ConfigReader(const json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {}

const json* ConfigReader::Find(const std::string& key) const {
  const auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

bool ConfigReader::Has(const std::string& key) const { return Find(key) != nullptr; }

bool ConfigReader::IsNull(const std::string& key) const {
  const auto it = object_.find(key);
  return it != object_.end() && it->is_null();
}

int64_t ConfigReader::Integer(const std::string& key, int64_t default_value, int64_t minimum) {
  constexpr int64_t kMaximum = std::numeric_limits<int32_t>::max();
  const json* value = Find(key);
  if (value == nullptr) return default_value;
  const bool fits = value->is_number_unsigned() ? value->get<uint64_t>() <= static_cast<uint64_t>(kMaximum)
                                                : value->is_number_integer();
  if (fits && value->get<int64_t>() >= minimum) return value->get<int64_t>();
  Fail(key, absl::StrCat("an integer from ", minimum, " to ", kMaximum));
  return default_value;
}

double ConfigReader::Number(const std::string& key, double default_value, double minimum, double maximum) {
  const json* value = Find(key);
  if (value == nullptr) return default_value;
  if (value->is_number() && value->get<double>() >= minimum && value->get<double>() <= maximum) {
    return value->get<double>();
  }
  Fail(key, absl::StrCat("a number from ", minimum, " to ", maximum));
  return default_value;
}

bool ConfigReader::Boolean(const std::string& key, bool default_value) {
  const json* value = Find(key);
  if (value == nullptr) return default_value;
  if (value->is_boolean()) return value->get<bool>();
  Fail(key, "true or false");
  return default_value;
}

std::string ConfigReader::Text(const std::string& key, std::string default_value,
                               std::initializer_list<absl::string_view> allowed) {
  const json* value = Find(key);
  if (value == nullptr) return default_value;
  if (value->is_string() && std::find(allowed.begin(), allowed.end(), value->get<std::string>()) != allowed.end()) {
    return value->get<std::string>();
  }
  Fail(key, absl::StrJoin(allowed, ", "));
  return default_value;
}

void ConfigReader::Demand(const std::string& key, const json& supported) {
  const json* value = Find(key);
  if (value != nullptr && *value != supported) Fail(key, supported.dump());
}

void ConfigReader::Fail(const std::string& key, absl::string_view allowed) {
  if (!status_.ok()) return;
  const json* value = Find(key);
  const std::string shown =
      value == nullptr ? "missing" : value->dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 200);
  status_ = absl::InvalidArgumentError(absl::StrCat("config ", prefix_, key, " is ", shown, "; allowed: ", allowed));
}

std::optional<int64_t> ReadPaddingRow(ConfigReader& reader, std::optional<int64_t> default_row, int64_t vocab_size) {
  const std::string key = "pad_token_id";
  if (reader.IsNull(key) || (!reader.Has(key) && !default_row)) return std::nullopt;
  const int64_t row = reader.Integer(key, default_row.value_or(0), -vocab_size);
  if (row >= vocab_size) reader.Fail(key, absl::StrCat("null or an integer below vocab_size, ", vocab_size));
  return row < 0 ? row + vocab_size : row;
}

Activation ReadActivation(ConfigReader& reader, const std::string& key, const std::string& default_name) {
  const std::string name =
      reader.Text(key, default_name, {"relu", "silu", "swish", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"});
  if (name == "relu") return Activation::kRelu;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  return name == "gelu" ? Activation::kGelu : Activation::kGeluTanh;
}

}  // namespace greenplan::trainer
