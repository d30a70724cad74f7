#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_CONFIG_READER_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_CONFIG_READER_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "trainer_client/models/activation.h"

namespace greenplan::trainer {

// Reads typed values from one object of a config.json. A key that is missing or null takes the default. The first value
// that is not allowed is kept in status(), by key and value; later calls go on with defaults.
//
//   ConfigReader reader(config, "");
//   const int64_t layers = reader.Integer("num_hidden_layers", 32, 1);
//   if (!reader.status().ok()) return reader.status();
//
// Holds a reference to the object. Not thread-safe.
class ConfigReader {
 public:
  // `prefix` stands before the key in messages, as in "rope_parameters.".
  ConfigReader(const nlohmann::json& object, std::string prefix);

  bool Has(const std::string& key) const;
  bool IsNull(const std::string& key) const;
  // In [minimum, 2^31 - 1].
  int64_t Integer(const std::string& key, int64_t default_value, int64_t minimum);
  // In [minimum, maximum].
  double Number(const std::string& key, double default_value, double minimum, double maximum);
  bool Boolean(const std::string& key, bool default_value);
  std::string Text(const std::string& key, std::string default_value, std::initializer_list<absl::string_view> allowed);
  // Refuses any value but `supported`; missing counts as supported.
  void Demand(const std::string& key, const nlohmann::json& supported);

  void Fail(const std::string& key, absl::string_view allowed);
  const absl::Status& status() const { return status_; }

 private:
  // Null where the key is missing or null.
  const nlohmann::json* Find(const std::string& key) const;

  const nlohmann::json& object_;
  std::string prefix_;
  absl::Status status_;
};

// `pad_token_id` as a row of the embedding, in [0, vocab_size): a negative one counts from the end, an explicit null is
// none.
std::optional<int64_t> ReadPaddingRow(ConfigReader& reader, std::optional<int64_t> default_row, int64_t vocab_size);

// The activation named under `key`; an unknown name fails the reader.
Activation ReadActivation(ConfigReader& reader, const std::string& key, const std::string& default_name);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_CONFIG_READER_H_
