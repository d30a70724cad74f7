#include "trainer_client/models/causal_lm.h"

#include <exception>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "c10/util/Exception.h"
#include "trainer_client/models/config_reader.h"
#include "trainer_client/models/layers.h"
#include "trainer_client/models/llama.h"
#include "trainer_client/models/opt.h"

namespace greenplan::trainer {
namespace {

struct Built {
  std::shared_ptr<CausalLm> model;
  double initializer_range;
};

absl::StatusOr<Built> BuildLlama(const nlohmann::json& config, Attention attention) {
  absl::StatusOr<LlamaConfig> parsed = ParseLlamaConfig(config);
  if (!parsed.ok()) return parsed.status();
  return Built{MakeLlama(*parsed, attention), parsed->initializer_range};
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

absl::StatusOr<Built> Build(const nlohmann::json& config, Attention attention) {
  if (!config.is_object())
    return absl::InvalidArgumentError("config is not a JSON object; a config.json must hold one");
  ConfigReader reader(config, "");
  const std::string model_type = reader.Text("model_type", "", {"llama", "opt"});
  if (model_type.empty()) reader.Fail("model_type", "llama, opt");
  const std::string head = model_type == "opt" ? "OPTForCausalLM" : "LlamaForCausalLM";
  if (reader.Has("architectures") &&
      (!config["architectures"].is_array() || config["architectures"].empty() || config["architectures"][0] != head)) {
    reader.Fail("architectures", absl::StrCat("[\"", head, "\"]"));
  }
  if (reader.Has("quantization_config"))
    reader.Fail("quantization_config", "no such key, because the weights must be floating point");
  if (!reader.status().ok()) return reader.status();
  try {
    return model_type == "opt" ? BuildOpt(config, attention) : BuildLlama(config, attention);
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
