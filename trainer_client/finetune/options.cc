#include "trainer_client/finetune/options.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "planner/client/server_flags.h"
#include "planner/convert/convert.h"
#include "planner/convert/names.h"
#include "planner/job/resource_names.h"
#include "planner/rpc/host_port.h"

namespace greenplan::trainer {
namespace {

template <typename Value>
absl::Status Refuse(const char* flag, const Value& value, const char* allowed) {
  const std::string text = absl::StrCat(value);
  return absl::InvalidArgumentError(absl::StrCat(flag, " is ", text.empty() ? "\"\"" : text, "; allowed: ", allowed));
}

constexpr int64_t kMaxLoraRank = 65536;
constexpr int64_t kMaxWorldSize = 65536;
constexpr int64_t kMaxEpochs = 1000000000;  // So that the steps of all epochs can be counted.

// Watts, and grams per kWh: more than any machine draws and any grid emits.
constexpr double kMaxEnergyFactor = 1e6;

absl::Status CheckEnergyFactor(const char* flag, double value) {
  if (value > 0 && value <= kMaxEnergyFactor) return absl::OkStatus();
  return Refuse(flag, value, "a number > 0, at most 1e6");
}

bool IsProfileFile(absl::string_view path) {
  absl::ConsumeSuffix(&path, ".gz");
  return absl::EndsWith(path, ".json") || absl::EndsWith(path, ".pb");
}

absl::Status CheckRanges(const FinetuneOptions& options) {
  if (options.epochs < 0 || options.epochs > kMaxEpochs) {
    return Refuse("--epochs", options.epochs, "an integer from 0 to 1000000000");
  }
  if (options.batch_size < 1) return Refuse("--batch-size", options.batch_size, "an integer >= 1");
  if (!std::isfinite(options.learning_rate) || options.learning_rate <= 0) {
    return Refuse("--lr", options.learning_rate, "a number > 0");
  }
  if (options.warmup_steps < 0) return Refuse("--warmup-steps", options.warmup_steps, "an integer >= 0");
  if (!std::isfinite(options.weight_decay) || options.weight_decay < 0) {
    return Refuse("--weight-decay", options.weight_decay, "a number >= 0");
  }
  if (options.grad_accum < 1) return Refuse("--grad-accum", options.grad_accum, "an integer >= 1");
  if (options.keep_checkpoints < 1) return Refuse("--keep-checkpoints", options.keep_checkpoints, "an integer >= 1");
  if (options.warmup_rounds < 0) return Refuse("--warmup-rounds", options.warmup_rounds, "an integer >= 0");
  if (!(options.uniform_until >= 0 && options.uniform_until <= 1)) {
    return Refuse("--uniform-until", options.uniform_until, "a number from 0 to 1");
  }
  if (options.probe_batches < 1 || options.probe_batches > 1000) {
    return Refuse("--probe-batches", options.probe_batches, "an integer from 1 to 1000");
  }
  if (absl::Status status = CheckEnergyFactor("--power-watts", options.power_watts); !status.ok()) return status;
  return CheckEnergyFactor("--grid-intensity", options.grid_grams_per_kwh.value_or(1));
}

bool IsDevice(absl::string_view device) {
  int index = 0;
  return device == "auto" || device == "cpu" || device == "cuda" ||
         (absl::ConsumePrefix(&device, "cuda:") && absl::SimpleAtoi(device, &index) && index >= 0);
}

absl::Status CheckProbe(const FinetuneOptions& options) {
  const bool is_in_step = options.probe == "in-step";
  if (is_in_step && options.checkpoint_activations && DropsBlocks(options.plan) &&
      options.plan.allocation() != v1::ALLOCATION_UNIFORM) {
    return Refuse("--probe", options.probe,
                  "separate with --checkpoint-activations, where sensitivity takes passes of its own; or --allocation "
                  "uniform");
  }
  const bool is_cross_fitted = options.importance_metric == v1::IMPORTANCE_METRIC_CROSS_FITTED;
  if (is_in_step && !is_cross_fitted && options.probe_batches > 1) {
    return Refuse("--probe-batches", options.probe_batches,
                  "1 with --probe in-step, which measures the step's own; or --importance cross_fitted");
  }
  if (SelectsTensors(options.plan) && is_cross_fitted && options.probe_batches < 2) {
    return Refuse("--probe-batches", options.probe_batches, "an integer >= 2 with --importance cross_fitted");
  }
  return absl::OkStatus();
}

absl::Status CheckPlansByDrift(const FinetuneOptions& options) {
  if (!options.plans_by_drift || SelectsTensors(options.plan)) return absl::OkStatus();
  return Refuse("--plan-every", "drift",
                "epoch or a number of steps with --method full and drop, which measure no importance");
}

absl::Status CheckRanks(const FinetuneOptions& options, bool has_rank) {
  if (options.world_size < 1 || options.world_size > kMaxWorldSize) {
    return Refuse("--world-size", options.world_size, "an integer from 1 to 65536");
  }
  if (options.world_size > 1 && (!has_rank || options.init.empty())) {
    return Refuse("--world-size", options.world_size, "with --rank and --init tcp://HOST:PORT");
  }
  if (options.rank < 0 || options.rank >= options.world_size) {
    return absl::InvalidArgumentError(absl::StrCat("--rank is ", options.rank, "; allowed: an integer from 0 to ",
                                                   options.world_size - 1, ", one less than --world-size"));
  }
  if (options.world_size > 1 && options.planner_away == "local") {
    return Refuse("--planner-away", "local", "error with --world-size, whose ranks must all use one planner");
  }
  if (options.init.empty()) return absl::OkStatus();
  absl::string_view place = options.init;
  const std::optional<HostPort> parsed = absl::ConsumePrefix(&place, "tcp://") ? ParseHostPort(place) : std::nullopt;
  if (parsed.has_value() && parsed->port > 0) return absl::OkStatus();
  return Refuse("--init", options.init, "tcp://HOST:PORT, for example tcp://10.0.0.1:29500");
}

absl::Status CheckJob(const FinetuneOptions& options) {
  if (options.job.empty() || ValidateJobName(absl::StrCat("jobs/", options.job), "").ok()) return absl::OkStatus();
  return Refuse("--job", options.job, "1 to 128 characters of [A-Za-z0-9._-]");
}

absl::Status CheckCombinations(const FinetuneOptions& options) {
  if (!options.base.empty() && !options.config.empty()) {
    return Refuse("--model-config", options.config, "--base or --model-config, not both");
  }
  if (options.base.empty() && options.config.empty() && !options.resume) {
    return absl::InvalidArgumentError(
        "--base is missing; allowed: a checkpoint folder, or --model-config for random weights");
  }
  if (!options.adapter.empty() && options.lora.has_value()) {
    return Refuse("--adapter", options.adapter, "--adapter or --lora-rank, not both");
  }
  if (!options.adapter.empty() && options.base.empty()) {
    return Refuse("--adapter", options.adapter, "with --base, the folder of the model that it belongs to");
  }
  if (options.train.empty() && options.epochs > 0) {
    return absl::InvalidArgumentError("--train is missing; allowed: a text, .jsonl or .npy file");
  }
  if (options.train.empty() && options.valid.empty()) {
    return absl::InvalidArgumentError("--valid is missing; with --epochs 0 allowed: a text, .jsonl or .npy file");
  }
  if (!options.time_profile.empty() && !IsProfileFile(options.time_profile)) {
    return Refuse("--time-profile", options.time_profile,
                  "a file to write what is measured to, which ends in .json or .pb, each also .gz");
  }
  if (!options.time_profile.empty() && options.epochs == 0) {
    return Refuse("--time-profile", options.time_profile, "only with --epochs of 1 or more, which it measures");
  }
  if (options.resume && options.output.empty()) {
    return absl::InvalidArgumentError("--resume needs --output, the folder of the run to go on with");
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> SeparateModelConfig(int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv, argv + argc);
  for (size_t i = 1; i < arguments.size(); ++i) {
    const bool is_split = arguments[i] == "--config" && i + 1 < arguments.size();
    const bool is_json = absl::EndsWith(is_split ? arguments[i + 1] : arguments[i], ".json");
    if (is_json && (is_split || absl::StartsWith(arguments[i], "--config=")))
      arguments[i].replace(0, 8, "--model-config");
  }
  return arguments;
}

FinetuneFlags::FinetuneFlags(Program& program)
    : program_(program), plan_flags_(program.app(), {.budget_of = {"full", "backward"}, .has_seed = false}) {
  AddModelAndDataFlags(program.app());
  AddAdapterFlags(program.app());
  AddTrainingFlags(program.app());
  AddRankFlags(program.app());
  AddPlanningFlags(program.app());
  AddEnergyFlags(program.app());
}

void FinetuneFlags::AddModelAndDataFlags(CLI::App& app) {
  app.add_option("--base", options_.base,
                 "Hugging Face checkpoint folder to start from: llama, mistral, qwen2, qwen3, smollm3, opt.");
  app.add_option("--model-config", options_.config,
                 "A config.json instead of --base: the weights start at random. --config FILE.json means the same.");
  app.add_option("--train", options_.train,
                 "Training data: text; rows {source, target} or {source_ids, target_ids} as .jsonl or .json; or token "
                 "ids as .npy.");
  app.add_option("--valid", options_.valid, "Validation data, in the same forms. Default: no validation.");
  app.add_option("--tokenizer", options_.tokenizer, "SentencePiece model. Default: tokenizer.model in --base.");
  app.add_option("--attention", options_.attention, "sdpa: fused attention (default); eager: separate products.")
      ->check(OneOf({"sdpa", "eager"}));
  app.add_option("--output", options_.output, "New or empty folder for the checkpoint. Default: nothing is kept.");
  app.add_flag("--resume", options_.resume, "Go on, bit for bit, with the run in --output from its latest checkpoint.");
  app.add_option("--report", options_.report, "File for the report, as JSON.");
  app.add_option("--time-profile", options_.time_profile,
                 "Measure in up to 21 steps what each gradient costs in nanoseconds, write that to this profile file, "
                 "and report how long backward takes by it. Default: not measured.");
}

void FinetuneFlags::AddAdapterFlags(CLI::App& app) {
  app.add_option(
      "--lora-rank", lora_rank_,
      "Train LoRA adapters of this rank instead of the model's own weights, which stay as they are; --output "
      "then holds the adapter, in PEFT's layout. Default: no adapters.");
  app.add_option("--lora-alpha", lora_alpha_, "An adapter's product is scaled by alpha / rank. Default: the rank.");
  app.add_option("--lora-targets", lora_targets_,
                 "all-linear: every linear layer but the output head (default); or the names of layers or their last "
                 "parts, such as q_proj,v_proj.")
      ->delimiter(',');
  app.add_option(
      "--adapter", options_.adapter,
      "Instead of --lora-rank: a folder with a LoRA adapter of --base, made here or by PEFT, to go on with.");
}

void FinetuneFlags::AddTrainingFlags(CLI::App& app) {
  app.add_option("--epochs", options_.epochs, "Passes over the training data; 0 only evaluates. Default: 3.");
  app.add_option("--batch-size", options_.batch_size, "Rows of a micro-batch of one rank. Default: 8.");
  app.add_option("--grad-accum", options_.grad_accum,
                 "Micro-batches whose gradients an optimizer step averages. Default: 1.");
  app.add_option(
         "--dtype", options_.dtype,
         "float32 (default), or bfloat16: products and attention in bfloat16, weights and optimizer in float32.")
      ->check(OneOf({"float32", "bfloat16"}));
  app.add_option("--device", options_.device, "auto (default: a GPU if LibTorch has one), cpu, cuda or cuda:N.");
  app.add_flag("--checkpoint-activations", options_.checkpoint_activations,
               "Keep only the input of each layer and run the layer again in backward. Default: off.");
  app.add_option(
         "--optimizer-state", options_.optimizer_state,
         "What becomes of the optimizer's state of tensors that a plan freezes. keep (default): it stays; offload: it "
         "moves to the host's memory; drop: it is freed, and the tensors begin anew when they thaw.")
      ->check(OneOf({"keep", "offload", "drop"}));
  app.add_option(
      "--checkpoint-every", checkpoint_every_,
      "Also keep a checkpoint every this many steps, as checkpoint-STEP in --output. Default: only after epochs.");
  app.add_option("--keep-checkpoints", options_.keep_checkpoints, "How many of these checkpoints to keep. Default: 2.");
  app.add_option("--clip-norm", clip_norm_,
                 "Scale the gradients down if the norm of all of them together is above this. Default: no clipping.");
  app.add_option("--seq-len", seq_len_,
                 "Tokens per row. Default: the longest row for .jsonl, else what the model takes, at most 512.");
  app.add_option("--lr", options_.learning_rate, "Peak learning rate; it falls to 0 by a half cosine. Default: 5e-5.");
  app.add_option("--warmup-steps", options_.warmup_steps, "Steps of linear rise to --lr. Default: 0.");
  app.add_option("--weight-decay", options_.weight_decay,
                 "Decoupled weight decay of every trained tensor. Default: 0.");
  app.add_option("--seed", options_.seed, "Seed of random weights, shuffling, dropout and drawn blocks. Default: 0.");
}

void FinetuneFlags::AddRankFlags(CLI::App& app) {
  app.add_option("--world-size", options_.world_size,
                 "Processes that train together, each on its share of every batch (data parallel). Default: 1.");
  app.add_option("--rank", rank_, "The number of this process, from 0 to one less than --world-size.");
  app.add_option("--init", options_.init, "tcp://HOST:PORT of rank 0, where the ranks meet.");
}

void FinetuneFlags::AddPlanningFlags(CLI::App& app) {
  app.add_option(
      "--planner", options_.planner,
      "local: plan in this process (default); or HOST:PORT of a greenpland. Separate several replicas by commas.");
  app.add_option("--planner-away", options_.planner_away,
                 "If the planner does not answer at the start. error: exit 1 (default); local: plan in this process.")
      ->check(OneOf({"error", "local"}));
  AddServerSecurityFlags(app, options_.planner_security);
  app.add_option("--job", options_.job, "Id of the job at the planner. Default: a new one; with --resume the run's.");
  app.add_option(
      "--plan-every", plan_every_,
      "When to plan anew: epoch (default), a number of steps, or drift: when what the plan misses, by the drift "
      "of importance between rounds, repays a probe.");
  app.add_option(
         "--probe", options_.probe,
         "Where importance is measured. separate: in a pass of its own (default); in-step: in the first step of "
         "a round, from that step's gradients.")
      ->check(OneOf({"separate", "in-step"}));
  app.add_option("--probe-batches", probe_batches_,
                 "Batches that the separate probe measures importance on; with --probe in-step and --importance "
                 "cross_fitted the steps that a round measures. Default: 2 with cross_fitted, else 1.");
  app.add_option("--warmup-rounds", options_.warmup_rounds,
                 "Rounds that train everything before the first plan. Default: 0.");
  app.add_option("--draw-per", options_.draw_per,
                 "How often the blocks to drop are drawn: for each step (default) or each micro-batch.")
      ->check(OneOf({"step", "micro-batch"}));
  app.add_option("--sensitivity", options_.sensitivity,
                 "What dropping a block harms: gradient_difference (default), ||g - g_b||^2, or norm_difference.")
      ->check(OneOf({"gradient_difference", "norm_difference"}));
  app.add_option(
      "--uniform-until", options_.uniform_until,
      "Share of all steps in which all blocks have one drop rate, before rates are allocated by sensitivity. "
      "Default: 0.1.");
  app.add_option("--importance", importance_metric_,
                 "How importance is measured: gradient_times_update, cross_fitted, update_magnitude, "
                 "gradient_magnitude, fisher or snip. Default: cross_fitted, because its promises hold better; "
                 "gradient_times_update where a round measures one batch, with --probe in-step or --probe-batches 1.")
      ->check(
          OneOf({"gradient_times_update", "cross_fitted", "update_magnitude", "gradient_magnitude", "fisher", "snip"}));
}

void FinetuneFlags::AddEnergyFlags(CLI::App& app) {
  app.add_option("--power-watts", options_.power_watts,
                 "Power in watts from which energy is estimated if the machine does not count it. Default: 65, a "
                 "common desktop processor under load.");
  app.add_option("--grid-intensity", options_.grid_grams_per_kwh,
                 "Grams of CO2 equivalent per kWh of the grid, from which emissions are computed. Default: they are "
                 "not reported.");
}

absl::StatusOr<std::optional<NewAdapter>> FinetuneFlags::Lora() const {
  if (!lora_rank_.has_value()) {
    if (lora_alpha_.has_value()) return Refuse("--lora-alpha", *lora_alpha_, "only with --lora-rank");
    if (!lora_targets_.empty()) return Refuse("--lora-targets", lora_targets_.front(), "only with --lora-rank");
    return std::nullopt;
  }
  if (*lora_rank_ < 1 || *lora_rank_ > kMaxLoraRank) {
    return Refuse("--lora-rank", *lora_rank_, "an integer from 1 to 65536");
  }
  NewAdapter lora{.rank = *lora_rank_, .alpha = lora_alpha_.value_or(static_cast<double>(*lora_rank_))};
  if (!std::isfinite(lora.alpha) || lora.alpha <= 0) return Refuse("--lora-alpha", lora.alpha, "a number > 0");
  if (!lora_targets_.empty()) lora.targets = lora_targets_;
  return lora;
}

absl::StatusOr<FinetuneOptions> FinetuneFlags::Options() const {
  FinetuneOptions options = options_;
  options.quiet = program_.quiet();
  absl::StatusOr<std::optional<NewAdapter>> lora = Lora();
  if (!lora.ok()) return lora.status();
  options.lora = *std::move(lora);
  options.plans_by_drift = plan_every_ == "drift";
  if (plan_every_ != "epoch" && !options.plans_by_drift &&
      (!absl::SimpleAtoi(plan_every_, &options.plan_every) || options.plan_every < 1)) {
    return Refuse("--plan-every", plan_every_, "epoch, drift, or a number of steps >= 1");
  }
  // In the options 0 stands for the default; a flag that says 0 is a mistake.
  if (seq_len_.has_value() && *seq_len_ < 2) return Refuse("--seq-len", *seq_len_, "an integer >= 2");
  options.seq_len = seq_len_.value_or(0);
  if (clip_norm_.has_value() && !(std::isfinite(*clip_norm_) && *clip_norm_ > 0)) {
    return Refuse("--clip-norm", *clip_norm_, "a number > 0");
  }
  options.clip_norm = clip_norm_.value_or(0);
  if (!IsDevice(options.device)) return Refuse("--device", options.device, "auto, cpu, cuda, cuda:N");
  if (checkpoint_every_.has_value() && *checkpoint_every_ < 1) {
    return Refuse("--checkpoint-every", *checkpoint_every_, "a number of steps >= 1");
  }
  options.checkpoint_every = checkpoint_every_.value_or(0);
  if (options.checkpoint_every > 0 && options.output.empty()) {
    return Refuse("--checkpoint-every", options.checkpoint_every, "with --output, where checkpoints are kept");
  }
  const bool measures_one_batch = options.probe == "in-step" || probe_batches_ == 1;
  const std::string metric = !importance_metric_.empty() ? importance_metric_
                             : measures_one_batch        ? "gradient_times_update"
                                                         : "cross_fitted";
  v1::ImportanceMetric_Parse("IMPORTANCE_METRIC_" + absl::AsciiStrToUpper(metric), &options.importance_metric);
  options.chooses_probe = importance_metric_.empty() && !probe_batches_.has_value();
  options.probe_batches =
      probe_batches_.value_or(options.importance_metric == v1::IMPORTANCE_METRIC_CROSS_FITTED ? 2 : 1);
  options.rank = rank_.value_or(0);
  if (absl::Status status = CheckRanges(options); !status.ok()) return status;
  if (absl::Status status = CheckRanks(options, rank_.has_value()); !status.ok()) return status;
  if (absl::Status status = CheckCombinations(options); !status.ok()) return status;
  if (absl::Status status = CheckJob(options); !status.ok()) return status;
  absl::StatusOr<v1::PlanOptions> plan = plan_flags_.Options();
  if (!plan.ok()) return plan.status();
  options.plan = *std::move(plan);
  options.plan.set_seed(options.seed);
  options.plan.set_method(EffectiveMethod(options.plan));
  if (absl::Status status = CheckProbe(options); !status.ok()) return status;
  if (absl::Status status = CheckPlansByDrift(options); !status.ok()) return status;
  return options;
}

}  // namespace greenplan::trainer
