#include "trainer_client/finetune/run_model.h"

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "planner/files/json_reader.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;

absl::Status WithFlag(const char* flag, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(flag, ": ", status.message()));
}

Attention AttentionOf(const FinetuneOptions& options) {
  return options.attention == "eager" ? Attention::kEager : Attention::kSdpa;
}

absl::StatusOr<Checkpoint> NewModel(const FinetuneOptions& options) {
  absl::StatusOr<nlohmann::json> config = ReadJsonObjectFile(options.config);
  if (!config.ok()) return WithFlag("--model-config", config.status());
  absl::StatusOr<std::shared_ptr<CausalLm>> model = CreateCausalLm(*config, AttentionOf(options));
  if (!model.ok()) {
    return WithFlag("--model-config",
                    absl::Status(model.status().code(), absl::StrCat(options.config, ": ", model.status().message())));
  }
  return Checkpoint{*std::move(config), *std::move(model)};
}

absl::StatusOr<Checkpoint> LoadFolder(const char* flag, const std::string& folder, const FinetuneOptions& options) {
  absl::StatusOr<Checkpoint> checkpoint = LoadCheckpoint(folder, AttentionOf(options));
  if (!checkpoint.ok()) return WithFlag(flag, checkpoint.status());
  return checkpoint;
}

absl::StatusOr<Checkpoint> LoadBase(const FinetuneOptions& options) {
  return options.config.empty() ? LoadFolder("--base", options.base, options) : NewModel(options);
}

// What adapter_config.json names as the base: a path that does not depend on the current folder.
std::string BaseName(const std::string& base) { return base.empty() ? "" : fs::absolute(base).lexically_normal(); }

absl::Status AddNewAdapter(const FinetuneOptions& options, Checkpoint& checkpoint) {
  LoraOptions lora;
  lora.rank = options.lora->rank;
  lora.alpha = options.lora->alpha;
  lora.targets = options.lora->targets;
  const absl::StatusOr<std::vector<std::string>> layers = AddLora(*checkpoint.model, lora);
  if (!layers.ok()) return WithFlag("--lora-targets", layers.status());
  checkpoint.adapter = Adapter{std::move(lora), BaseName(options.base)};
  return absl::OkStatus();
}

absl::Status AddAdapterOf(const char* flag, const std::string& folder, const std::string& base,
                          Checkpoint& checkpoint) {
  absl::StatusOr<Adapter> adapter = LoadAdapter(folder, *checkpoint.model);
  if (!adapter.ok()) return WithFlag(flag, adapter.status());
  if (!base.empty()) adapter->base = BaseName(base);
  checkpoint.adapter = *std::move(adapter);
  return absl::OkStatus();
}

absl::Status Contradicts(const char* flag, const auto& value, const auto& before, const std::string& folder) {
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " is ", value, "; allowed with --resume: ", before, ", as in the run in ", folder));
}

std::vector<std::string> AdaptedLayers(torch::nn::Module& model) {
  std::vector<std::string> names;
  for (const auto& [name, layer] : LinearLayers(model)) {
    if (layer->low_rank() != nullptr) names.push_back(name);
  }
  return names;
}

// The flags of LoRA may be left out on a resume. Those that are given must be the run's.
absl::Status CheckLora(const FinetuneOptions& options, const Checkpoint& checkpoint, const std::string& folder) {
  if (!options.lora.has_value()) return absl::OkStatus();
  const LoraOptions& before = checkpoint.adapter->options;
  if (options.lora->rank != before.rank) return Contradicts("--lora-rank", options.lora->rank, before.rank, folder);
  if (options.lora->alpha != before.alpha) {
    return Contradicts("--lora-alpha", options.lora->alpha, before.alpha, folder);
  }
  const absl::StatusOr<std::vector<std::string>> layers = TargetLayers(*checkpoint.model, options.lora->targets);
  if (!layers.ok()) return WithFlag("--lora-targets", layers.status());
  if (*layers == AdaptedLayers(*checkpoint.model)) return absl::OkStatus();
  return Contradicts("--lora-targets", absl::StrJoin(options.lora->targets, ","), absl::StrJoin(before.targets, ","),
                     folder);
}

absl::StatusOr<Checkpoint> ResumeAdapter(const FinetuneOptions& options, const std::string& folder) {
  FinetuneOptions with_base = options;
  if (options.base.empty() && options.config.empty()) {
    absl::StatusOr<std::string> base = AdapterBase(folder);
    if (!base.ok()) return WithFlag("--output", base.status());
    std::error_code ignored;
    if (base->empty() || !fs::is_directory(*base, ignored)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--base is missing; allowed: the model that the run in ", folder, " trains an adapter of",
                       base->empty() ? ", or the --model-config and --seed that it began with"
                                     : absl::StrCat(" (it was ", *base, ")")));
    }
    with_base.base = *base;
  }
  absl::StatusOr<Checkpoint> checkpoint = LoadBase(with_base);
  if (!checkpoint.ok()) return checkpoint.status();
  absl::Status status = AddAdapterOf("--output", folder, with_base.base, *checkpoint);
  if (status.ok()) status = CheckLora(options, *checkpoint, folder);
  if (!status.ok()) return status;
  return checkpoint;
}

}  // namespace

absl::StatusOr<Checkpoint> LoadRunModel(const FinetuneOptions& options, const std::string& resume_from) {
  if (!resume_from.empty() && HoldsAdapter(resume_from)) return ResumeAdapter(options, resume_from);
  if (!resume_from.empty()) {
    if (options.lora.has_value()) return Contradicts("--lora-rank", options.lora->rank, "none", resume_from);
    if (!options.adapter.empty()) return Contradicts("--adapter", options.adapter, "none", resume_from);
    return LoadFolder("--output", resume_from, options);
  }
  absl::StatusOr<Checkpoint> checkpoint = LoadBase(options);
  if (!checkpoint.ok()) return checkpoint.status();
  absl::Status status;
  if (options.lora.has_value()) status = AddNewAdapter(options, *checkpoint);
  if (!options.adapter.empty()) status = AddAdapterOf("--adapter", options.adapter, options.base, *checkpoint);
  if (!status.ok()) return status;
  return checkpoint;
}

}  // namespace greenplan::trainer
