#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_OPTIONS_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/client/server_security.h"
#include "planner/flags/plan_flags.h"
#include "planner/flags/program.h"
#include "profiler/energy/energy_meter.h"

namespace greenplan::trainer {

// Returns the arguments with every `--config FILE.json` written as `--model-config FILE.json`. Two things are called
// --config: the TOML file of flag values, which all programs have, and the config.json of a model, which this program
// has too. Their endings tell them apart.
std::vector<std::string> SeparateModelConfig(int argc, const char* const* argv);

// A LoRA adapter to begin (trainer_client/models/lora.h).
struct NewAdapter {
  int64_t rank = 8;
  double alpha = 8;
  std::vector<std::string> targets = {"all-linear"};
};

// What greenplan-finetune was asked to do. The flags are described where they are made, in options.cc.
struct FinetuneOptions {
  // The checkpoint folder to start from, or, in its place, the config.json of a model with random weights. Both are
  // empty only if `resume` is true.
  std::string base;
  std::string config;

  // A LoRA adapter to begin, or the folder of an adapter to go on with. Neither: the model's own weights train.
  std::optional<NewAdapter> lora = {};
  std::string adapter;

  // The training data, see ReadDataset (trainer_client/data/dataset.h).
  std::string train;

  // The validation data. Empty: no validation.
  std::string valid;

  // A SentencePiece model. Empty: tokenizer.model in `base`, if there is one.
  std::string tokenizer;

  // Passes over the training data. 0: the model is only evaluated.
  int64_t epochs = 3;

  // Rows of a micro-batch of one rank.
  int64_t batch_size = 8;

  // Tokens of a row. 0: as ReadDataset chooses, at most 512 and at most what the model takes.
  int64_t seq_len = 0;

  // The peak of the learning rate, which rises over warmup_steps optimizer steps and then falls to 0 (CosineSchedule).
  double learning_rate = 5e-5;
  int64_t warmup_steps = 0;

  // Decoupled weight decay of the tensors that train.
  double weight_decay = 0;

  // Seeds random weights, the order of the rows, dropout and the draws of dropped blocks.
  uint64_t seed = 0;

  // "sdpa" (fused), or "eager" (separate products).
  std::string attention = "sdpa";

  // Micro-batches of an optimizer step.
  int64_t grad_accum = 1;

  // The largest norm of all gradients together. 0: gradients are not clipped.
  double clip_norm = 0;

  // "float32", or "bfloat16": the products are computed in bfloat16 (autocast), while the weights stay in float32.
  std::string dtype = "float32";

  // Whether layers keep only their input and run again in backward.
  bool checkpoint_activations = false;

  // "auto" (a GPU if LibTorch has one), "cpu", "cuda" or "cuda:N".
  std::string device = "auto";

  // What becomes of the optimizer's state of frozen tensors: "keep", "offload" or "drop" (FrozenState).
  std::string optimizer_state = "keep";

  // Optimizer steps between checkpoints within an epoch. 0: there are checkpoints only at the end of epochs.
  int64_t checkpoint_every = 0;

  // How many of the checkpoints within epochs to keep.
  int64_t keep_checkpoints = 2;

  // What to plan: method, budget and the like.
  v1::PlanOptions plan;

  // Rounds that train everything before the first plan.
  int64_t warmup_rounds = 0;

  // How often blocks to drop are drawn: per "step" or per "micro-batch".
  std::string draw_per = "step";

  // How sensitivity is defined: "gradient_difference" or "norm_difference".
  std::string sensitivity = "gradient_difference";

  // The share of all steps in which all blocks have one drop rate, in [0, 1].
  double uniform_until = 0.1;

  // Optimizer steps between rounds. 0: a round begins with every epoch.
  int64_t plan_every = 0;

  // Whether a round begins when the drift of importance repays it, instead of every plan_every steps.
  bool plans_by_drift = false;

  // Where importance is measured: "separate" passes, or "in-step".
  std::string probe = "separate";

  // Batches of a separate probe, or steps of an in-step probe with the cross-fitted metric.
  int64_t probe_batches = 1;

  // The formula of importance; importance.proto lists them.
  v1::ImportanceMetric importance_metric = v1::IMPORTANCE_METRIC_GRADIENT_TIMES_UPDATE;

  // Whether the two above are defaults, in whose place a run of one batch an epoch takes what one batch allows.
  bool chooses_probe = false;

  // "local", or HOST:PORT[,HOST:PORT...] of a daemon and its replicas.
  std::string planner = "local";

  // What to do if the planner does not answer at the start: "error", or "local" to plan in this process.
  std::string planner_away = "error";

  // TLS and token for a planner that is not local.
  ServerSecurity planner_security;

  // The job's id. Empty: a new unique one.
  std::string job;

  // The ranks of a data-parallel run, and which of them this process is, in [0, world_size).
  int64_t world_size = 1;
  int64_t rank = 0;

  // tcp://HOST:PORT of rank 0, where the ranks meet. Empty if there is only one rank.
  std::string init;

  // The folder of the checkpoint. Empty: the weights are not kept.
  std::string output;

  // Whether to go on with the run in `output`.
  bool resume = false;

  // The file of the report. Empty: none.
  std::string report;

  // The file of the time profile. Empty: times are neither measured nor predicted.
  std::string time_profile;

  // The power from which energy is estimated where the machine does not count it.
  double power_watts = profiler::kDefaultWatts;

  // Grams of CO2 equivalent per kWh of the grid. Absent: emissions are not reported.
  std::optional<double> grid_grams_per_kwh = {};

  // Whether to print neither progress nor remarks.
  bool quiet = false;
};

// The flags of greenplan-finetune. Must outlive Program::Run.
class FinetuneFlags {
 public:
  explicit FinetuneFlags(Program& program);

  // Returns the options as the flags have them. Call it within Program::Run. InvalidArgument names the flag, its value
  // and what is allowed. Unimplemented names the method.
  absl::StatusOr<FinetuneOptions> Options() const;

 private:
  void AddModelAndDataFlags(CLI::App& app);
  void AddTrainingFlags(CLI::App& app);
  void AddAdapterFlags(CLI::App& app);
  void AddRankFlags(CLI::App& app);
  void AddPlanningFlags(CLI::App& app);
  void AddEnergyFlags(CLI::App& app);
  absl::StatusOr<std::optional<NewAdapter>> Lora() const;

  const Program& program_;
  FinetuneOptions options_;
  std::optional<int64_t> seq_len_;
  std::optional<int64_t> lora_rank_;
  std::optional<double> lora_alpha_;
  std::vector<std::string> lora_targets_;
  std::optional<double> clip_norm_;
  std::optional<int64_t> checkpoint_every_;
  std::optional<int64_t> rank_;
  std::string plan_every_ = "epoch";
  std::optional<int64_t> probe_batches_;
  std::string importance_metric_;  // Empty: by the probe.
  PlanFlags plan_flags_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_OPTIONS_H_
