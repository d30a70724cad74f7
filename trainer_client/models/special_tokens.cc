#include "trainer_client/models/special_tokens.h"

#include <string>

#include "trainer_client/models/config_reader.h"

namespace greenplan::trainer {
namespace {

std::optional<int64_t> ReadToken(ConfigReader& reader, const nlohmann::json& config, const std::string& key,
                                 int64_t default_id) {
  if (reader.IsNull(key)) return std::nullopt;
  if (!reader.Has(key) || !config[key].is_array()) return reader.Integer(key, default_id, 0);
  const nlohmann::json& list = config[key];
  if (!list.empty() && list[0].is_number_unsigned()) return list[0].get<int64_t>();
  reader.Fail(key, "null, an integer >= 0, or a list of such integers");
  return std::nullopt;
}

}  // namespace

absl::StatusOr<SpecialTokens> ReadSpecialTokens(const nlohmann::json& config) {
  ConfigReader reader(config, "");
  const bool is_llama = reader.Text("model_type", "", {"llama", "opt"}) == "llama";
  SpecialTokens tokens;
  tokens.bos = ReadToken(reader, config, "bos_token_id", is_llama ? 1 : 2);
  tokens.eos = ReadToken(reader, config, "eos_token_id", 2);
  if (!reader.status().ok()) return reader.status();
  return tokens;
}

}  // namespace greenplan::trainer
