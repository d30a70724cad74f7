#include "trainer_client/models/lora.h"

#include <cmath>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace greenplan::trainer {
namespace {

constexpr char kAllLinear[] = "all-linear";
constexpr char kOutputHead[] = "lm_head";

absl::Status CheckOptions(const LoraOptions& options) {
  if (options.rank < 1) {
    return absl::InvalidArgumentError(absl::StrCat("the LoRA rank is ", options.rank, "; allowed: an integer >= 1"));
  }
  if (!std::isfinite(options.alpha) || options.alpha <= 0) {
    return absl::InvalidArgumentError(absl::StrCat("the LoRA alpha is ", options.alpha, "; allowed: a number > 0"));
  }
  if (!(options.dropout >= 0 && options.dropout < 1)) {
    return absl::InvalidArgumentError(absl::StrCat("the LoRA dropout is ", options.dropout, "; allowed: in [0, 1)"));
  }
  return absl::OkStatus();
}

bool Matches(const std::string& layer, const std::string& target) {
  if (target == kAllLinear) return layer != kOutputHead && !absl::EndsWith(layer, absl::StrCat(".", kOutputHead));
  return layer == target || absl::EndsWith(layer, absl::StrCat(".", target));
}

double Scale(const LoraOptions& options) {
  const auto rank = static_cast<double>(options.rank);
  return options.alpha / (options.use_rslora ? std::sqrt(rank) : rank);
}

}  // namespace

std::map<std::string, Linear*> LinearLayers(torch::nn::Module& model) {
  std::map<std::string, Linear*> layers;
  for (const auto& module : model.named_modules()) {
    if (auto* linear = module.value()->as<Linear>()) layers.emplace(module.key(), linear);
  }
  return layers;
}

absl::StatusOr<std::vector<std::string>> TargetLayers(torch::nn::Module& model,
                                                      const std::vector<std::string>& targets) {
  const std::map<std::string, Linear*> layers = LinearLayers(model);
  std::set<std::string> names;
  for (const std::string& target : targets) {
    bool found = false;
    for (const auto& [name, layer] : layers) {
      if (!Matches(name, target)) continue;
      names.insert(name);
      found = true;
    }
    if (!found) {
      return absl::InvalidArgumentError(absl::StrCat("the LoRA target \"", target,
                                                     "\" matches no linear layer; layers are ",
                                                     layers.empty() ? "none" : layers.begin()->first, ", ..."));
    }
  }
  if (names.empty()) return absl::InvalidArgumentError("there is no LoRA target; name at least one");
  return std::vector<std::string>(names.begin(), names.end());
}

absl::StatusOr<std::vector<std::string>> AddLora(torch::nn::Module& model, const LoraOptions& options) {
  absl::StatusOr<std::vector<std::string>> names = TargetLayers(model, options.targets);
  if (!names.ok()) return names.status();
  if (absl::Status status = AddUninitializedLora(model, *names, options); !status.ok()) return status;
  const torch::NoGradGuard no_grad;
  std::map<std::string, Linear*> layers = LinearLayers(model);
  for (const std::string& name : *names) {
    const LowRankAddition& addition = *layers.at(name)->low_rank();
    // Kaiming's uniform distribution with a = sqrt(5), which is that of a linear layer's weight.
    const double bound = 1 / std::sqrt(static_cast<double>(addition.a.size(1)));
    torch::Tensor a = addition.a, b = addition.b;
    a.uniform_(-bound, bound);
    b.zero_();
  }
  return names;
}

absl::Status AddUninitializedLora(torch::nn::Module& model, const std::vector<std::string>& names,
                                  const LoraOptions& options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  std::map<std::string, Linear*> layers = LinearLayers(model);
  for (const std::string& name : names) {
    const auto layer = layers.find(name);
    if (layer == layers.end()) return absl::InvalidArgumentError(absl::StrCat(name, " is not a linear layer"));
    if (layer->second->low_rank() != nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(name, " has a LoRA adapter already"));
    }
  }
  for (torch::Tensor& parameter : model.parameters()) parameter.set_requires_grad(false);
  for (const std::string& name : names) {
    const LowRankAddition& addition = layers.at(name)->AddLowRank(options.rank, Scale(options), options.dropout);
    for (torch::Tensor factor : {addition.a, addition.b}) factor.set_requires_grad(true);
  }
  return absl::OkStatus();
}

}  // namespace greenplan::trainer
