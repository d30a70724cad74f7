#include "trainer_client/finetune/run_identity.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "planner/convert/plan_json.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

// As --importance spells it.
std::string MetricName(v1::ImportanceMetric metric) {
  return absl::AsciiStrToLower(absl::StripPrefix(v1::ImportanceMetric_Name(metric), "IMPORTANCE_METRIC_"));
}

}  // namespace

json IdentityOfRun(const FinetuneOptions& options, int64_t seq_len, size_t row_count) {
  return {{"--batch-size", options.batch_size},
          {"--epochs", options.epochs},
          {"--lr", options.learning_rate},
          {"--warmup-steps", options.warmup_steps},
          {"--weight-decay", options.weight_decay},
          {"--grad-accum", options.grad_accum},
          {"--clip-norm", options.clip_norm},
          {"--draw-per", options.draw_per},
          {"--sensitivity", options.sensitivity},
          {"--uniform-until", options.uniform_until},
          {"--probe", options.probe},
          {"--dtype", options.dtype},
          {"--attention", options.attention},
          {"--checkpoint-activations", options.checkpoint_activations},
          {"--world-size", options.world_size},
          {"--optimizer-state", options.optimizer_state},
          {"--warmup-rounds", options.warmup_rounds},
          {"--seq-len", seq_len},
          {"--seed", options.seed},
          {"--plan-every", options.plans_by_drift ? json("drift") : json(options.plan_every)},
          {"--probe-batches", options.probe_batches},
          {"--importance", MetricName(options.importance_metric)},
          {"the number of rows in --train", row_count},
          {"what the flags of the plan ask for", PlanOptionsToJson(options.plan)}};
}

absl::Status CheckSameIdentity(const json& identity, const json& before, const std::string& output) {
  for (const auto& [flag, value] : identity.items()) {
    if (!before.contains(flag)) continue;  // An earlier version did not keep it.
    const json& earlier = before[flag];
    if (earlier == value) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        flag, " is ", value.dump(), "; allowed with --resume: ", earlier.dump(), ", as in the run in ", output));
  }
  return absl::OkStatus();
}

}  // namespace greenplan::trainer
