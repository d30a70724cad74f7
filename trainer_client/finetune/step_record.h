#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_STEP_RECORD_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_STEP_RECORD_H_

#include <cstdint>

#include "profiler/energy/energy_meter.h"
#include "trainer_client/finetune/report.h"

namespace greenplan::trainer {

// What one optimizer step took and executed, on this rank. FLOPs are those of all its micro-batches.
struct StepRecord {
  double seconds() const { return gradient_seconds + optimizer_seconds; }
  // What backward executed for the plan.
  int64_t executed_flops() const { return backward_flops - probe_flops; }

  // The mean over the ranks.
  double loss = 0;

  // The first two are parts of the third, which also holds what lies between micro-batches.
  double forward_seconds = 0;
  double backward_seconds = 0;
  double gradient_seconds = 0;
  double optimizer_seconds = 0;
  profiler::EnergyReading energy = {};

  // Predicted for backward of this step: its FLOPs by mask and drawn blocks, the expectation over draws, and the time
  // (0 without a time profile).
  int64_t predicted_flops = 0;
  int64_t expected_flops = 0;
  double predicted_backward_seconds = 0;

  // As counted. probe_flops are the part of backward_flops that ran beyond the plan in order to measure.
  int64_t forward_flops = 0;
  int64_t backward_flops = 0;
  int64_t probe_flops = 0;
};

// Adds a step that is over to the sums and the report of its epoch, to the run, and to the round in force, if any.
void AddStep(const StepRecord& step, EpochSums& sums, EpochReport& report, TrainingProgress& progress);

// Fills in the epoch's means over its `steps` steps. Predicted seconds stay absent unless `has_time_profile`.
// REQUIRES: steps >= 1.
void FillInMeans(const EpochSums& sums, int64_t steps, bool has_time_profile, EpochReport& report);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_STEP_RECORD_H_
