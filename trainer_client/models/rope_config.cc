#include "trainer_client/models/rope_config.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "trainer_client/models/config_reader.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

constexpr double kLargest = std::numeric_limits<float>::max();

double Positive(ConfigReader& reader, const std::string& key, double default_value) {
  const double value = reader.Number(key, default_value, 0, kLargest);
  if (!(value > 0)) reader.Fail(key, "a number above 0");
  return value;
}

double Required(ConfigReader& reader, const std::string& key) {
  if (!reader.Has(key)) reader.Fail(key, "a number above 0");
  return Positive(reader, key, 1);
}

}  // namespace

absl::StatusOr<RopeConfig> ParseRopeConfig(const json& config, int64_t max_position_embeddings) {
  RopeConfig rope;
  ConfigReader top(config, "");
  top.Demand("partial_rotary_factor", 1.0);
  rope.theta = Positive(top, "rope_theta", rope.theta);
  if (!top.status().ok()) return top.status();

  // If rope_scaling is not empty, rope_parameters is ignored, as in transformers.
  std::string name = "rope_scaling";
  if (!top.Has(name) || config[name].empty()) name = "rope_parameters";
  if (!top.Has(name)) return rope;
  if (!config[name].is_object()) {
    top.Fail(name, "an object");
    return top.status();
  }
  ConfigReader reader(config[name], absl::StrCat(name, "."));
  rope.theta = Positive(reader, "rope_theta", rope.theta);
  reader.Demand("partial_rotary_factor", 1.0);
  const std::string type =
      reader.Text(reader.Has("rope_type") ? "rope_type" : "type", "default", {"default", "linear", "llama3"});
  if (type != "default") rope.factor = Required(reader, "factor");
  if (type == "linear") rope.type = RopeConfig::Type::kLinear;
  if (type == "llama3") {
    rope.type = RopeConfig::Type::kLlama3;
    rope.low_freq_factor = Required(reader, "low_freq_factor");
    rope.high_freq_factor = Required(reader, "high_freq_factor");
    if (rope.high_freq_factor <= rope.low_freq_factor) {
      reader.Fail("high_freq_factor", absl::StrCat("more than low_freq_factor, ", rope.low_freq_factor));
    }
    rope.original_max_position_embeddings =
        top.Has("original_max_position_embeddings")
            ? top.Integer("original_max_position_embeddings", max_position_embeddings, 1)
            : reader.Integer("original_max_position_embeddings", max_position_embeddings, 1);
  }
  if (!top.status().ok()) return top.status();
  if (!reader.status().ok()) return reader.status();
  return rope;
}

}  // namespace greenplan::trainer
