#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_CONFIG_READER_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_CONFIG_READER_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "planner/files/json_reader.h"
#include "trainer_client/models/activation.h"

namespace greenplan::trainer {

// Reads typed values from one object of a config.json: a JsonReader where missing keys have defaults. If a key is
// missing or null, the default is returned. If a value is not allowed, the default is returned, too, and status()
// reports the first such value. So a caller reads all values first and checks the status once.
//
//   ConfigReader reader(config, "");
//   const int64_t layers = reader.Integer("num_hidden_layers", 32, 1);
//   if (!reader.status().ok()) return reader.status();
//
// Keeps a reference to the object, which must outlive the reader. Not thread-safe.
class ConfigReader {
 public:
  // In messages `prefix` comes before the key, for example "rope_parameters.".
  ConfigReader(const nlohmann::json& object, const std::string& prefix) : reader_(object, "config " + prefix) {}

  // Returns whether the key is there and its value is not null.
  bool Has(const std::string& key) const { return reader_.Has(key) && !reader_.IsNull(key); }

  // Returns whether the key is there and its value is null.
  bool IsNull(const std::string& key) const { return reader_.IsNull(key); }

  // Returns an integer in [minimum, 2^31 - 1].
  int64_t Integer(const std::string& key, int64_t default_value, int64_t minimum);

  // Returns a number in [minimum, maximum].
  double Number(const std::string& key, double default_value, double minimum, double maximum);

  // Returns true or false.
  bool Boolean(const std::string& key, bool default_value);

  // Returns one of the strings in `allowed`.
  std::string Text(const std::string& key, std::string default_value, std::initializer_list<absl::string_view> allowed);

  // Returns any text; "" if the key is missing or its value is not text, which is no error.
  std::string AnyText(const std::string& key);

  // Refuses every value except `supported`. The key may be missing.
  void Demand(const std::string& key, const nlohmann::json& supported);

  // Refuses the value of `key`. In the message `allowed` follows "allowed: ". Does nothing if status() already reports
  // another value.
  void Fail(const std::string& key, absl::string_view allowed) { reader_.Fail(key, allowed); }

  // Returns INVALID_ARGUMENT with the key, the value and what is allowed if a value was refused; otherwise OK.
  const absl::Status& status() const { return reader_.status(); }

 private:
  JsonReader reader_;
};

// Returns `pad_token_id` as a row of the embedding in [0, vocab_size). A negative value counts from the end. If the
// value is null, there is no padding row.
std::optional<int64_t> ReadPaddingRow(ConfigReader& reader, std::optional<int64_t> default_row, int64_t vocab_size);

// Returns the activation that is named under `key`. If the name is unknown, the reader's status reports it.
Activation ReadActivation(ConfigReader& reader, const std::string& key, const std::string& default_name);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_CONFIG_READER_H_
