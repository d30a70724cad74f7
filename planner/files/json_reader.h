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

// Returns the JSON value that a text holds. A byte order mark at the beginning is skipped. InvalidArgument says where
// the text stops to be JSON and why: "is not JSON at line 1, column 44: NaN is no JSON value, though Python writes it
// (json.dumps)".
absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text);

// Return the JSON value in a file. The second function refuses every value except an object. Errors are those of
// ReadFile, and InvalidArgument: that of ParseJson behind the path, or "PATH is not a JSON object".
absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path);
absl::StatusOr<nlohmann::json> ReadJsonObjectFile(const std::string& path);

// Return the value as JSON text, without a line break at the end: the first function on one line, the second on several
// lines that are indented by two spaces. Bytes that are not UTF-8 become U+FFFD.
std::string JsonText(const nlohmann::json& value);
std::string IndentedJsonText(const nlohmann::json& value);

// Reads typed values from a JSON object, without exceptions (nlohmann's own accessors throw). If a key is missing or
// its value is not allowed, the reader returns `fallback`, and status() reports the first such key. So a caller reads
// all values first and checks the status once:
//
//   JsonReader reader(object, "state.json: ");
//   const int64_t round = reader.Integer("next_round", 0);
//   const std::vector<double> losses = reader.Numbers("step_losses");
//   if (!reader.status().ok()) return reader.status();  // "state.json: next_round is "x"; allowed: an integer >= 0"
//
// Keeps a reference to the object, which must outlive the reader. Not thread-safe.
class JsonReader {
 public:
  // The limits of an integer that may have any value.
  static constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

  // In messages `prefix` comes before the key. If `object` is another kind of value, every key is missing.
  JsonReader(const nlohmann::json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {}

  // Returns whether the key is there. Its value may be null.
  bool Has(const std::string& key) const { return Find(key) != nullptr; }
  // Returns whether the key is there and its value is null.
  bool IsNull(const std::string& key) const;

  // Returns an integer in [minimum, maximum]. A number that is written with a fraction or an exponent is not an
  // integer.
  int64_t Integer(const std::string& key, int64_t minimum = kMin, int64_t maximum = kMax, int64_t fallback = 0);
  // Returns a number in [minimum, maximum].
  double Number(const std::string& key, double minimum = std::numeric_limits<double>::lowest(),
                double maximum = std::numeric_limits<double>::max(), double fallback = 0);
  // Returns nullopt if the value is null. The key must be there.
  std::optional<double> OptionalNumber(const std::string& key);
  // Returns true or false. Numbers and texts are refused.
  bool Boolean(const std::string& key, bool fallback = false);
  // Returns one of the texts in `allowed`, or any text if `allowed` is empty.
  std::string Text(const std::string& key, std::initializer_list<absl::string_view> allowed = {},
                   std::string fallback = "");
  // Returns an array of numbers. The key must be there; empty on an error.
  std::vector<double> Numbers(const std::string& key);
  // Returns an array of texts. The key must be there; empty on an error.
  std::vector<std::string> Texts(const std::string& key);
  // Return the value itself, or an empty one if it is missing or has another type. Valid as long as the object.
  const nlohmann::json& Array(const std::string& key);
  const nlohmann::json& Object(const std::string& key);
  // Returns a value of any type. The key must be there.
  const nlohmann::json& Value(const std::string& key);

  // Return the prefix for a reader of an object below this one: PathOf("epochs", 2) is "state.json: epochs[2].".
  std::string PathOf(const std::string& key) const { return prefix_ + key + "."; }
  std::string PathOf(const std::string& key, size_t index) const;

  // Refuses the value of `key`: status() is then "PREFIX KEY is VALUE; allowed: ALLOWED". Does nothing if status()
  // reports another key already.
  void Fail(const std::string& key, absl::string_view allowed);
  const absl::Status& status() const { return status_; }

 private:
  // Returns a null pointer if the key is missing.
  const nlohmann::json* Find(const std::string& key) const;

  const nlohmann::json& object_;
  const std::string prefix_;
  absl::Status status_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FILES_JSON_READER_H_
