#include <sys/stat.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "planner/cli/commands.h"
#include "planner/cli/output.h"
#include "planner/convert/convert.h"
#include "planner/convert/files.h"
#include "planner/convert/plan_json.h"
#include "planner/core/cost.h"
#include "planner/core/invalid_argument.h"
#include "planner/files/json_reader.h"
#include "profiler/analytic/analytic.h"
#include "profiler/analytic/chain_arrays.h"

namespace greenplan {
namespace {

using nlohmann::ordered_json;

struct ProfileCommand {
  explicit ProfileCommand(CLI::App& app) {
    // Another --config than the program's: of a model, so neither the environment nor a file of flags sets it.
    app.add_option("--config", config, "Hugging Face config.json, or the folder that holds it.")->configurable(false);
    app.add_option("--head", options.head,
                   "What stands on top of the model, whatever the config says: causal-lm, masked-lm, classifier, none.")
        ->check(OneOf({"causal-lm", "masked-lm", "classifier", "none"}));
    app.add_option("--batch-size", options.batch_size, "Sequences, images or recordings in a step.");
    app.add_option("--seq-len", options.seq_len, "Tokens of a sequence; mel frames for Whisper; not used for images.");
    app.add_option("--target-len", options.target_len,
                   "Tokens of the target, for encoder-decoders (T5, BART, Whisper).");
    app.add_option("--attention", attention, "sdpa (default): fused attention; eager: separate products.")
        ->check(OneOf({"sdpa", "eager"}));
    app.add_option("--dtype", dtype, "Type of the activations: float32 (default), bfloat16, float16, float64.");
    app.add_option("--lora-rank", options.lora_rank, "Adapters of this rank over frozen weights. Default: 0, none.");
    app.add_option("--from-arrays", from_arrays, "JSON file of (t_dy, t_dw) arrays: a chain instead of a model.");
    app.add_option("--own-dx", own_dx,
                   "With --from-arrays, whether the deepest tensor's own dX counts: seed, autograd.")
        ->check(OneOf({"seed", "autograd"}));
    app.add_option("--output", output, "File to write (.json or .pb, also .gz). Default: stdout.");
    AddFormatFlag(app, format);
  }

  absl::Status Run() const;

  absl::StatusOr<ModelProfile> MakeProfile() const;
  absl::StatusOr<ModelProfile> FromConfig() const;
  absl::StatusOr<ModelProfile> FromArrays() const;

  profiler::AnalyticOptions options;
  std::string config;
  std::string attention = "sdpa";
  std::string dtype = "float32";
  std::string from_arrays;
  std::string own_dx;
  std::string output;
  std::string format;  // Without --format: the profile itself on stdout, or with --output a table.
};

bool IsFolder(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

absl::StatusOr<ModelProfile> ProfileCommand::FromConfig() const {
  if (options.batch_size < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--batch-size is ", options.batch_size, "; allowed: an integer >= 1"));
  }
  profiler::AnalyticOptions analytic = options;
  analytic.attention = attention == "eager" ? profiler::Attention::kEager : profiler::Attention::kSdpa;
  const auto bytes = profiler::BytesPerElement(dtype);
  if (!bytes.ok()) return absl::InvalidArgumentError(absl::StrCat("--dtype: ", bytes.status().message()));
  analytic.bytes_per_element = *bytes;
  const std::string path = IsFolder(config) ? config + "/config.json" : config;
  const auto json = ReadJsonFile(path);
  if (!json.ok()) return json.status();
  auto profile = profiler::AnalyticProfile(*json, analytic);
  if (!profile.ok()) return InContext(path, profile.status());
  return profile;
}

absl::StatusOr<ModelProfile> ProfileCommand::FromArrays() const {
  if (own_dx.empty()) return absl::InvalidArgumentError("--own-dx is missing; allowed: seed, autograd");
  const auto reading = profiler::ParseOwnDx(own_dx);
  if (!reading.ok()) return reading.status();
  const auto json = ReadJsonFile(from_arrays);
  if (!json.ok()) return json.status();
  auto profile = profiler::ImportChainArrays(*json, *reading);
  if (!profile.ok()) return InContext(from_arrays, profile.status());
  return profile;
}

absl::StatusOr<ModelProfile> ProfileCommand::MakeProfile() const {
  if (config.empty() == from_arrays.empty()) {
    return absl::InvalidArgumentError("--config or --from-arrays is required; allowed: exactly one of them");
  }
  if (config.empty() && !options.head.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--head is ", options.head, "; allowed: with --config only"));
  }
  if (from_arrays.empty() && !own_dx.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--own-dx is ", own_dx, "; allowed: with --from-arrays only"));
  }
  return from_arrays.empty() ? FromConfig() : FromArrays();
}

ordered_json SummaryOf(const ModelProfile& profile, const std::string& output) {
  const std::vector<bool> full = FullMask(profile);
  const TrainableShare share = ShareOf(full, profile);
  const MaskCost cost = EvaluateMask(profile, full);
  return {
      {"model", profile.model},
      {"output", output},
      {"tensors", profile.tensors.size()},
      {"parameters", static_cast<int64_t>(share.parameters)},
      {"trainable_parameters", static_cast<int64_t>(share.trainable_parameters)},
      {"ops", profile.ops.size()},
      {"blocks", profile.blocks.size()},
      {"forward_cost", profile.forward_cost},
      {"full_backward_cost", cost.backward_cost},
      {"saved_bytes", cost.saved_bytes},
  };
}

std::string SummaryTable(const ordered_json& summary, CostUnit unit) {
  TextTable table({"model", summary["model"].get<std::string>()}, {1});
  if (!summary["output"].get<std::string>().empty()) table.AddRow({"written to", summary["output"]});
  for (const char* key : {"tensors", "parameters", "ops", "blocks"}) table.AddRow({key, summary[key].dump()});
  table.AddRow({"forward", HumanCost(summary["forward_cost"], unit)});
  table.AddRow({"full backward", HumanCost(summary["full_backward_cost"], unit)});
  table.AddRow({"saved activations", HumanBytes(summary["saved_bytes"])});
  return table.ToString();
}

std::string TensorsCsv(const ModelProfile& profile) {
  std::string text = CsvLine({"name", "shape", "op", "weight_grad_cost", "saved_bytes"});
  for (const Tensor& tensor : profile.tensors) {
    text += CsvLine({tensor.name, absl::StrJoin(tensor.shape, "x"), tensor.op == kNone ? "" : absl::StrCat(tensor.op),
                     absl::StrCat(tensor.weight_grad_cost), absl::StrCat(tensor.saved_bytes)});
  }
  return text;
}

absl::Status ProfileCommand::Run() const {
  const auto profile = MakeProfile();
  if (!profile.ok()) return profile.status();
  const v1::ModelProfile message = ModelProfileToProto(*profile);
  if (!output.empty()) {
    if (auto status = WriteMessageFile(output, message); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("--output: ", status.message()));
    }
  }
  if (format == "csv") {
    Print(TensorsCsv(*profile));
  } else if (output.empty() && format != "table") {
    Print(MessageToJson(message, /*indent=*/true));
  } else {
    const ordered_json summary = SummaryOf(*profile, output);
    Print(format == "json" ? JsonLine(summary) : SummaryTable(summary, profile->cost_unit));
  }
  return absl::OkStatus();
}

}  // namespace

void AddProfileCommand(Program& program) {
  program.AddCommand<ProfileCommand>("profile", "Makes the profile of a model from its config.json, without weights.",
                                     "greenplan profile --config config.json --batch-size 8 --seq-len 512 "
                                     "--output model.json");
}

}  // namespace greenplan
