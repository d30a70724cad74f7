#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TRAINER_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TRAINER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"
#include "profiler/energy/energy_meter.h"
#include "trainer_client/data/dataset.h"
#include "trainer_client/finetune/report.h"
#include "trainer_client/models/causal_lm.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/optimizer/learning_rate.h"
#include "trainer_client/session/training_session.h"

namespace greenplan::trainer {

// What one run trains with. All that is referenced must outlive the trainer.
struct TrainingSetup {
  CausalLm& model;
  AdamW& optimizer;
  TrainingSession& session;
  profiler::EnergyMeter& energy_meter;
  TrainingProgress& progress;                       // Where the run stands; every step adds to it.
  const std::optional<ModelProfile>& time_profile;  // In nanoseconds. Absent: times are not predicted.
  const Dataset& data;
  const std::vector<int64_t>& rows;  // Of `data`.
  int64_t batch_size = 0;
  CosineSchedule schedule;
  uint64_t seed = 0;
  int64_t plan_every = 0;  // Steps; 0: at the start of every epoch.
  int64_t probe_batches = 1;
};

// Told after every step, and of remarks that people should read.
struct TrainingObserver {
  std::function<void(int64_t epoch, int64_t steps_done, int64_t steps, double loss)> step;
  std::function<void(const std::string&)> remark;
};

// Trains epoch by epoch: plans a round where one is due, then forward, backward, optimizer, each timed, the FLOPs of
// each backward pass counted as they execute, the energy of each step sampled at its end. Not thread-safe.
class EpochTrainer {
 public:
  EpochTrainer(const TrainingSetup& setup, TrainingObserver observer);

  static int64_t StepsPerEpoch(int64_t row_count, int64_t batch_size) { return row_count / batch_size; }

  // The loss of the first batch of epoch 1, in training mode: of the shape of every step. For
  // TrainingSession::CreateJob.
  LossFunction FirstLoss();

  // The plan in force when a run goes on.
  void Continue(const Round& round);

  // Epochs count from 1. The errors of TrainingSession::BeginRound. Aborted: the loss is not finite.
  absl::StatusOr<EpochReport> TrainEpoch(int64_t epoch);

 private:
  struct Sums;

  absl::Status BeginRound(const std::vector<int64_t>& order, int64_t step_in_epoch, EpochReport& report);
  absl::Status TrainStep(const std::vector<int64_t>& order, int64_t step_in_epoch, Sums& sums, EpochReport& report);
  profiler::EnergyReading SampleEnergy();
  at::Tensor Loss(const std::vector<int64_t>& order, int64_t step_in_epoch);
  void AddTrainable(const std::vector<std::string>& names, EpochReport& report) const;
  int64_t next_step() const { return static_cast<int64_t>(setup_.progress.step_losses.size()); }

  const TrainingSetup setup_;
  const TrainingObserver observer_;
  const int64_t steps_per_epoch_;
  std::vector<std::string> tensor_names_;
  std::vector<std::string> trainable_;  // Under the plan in force, as the three below.
  int64_t predicted_backward_flops_ = 0;
  double predicted_backward_seconds_ = 0;  // 0 without a time profile.
  int64_t full_backward_flops_ = 0;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TRAINER_H_
