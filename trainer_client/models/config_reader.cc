#include "trainer_client/models/config_reader.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace greenplan::trainer {

using nlohmann::json;

int64_t ConfigReader::Integer(const std::string& key, int64_t default_value, int64_t minimum) {
  if (!Has(key)) return default_value;
  return reader_.Integer(key, minimum, std::numeric_limits<int32_t>::max(), default_value);
}

double ConfigReader::Number(const std::string& key, double default_value, double minimum, double maximum) {
  return Has(key) ? reader_.Number(key, minimum, maximum, default_value) : default_value;
}

bool ConfigReader::Boolean(const std::string& key, bool default_value) {
  return Has(key) ? reader_.Boolean(key, default_value) : default_value;
}

std::string ConfigReader::Text(const std::string& key, std::string default_value,
                               std::initializer_list<absl::string_view> allowed) {
  return Has(key) ? reader_.Text(key, allowed, std::move(default_value)) : default_value;
}

std::string ConfigReader::AnyText(const std::string& key) {
  const json* value = reader_.Has(key) ? &reader_.Value(key) : nullptr;
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

void ConfigReader::Demand(const std::string& key, const json& supported) {
  if (Has(key) && reader_.Value(key) != supported) Fail(key, supported.dump());
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
