#include "trainer_client/models/rope_config.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "trainer_client/models/config_reader.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;
using Type = RopeConfig::Type;

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

// In transformers, a 0 stands for the default.
double PositiveOrDefault(ConfigReader& reader, const std::string& key, double default_value) {
  const double value = reader.Number(key, default_value, 0, kLargest);
  return value > 0 ? value : default_value;
}

// The scaling factor, which may be null: it then follows from the positions before and after the scaling.
double FactorOrRatio(ConfigReader& reader, const RopeConfig& rope) {
  if (reader.Has("factor")) return Positive(reader, "factor", 1);
  return static_cast<double>(rope.max_position_embeddings) / static_cast<double>(rope.original_max_position_embeddings);
}

void ReadLlama3(ConfigReader& reader, RopeConfig& rope) {
  rope.factor = Required(reader, "factor");
  rope.low_freq_factor = Required(reader, "low_freq_factor");
  rope.high_freq_factor = Required(reader, "high_freq_factor");
  if (rope.high_freq_factor <= rope.low_freq_factor) {
    reader.Fail("high_freq_factor", absl::StrCat("more than low_freq_factor, ", rope.low_freq_factor));
  }
}

// The factor of YaRN's paper for a scale and a weight of its logarithm.
double MagnitudeScale(double scale, double weight) { return scale <= 1 ? 1 : 0.1 * weight * std::log(scale) + 1; }

void ReadYarn(ConfigReader& reader, RopeConfig& rope) {
  if (!reader.Has("factor") && !reader.IsNull("factor")) reader.Fail("factor", "null or a number above 0");
  rope.factor = FactorOrRatio(reader, rope);
  rope.beta_fast = PositiveOrDefault(reader, "beta_fast", rope.beta_fast);
  rope.beta_slow = PositiveOrDefault(reader, "beta_slow", rope.beta_slow);
  rope.truncate = reader.Boolean("truncate", rope.truncate);
  const double mscale = reader.Number("mscale", 0, 0, kLargest);
  const double mscale_all_dim = reader.Number("mscale_all_dim", 0, 0, kLargest);
  const double default_scale = mscale > 0 && mscale_all_dim > 0
                                   ? MagnitudeScale(rope.factor, mscale) / MagnitudeScale(rope.factor, mscale_all_dim)
                                   : MagnitudeScale(rope.factor, 1);
  rope.attention_factor = Positive(reader, "attention_factor", default_scale);
}

std::vector<double> ReadFactors(ConfigReader& reader, const json& scaling, const std::string& key, int64_t count) {
  const bool is_list = reader.Has(key) && scaling[key].is_array() &&
                       scaling[key].size() == static_cast<size_t>(count) &&
                       std::all_of(scaling[key].begin(), scaling[key].end(), [](const json& value) {
                         return value.is_number() && value.get<double>() > 0 && value.get<double>() <= kLargest;
                       });
  if (is_list) return scaling[key].get<std::vector<double>>();
  reader.Fail(key, absl::StrCat("a list of ", count, " numbers above 0, half as many as a head has dimensions"));
  return {};
}

void ReadLongRope(ConfigReader& reader, const json& scaling, int64_t head_dim, RopeConfig& rope) {
  rope.short_factor = ReadFactors(reader, scaling, "short_factor", head_dim / 2);
  rope.long_factor = ReadFactors(reader, scaling, "long_factor", head_dim / 2);
  const double scale = FactorOrRatio(reader, rope);
  const double original = static_cast<double>(rope.original_max_position_embeddings);
  if (scale > 1 && original <= 1) {
    reader.Fail("original_max_position_embeddings", "an integer above 1");
    return;
  }
  rope.attention_factor =
      Positive(reader, "attention_factor", scale <= 1 ? 1 : std::sqrt(1 + std::log(scale) / std::log(original)));
}

Type ReadType(ConfigReader& reader) {
  const std::string key = reader.Has("rope_type") ? "rope_type" : "type";
  const std::string name = reader.Text(key, "default", {"default", "linear", "dynamic", "llama3", "yarn", "longrope"});
  if (name == "linear") return Type::kLinear;
  if (name == "dynamic") return Type::kDynamic;
  if (name == "llama3") return Type::kLlama3;
  if (name == "yarn") return Type::kYarn;
  return name == "longrope" ? Type::kLongRope : Type::kDefault;
}

}  // namespace

absl::StatusOr<RopeConfig> ParseRopeConfig(const json& config, const RopeDefaults& defaults) {
  RopeConfig rope;
  rope.max_position_embeddings = defaults.max_position_embeddings;
  ConfigReader top(config, "");
  rope.theta = Positive(top, "rope_theta", defaults.theta);
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
  rope.type = ReadType(reader);
  if (rope.type == Type::kDefault) return reader.status().ok() ? absl::StatusOr<RopeConfig>(rope) : reader.status();
  reader.Demand("partial_rotary_factor", 1.0);
  if (!reader.Has("partial_rotary_factor")) top.Demand("partial_rotary_factor", 1.0);
  rope.original_max_position_embeddings =
      (top.Has("original_max_position_embeddings") ? top : reader)
          .Integer("original_max_position_embeddings", defaults.max_position_embeddings, 1);
  if (rope.type == Type::kLinear || rope.type == Type::kDynamic) rope.factor = Required(reader, "factor");
  if (rope.type == Type::kLlama3) ReadLlama3(reader, rope);
  if (rope.type == Type::kYarn) ReadYarn(reader, rope);
  if (rope.type == Type::kLongRope) ReadLongRope(reader, config[name], defaults.head_dim, rope);
  if (!top.status().ok()) return top.status();
  if (!reader.status().ok()) return reader.status();
  return rope;
}

}  // namespace greenplan::trainer
