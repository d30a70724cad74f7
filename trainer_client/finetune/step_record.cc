#include "trainer_client/finetune/step_record.h"

namespace greenplan::trainer {

void AddStep(const StepRecord& step, EpochSums& sums, EpochReport& report, TrainingProgress& progress) {
  sums.step_seconds += step.seconds();
  sums.forward_seconds += step.forward_seconds;
  sums.backward_seconds += step.backward_seconds;
  sums.optimizer_seconds += step.optimizer_seconds;
  sums.predicted_backward_seconds += step.predicted_backward_seconds;
  sums.loss += step.loss;
  sums.energy.Add(step.energy);

  progress.energy.Add(step.energy);
  progress.step_losses.push_back(step.loss);
  progress.executed_flops += step.forward_flops + step.backward_flops;
  progress.probe_flops += step.probe_flops;

  const bool is_mismatched = step.executed_flops() != step.predicted_flops;
  report.executed_backward_flops.Add(step.executed_flops());
  report.predicted_backward_flops.Add(step.predicted_flops);
  report.expected_backward_flops.Add(step.expected_flops);
  report.mismatched_steps += is_mismatched;

  if (!progress.round.has_value()) return;
  RoundSums& round = *progress.round;
  ++round.steps;
  round.step_seconds += step.seconds();
  round.executed_backward_flops += step.executed_flops();
  round.joules += step.energy.joules;
  round.loss += step.loss;
  round.mismatched_steps += is_mismatched;
}

void FillInMeans(const EpochSums& sums, int64_t steps, bool has_time_profile, EpochReport& report) {
  const double count = static_cast<double>(steps);
  report.step_seconds = sums.step_seconds / count;
  report.forward_seconds = sums.forward_seconds / count;
  report.backward_seconds = sums.backward_seconds / count;
  report.optimizer_seconds = sums.optimizer_seconds / count;
  if (has_time_profile) report.predicted_backward_seconds = sums.predicted_backward_seconds / count;
  report.joules_per_step = sums.energy.joules / count;
  report.energy_is_estimate = sums.energy.is_estimate;
  report.train_loss = sums.loss / count;
}

}  // namespace greenplan::trainer
