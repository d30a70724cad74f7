#include "trainer_client/models/causal_lm.h"

#include <exception>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "c10/util/Exception.h"
#include "trainer_client/models/config_reader.h"
#include "trainer_client/models/decoder.h"
#include "trainer_client/models/families/family.h"
#include "trainer_client/models/layers.h"
#include "trainer_client/models/opt.h"

namespace greenplan::trainer {
namespace {

struct Built {
  std::shared_ptr<CausalLm> model;
  double initializer_range;
};

absl::StatusOr<Built> BuildDecoder(const DecoderFamily& family, const nlohmann::json& config, Attention attention) {
  absl::StatusOr<DecoderConfig> parsed = ParseDecoderConfig(family, config);
  if (!parsed.ok()) return parsed.status();
  return Built{MakeDecoder(*parsed, attention), parsed->initializer_range};
}

absl::StatusOr<Built> BuildOpt(const nlohmann::json& config, Attention attention) {
  absl::StatusOr<OptConfig> parsed = ParseOptConfig(config);
  if (!parsed.ok()) return parsed.status();
  return Built{MakeOpt(*parsed, attention), parsed->init_std};
}

// Returns the first line of an exception's text, without LibTorch's backtrace.
std::string Reason(const std::exception& e) {
  const auto* error = dynamic_cast<const c10::Error*>(&e);
  const std::string text = error == nullptr ? e.what() : error->what_without_backtrace();
  return text.substr(0, text.find('\n'));
}

// "llama, mistral, ..., opt".
std::string SupportedModelTypes() {
  std::string types;
  for (const DecoderFamily* family : DecoderFamilies()) absl::StrAppend(&types, family->model_type, ", ");
  return types + "opt";
}

// Whether `architectures` names no class or, first, that one; an old spelling differs in case ("LLaMAForCausalLM").
bool IsOfClass(const nlohmann::json& architectures, const std::string& head) {
  if (!architectures.is_array()) return false;
  return architectures.empty() ||
         (architectures[0].is_string() && absl::EqualsIgnoreCase(architectures[0].get_ref<const std::string&>(), head));
}

// Refuses a config of another head than the causal language model's, and weights that are no numbers of their own.
void CheckClass(ConfigReader& reader, const nlohmann::json& config, const std::string& head) {
  if (reader.Has("architectures") && !IsOfClass(config["architectures"], head)) {
    reader.Fail("architectures", absl::StrCat("[\"", head, "\"]"));
  }
  if (reader.Has("quantization_config"))
    reader.Fail("quantization_config", "no such key, because the weights must be floating point");
}

absl::StatusOr<Built> Build(const nlohmann::json& config, Attention attention) {
  if (!config.is_object())
    return absl::InvalidArgumentError("config is not a JSON object; a config.json must hold one");
  ConfigReader reader(config, "");
  const std::string model_type = reader.AnyText("model_type");
  const DecoderFamily* family = FindDecoderFamily(model_type);
  if (family == nullptr && model_type != "opt") {
    reader.Fail("model_type", SupportedModelTypes() + "; others are fine-tuned from Python, with greenplan.attach");
  }
  CheckClass(reader, config, family == nullptr ? "OPTForCausalLM" : family->architecture);
  if (!reader.status().ok()) return reader.status();
  try {
    return family == nullptr ? BuildOpt(config, attention) : BuildDecoder(*family, config, attention);
  } catch (const std::exception& e) {
    return absl::ResourceExhaustedError(absl::StrCat("a model of this config cannot be allocated: ", Reason(e)));
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<CausalLm>> CreateUninitializedCausalLm(const nlohmann::json& config,
                                                                      Attention attention) {
  absl::StatusOr<Built> built = Build(config, attention);
  if (!built.ok()) return built.status();
  return std::move(built->model);
}

absl::StatusOr<std::shared_ptr<CausalLm>> CreateCausalLm(const nlohmann::json& config, Attention attention) {
  absl::StatusOr<Built> built = Build(config, attention);
  if (!built.ok()) return built.status();
  InitializeWeights(*built->model, built->initializer_range);
  return std::move(built->model);
}

torch::Tensor CausalLmLoss(const torch::Tensor& logits, const torch::Tensor& labels) {
  // The last position has no label. Padding the labels avoids a copy of the logits without that position.
  const torch::Tensor next = at::constant_pad_nd(labels.narrow(1, 1, labels.size(1) - 1), {0, 1}, -100);
  return at::cross_entropy_loss(logits.to(torch::kFloat).view({-1, logits.size(-1)}), next.reshape({-1}),
                                /*weight=*/{}, at::Reduction::Mean, /*ignore_index=*/-100);
}

}  // namespace greenplan::trainer
