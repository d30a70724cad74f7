#include "trainer_client/finetune/round_sums.h"

#include "planner/files/json_reader.h"

namespace greenplan::trainer {

using nlohmann::json;

v1::Outcome OutcomeOf(const RoundSums& sums) {
  const double steps = static_cast<double>(sums.steps);
  v1::Outcome outcome;
  outcome.set_round(sums.round);
  outcome.set_step_count(sums.steps);
  outcome.set_step_seconds(sums.step_seconds / steps);
  outcome.set_executed_backward_flops((sums.executed_backward_flops + sums.steps / 2) / sums.steps);
  outcome.set_energy_joules(sums.joules / steps);
  outcome.set_train_loss(sums.loss / steps);
  outcome.set_promised_loss_reduction(sums.promised_loss_reduction);
  outcome.set_realised_loss_reduction(sums.realised_loss_reduction);
  outcome.set_mismatched_steps(sums.mismatched_steps);
  outcome.set_peak_memory_bytes(sums.peak_memory_bytes);
  return outcome;
}

json ToJson(const RoundSums& sums) {
  return {{"round", sums.round},
          {"steps", sums.steps},
          {"step_seconds", sums.step_seconds},
          {"executed_backward_flops", sums.executed_backward_flops},
          {"joules", sums.joules},
          {"loss", sums.loss},
          {"mismatched_steps", sums.mismatched_steps},
          {"peak_memory_bytes", sums.peak_memory_bytes},
          {"promised_loss_reduction", sums.promised_loss_reduction},
          {"realised_loss_reduction", sums.realised_loss_reduction}};
}

absl::StatusOr<RoundSums> RoundSumsFromJson(const json& json, const std::string& place) {
  JsonReader reader(json, place);
  RoundSums sums{.round = reader.Integer("round", 0),
                 .steps = reader.Integer("steps", 0),
                 .step_seconds = reader.Number("step_seconds"),
                 .executed_backward_flops = reader.Integer("executed_backward_flops", 0),
                 .joules = reader.Number("joules"),
                 .loss = reader.Number("loss"),
                 .mismatched_steps = reader.Integer("mismatched_steps", 0),
                 .peak_memory_bytes = reader.Integer("peak_memory_bytes", 0),
                 .promised_loss_reduction = reader.Number("promised_loss_reduction"),
                 .realised_loss_reduction = reader.Number("realised_loss_reduction")};
  if (!reader.status().ok()) return reader.status();
  return sums;
}

}  // namespace greenplan::trainer
