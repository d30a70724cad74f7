#ifndef GREENPLAN_PLANNER_FILES_JSON_READER_H_
#define GREENPLAN_PLANNER_FILES_JSON_READER_H_

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace greenplan {

// The JSON in a file. The errors of ReadFile. InvalidArgument: "PATH is not JSON", "PATH is not a JSON object".
absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path);
absl::StatusOr<nlohmann::json> ReadJsonObjectFile(const std::string& path);

// One line of text without its end, or several, indented by two. Bytes that are not UTF-8 become U+FFFD.
std::string JsonText(const nlohmann::json& value);
std::string IndentedJsonText(const nlohmann::json& value);

// Reads typed values from a JSON object where nlohmann's own accessors would throw. The first value that is missing or
// not allowed is kept in status() as InvalidArgument, by key and value; it and later ones are answered by `fallback`:
//
//   JsonReader reader(object, "state.json: ");
//   const int64_t round = reader.Integer("next_round", 0);
//   const std::vector<double> losses = reader.Numbers("step_losses");
//   if (!reader.status().ok()) return reader.status();  // "state.json: next_round is "x"; allowed: an integer >= 0"
//
// Holds a reference to the object. Not thread-safe.
class JsonReader {
 public:
  static constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

  // `prefix` stands before the key in messages. An `object` that is none has no key.
  JsonReader(const nlohmann::json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {}

  // Whether the key is there; its value may be null.
  bool Has(const std::string& key) const { return Find(key) != nullptr; }
  bool IsNull(const std::string& key) const;

  // In [minimum, maximum]. A number with a fraction or an exponent is no integer.
  int64_t Integer(const std::string& key, int64_t minimum = kMin, int64_t maximum = kMax, int64_t fallback = 0);
  // In [minimum, maximum].
  double Number(const std::string& key, double minimum = std::numeric_limits<double>::lowest(),
                double maximum = std::numeric_limits<double>::max(), double fallback = 0);
  // Absent for null.
  std::optional<double> OptionalNumber(const std::string& key);
  bool Boolean(const std::string& key, bool fallback = false);
  // Without `allowed`, any text.
  std::string Text(const std::string& key, std::initializer_list<absl::string_view> allowed = {},
                   std::string fallback = "");
  std::vector<double> Numbers(const std::string& key);
  std::vector<std::string> Texts(const std::string& key);
  // As they are; empty ones where they are missing or of another type. Valid as long as the object.
  const nlohmann::json& Array(const std::string& key);
  const nlohmann::json& Object(const std::string& key);
  // Any value; null where it is missing.
  const nlohmann::json& Value(const std::string& key);

  // How messages name a value below this object: PathOf("epochs", 2) is "state.json: epochs[2].".
  std::string PathOf(const std::string& key) const { return prefix_ + key + "."; }
  std::string PathOf(const std::string& key, size_t index) const;

  // Keeps an error about the key: "KEY is VALUE; allowed: ALLOWED".
  void Fail(const std::string& key, absl::string_view allowed);
  const absl::Status& status() const { return status_; }

 private:
  // Null where the key is missing.
  const nlohmann::json* Find(const std::string& key) const;

  const nlohmann::json& object_;
  const std::string prefix_;
  absl::Status status_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FILES_JSON_READER_H_
