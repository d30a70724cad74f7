#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "planner/capi/calls.h"
#include "planner/convert/convert.h"
#include "planner/convert/files.h"
#include "planner/core/invalid_argument.h"
#include "planner/files/json_reader.h"
#include "profiler/analytic/analytic.h"

namespace greenplan {
namespace {

// The request without its config.
absl::StatusOr<nlohmann::json> Settings(const Request& request, const std::vector<absl::string_view>& keys) {
  nlohmann::json settings = nlohmann::json::object();
  for (const absl::string_view key : keys) {
    if (!request.Has(key)) continue;
    absl::StatusOr<nlohmann::json> value = request.ReadJson(key);
    if (!value.ok()) return value.status();
    settings[std::string(key)] = *std::move(value);
  }
  return settings;
}

// Reads the settings that are there; the others keep their defaults. Names the first one that is wrong.
class SettingsReader {
 public:
  explicit SettingsReader(const nlohmann::json& settings) : settings_(settings) {}

  void Integer(const std::string& key, int64_t minimum, int64_t& value) {
    Read(key, [&](JsonReader& reader) { value = reader.Integer(key, minimum); });
  }
  void Length(const std::string& key, std::optional<int64_t>& value) {
    Read(key, [&](JsonReader& reader) { value = reader.Integer(key, 1); });
  }
  void Text(const std::string& key, std::initializer_list<absl::string_view> allowed, std::string& value) {
    Read(key, [&](JsonReader& reader) { value = reader.Text(key, allowed); });
  }
  const absl::Status& status() const { return status_; }

 private:
  template <typename ReadValue>
  void Read(const std::string& key, const ReadValue& read_value) {
    if (!status_.ok() || !settings_.contains(key)) return;
    JsonReader reader(settings_, "");
    read_value(reader);
    if (!reader.status().ok()) status_ = WithField(reader.status(), key);
  }

  const nlohmann::json& settings_;
  absl::Status status_;
};

absl::StatusOr<profiler::AnalyticOptions> ReadOptions(const nlohmann::json& settings) {
  SettingsReader reader(settings);
  profiler::AnalyticOptions options;
  std::string attention = "sdpa";
  std::string dtype = "float32";
  reader.Integer("batch_size", 1, options.batch_size);
  reader.Length("seq_len", options.seq_len);
  reader.Length("target_len", options.target_len);
  reader.Integer("lora_rank", 0, options.lora_rank);
  reader.Text("head", {"causal-lm", "masked-lm", "classifier", "none"}, options.head);
  reader.Text("attention", {"sdpa", "eager"}, attention);
  reader.Text("dtype", {}, dtype);
  if (!reader.status().ok()) return reader.status();
  options.attention = attention == "eager" ? profiler::Attention::kEager : profiler::Attention::kSdpa;
  const absl::StatusOr<int64_t> bytes = profiler::BytesPerElement(dtype);
  if (!bytes.ok()) return WithField(bytes.status(), "dtype");
  options.bytes_per_element = *bytes;
  return options;
}

}  // namespace

Answer ProfileConfig(absl::string_view request) {
  const std::vector<absl::string_view> settings_keys = {"batch_size", "seq_len",   "target_len", "attention",
                                                        "dtype",      "lora_rank", "head"};
  std::vector<absl::string_view> keys = settings_keys;
  keys.push_back("config");
  const absl::StatusOr<Request> parsed = Request::Parse(request, keys);
  if (!parsed.ok()) return parsed.status();
  const absl::StatusOr<nlohmann::json> config = parsed->ReadJson("config");
  if (!config.ok()) return config.status();
  if (!config->is_object()) return InvalidArgument("config", " is missing; required: the object of a config.json");
  const absl::StatusOr<nlohmann::json> settings = Settings(*parsed, settings_keys);
  if (!settings.ok()) return settings.status();
  const absl::StatusOr<profiler::AnalyticOptions> options = ReadOptions(*settings);
  if (!options.ok()) return options.status();
  const absl::StatusOr<ModelProfile> profile = profiler::AnalyticProfile(*config, *options);
  if (!profile.ok())
    return FieldOf(profile.status()).empty() ? WithField(profile.status(), "config") : profile.status();
  return MessageToJson(ModelProfileToProto(*profile));
}

}  // namespace greenplan
