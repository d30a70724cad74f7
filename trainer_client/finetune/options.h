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
  std::string base;                     // Checkpoint folder; or empty, and
  std::string config;                   // a config.json, for random weights. Both empty only on a resume.
  std::optional<NewAdapter> lora = {};  // An adapter to begin; or absent, and
  std::string adapter;                  // the folder of one to go on with. Both absent: no adapter.
  std::string train;
  std::string valid;      // Empty: no validation.
  std::string tokenizer;  // Empty: tokenizer.model of `base`, if there is one.
  int64_t epochs = 3;
  int64_t batch_size = 8;
  int64_t seq_len = 0;  // Tokens; 0: as ReadDataset chooses, at most 512 and what the model takes.
  double learning_rate = 5e-5;
  int64_t warmup_steps = 0;
  double weight_decay = 0;
  uint64_t seed = 0;
  std::string attention = "sdpa";        // Or "eager".
  int64_t grad_accum = 1;                // Micro-batches of an optimizer step.
  double clip_norm = 0;                  // 0: gradients are not clipped.
  std::string dtype = "float32";         // Or "bfloat16": autocast.
  bool checkpoint_activations = false;   // Layers run again in backward.
  std::string device = "auto";           // "cpu", "cuda", "cuda:N".
  std::string optimizer_state = "keep";  // "offload", "drop".
  int64_t checkpoint_every = 0;          // Steps; 0: at the end of every epoch alone.
  int64_t keep_checkpoints = 2;          // Within epochs.
  v1::PlanOptions plan;
  int64_t warmup_rounds = 0;                        // Rounds that train everything before the first plan.
  std::string draw_per = "step";                    // Or "micro-batch".
  std::string sensitivity = "gradient_difference";  // Or "norm_difference".
  double uniform_until = 0.1;                       // Share of all steps, in [0, 1].
  int64_t plan_every = 0;                           // Steps; 0: at the start of every epoch.
  bool plans_by_drift = false;                      // In place of plan_every: when drift repays a round.
  std::string probe = "separate";                   // Or "in-step".
  int64_t probe_batches = 1;
  v1::ImportanceMetric importance_metric = v1::IMPORTANCE_METRIC_GRADIENT_TIMES_UPDATE;
  std::string planner = "local";       // Or HOST:PORT, with commas between those of several replicas.
  std::string planner_away = "error";  // At the start. Or "local": plan in this process.
  ServerSecurity planner_security;     // For a planner that is not local.
  std::string job;                     // Empty: a new unique one.
  int64_t world_size = 1;              // Ranks of a data-parallel run.
  int64_t rank = 0;                    // This one, in [0, world_size).
  std::string init;                    // tcp://HOST:PORT, where rank 0 is met. Empty if there is one rank.
  std::string output;                  // Empty: the weights are not kept.
  bool resume = false;
  std::string report;                             // Empty: none.
  std::string time_profile;                       // Empty: times are not predicted.
  double power_watts = profiler::kDefaultWatts;   // What estimates of energy assume.
  std::optional<double> grid_grams_per_kwh = {};  // CO2 equivalent. Absent: emissions are not told.
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
