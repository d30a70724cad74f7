#include "trainer_client/models/special_tokens.h"

#include <string>

#include "trainer_client/models/config_reader.h"
#include "trainer_client/models/families/family.h"

namespace greenplan::trainer {
namespace {

constexpr SpecialTokens kOptTokens = {.bos = 2, .eos = 2};

std::optional<int64_t> ReadToken(ConfigReader& reader, const nlohmann::json& config, const std::string& key,
                                 std::optional<int64_t> default_id) {
  if (reader.IsNull(key)) return std::nullopt;
  if (!reader.Has(key)) return default_id;
  if (!config[key].is_array()) return reader.Integer(key, 0, 0);
  const nlohmann::json& list = config[key];
  if (!list.empty() && list[0].is_number_unsigned()) return list[0].get<int64_t>();
  reader.Fail(key, "null, an integer >= 0, or a list of such integers");
  return std::nullopt;
}

}  // namespace

absl::StatusOr<SpecialTokens> ReadSpecialTokens(const nlohmann::json& config) {
  ConfigReader reader(config, "");
  const DecoderFamily* family = FindDecoderFamily(reader.AnyText("model_type"));
  const SpecialTokens defaults = family == nullptr ? kOptTokens : family->special_tokens;
  SpecialTokens tokens;
  tokens.bos = ReadToken(reader, config, "bos_token_id", defaults.bos);
  tokens.eos = ReadToken(reader, config, "eos_token_id", defaults.eos);
  if (!reader.status().ok()) return reader.status();
  tokens.has_several_eos =
      reader.Has("eos_token_id") && config["eos_token_id"].is_array() && config["eos_token_id"].size() > 1;
  return tokens;
}

}  // namespace greenplan::trainer
