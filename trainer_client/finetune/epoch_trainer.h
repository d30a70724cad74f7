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
#include "trainer_client/optimizer/learning_rate.h"
#include "trainer_client/optimizer/optimizer.h"
#include "trainer_client/session/random_state.h"
#include "trainer_client/session/training_session.h"

namespace greenplan::trainer {

// How importance is measured: by a pass of its own, or from the gradients of a round's first step.
enum class Probe { kSeparate, kInStep };

// What one run trains with. All that is referenced must outlive the trainer.
struct TrainingSetup {
  CausalLm& model;
  Optimizer& optimizer;
  TrainingSession& session;  // Steps the optimizer.
  profiler::EnergyMeter& energy_meter;
  TrainingProgress& progress;                       // Where the run stands; every step adds to it.
  const std::optional<ModelProfile>& time_profile;  // In nanoseconds. Absent: times are not predicted.
  const Dataset& data;
  const std::vector<int64_t>& rows;  // Of `data`.
  int64_t batch_size = 0;            // Rows of a micro-batch.
  int64_t grad_accum = 1;            // Micro-batches of an optimizer step, >= 1.
  double clip_norm = 0;              // The largest norm of all gradients together; 0: gradients are not clipped.
  CosineSchedule schedule;
  uint64_t seed = 0;
  int64_t plan_every = 0;       // Steps; 0: at the start of every epoch.
  bool plans_by_drift = false;  // In place of plan_every: TrainingSession::IsRoundDue() decides.
  Probe probe = Probe::kSeparate;
  int64_t probe_batches = 1;        // Micro-batches of the separate probe.
  int64_t probe_steps = 1;          // Steps of the in-step probe, at most those of an epoch.
  bool measures_importance = true;  // Whether the method does: the promised loss reduction is then held to account.
  // The step at which drop rates, uniform until then, are allocated by sensitivity: a round begins there. 0: at once.
  int64_t uniform_steps = 0;
  int64_t warmup_rounds = 0;                    // Rounds that train everything before the first plan.
  std::optional<at::ScalarType> autocast = {};  // As MeanLoss takes it.
  int64_t checkpoint_every = 0;                 // Steps; 0: never within an epoch.
  // Of a data-parallel run, in which each rank trains on its share of every batch; null: this process trains alone.
  RankGroup* ranks = nullptr;

  int64_t world_size() const;
};

// Told after every step, and of remarks that people should read.
struct TrainingObserver {
  // Keeps a checkpoint within an epoch, after every checkpoint_every steps. An error ends the epoch.
  std::function<absl::Status(const PartialEpoch&)> save = {};
  // After every step, once it is saved if it is to be; false ends the epoch there with Cancelled. May be null.
  std::function<bool(int64_t steps_done)> goes_on = {};
  std::function<void(int64_t epoch, int64_t steps_done, int64_t steps, double loss)> step;
  std::function<void(const std::string&)> remark;
};

// Trains epoch by epoch: plans a round where one is due, then forward and backward of each micro-batch and the
// optimizer, each timed, the FLOPs of each backward pass counted as they execute, the energy of each step sampled at
// its end. After the first step of a round that measured importance, the loss on the measured batches is computed once
// more, to compare the loss reduction that the plan promised with the one that came. When a plan is replaced, and at
// the end of the last epoch, what came of it is given to the session as an outcome (TrainingSession::AddOutcome). Not
// thread-safe.
class EpochTrainer {
 public:
  EpochTrainer(const TrainingSetup& setup, TrainingObserver observer);

  // `rows_per_step`: of all micro-batches of a step. What is left over is dropped.
  static int64_t StepsPerEpoch(int64_t row_count, int64_t rows_per_step) { return row_count / rows_per_step; }

  // The loss of the first batch of epoch 1, in training mode: of the shape of every step. For
  // TrainingSession::CreateJob.
  LossFunction FirstLoss();

  // The plan in force when a run goes on.
  void Continue(const Round& round);

  // Epochs count from 1. `partial`, if it is given, is what was saved of this epoch; it goes on from there. The errors
  // of TrainingSession::BeginRound. Aborted: the loss is not finite.
  absl::StatusOr<EpochReport> TrainEpoch(int64_t epoch, std::optional<PartialEpoch> partial = std::nullopt);

 private:
  struct StepTimes;
  // A loss reduction that a round promised for its first step.
  struct Promise {
    double loss_reduction = 0;
    double loss_before = 0;
    RandomState random_state;  // Of the first forward pass.
    std::vector<int64_t> micro_batches;
  };

  // What trains from now on, with the FLOPs of one micro-batch's backward pass.
  void TakeOver(std::vector<std::string> trainable, int64_t backward_flops, int64_t full_backward_flops);
  bool IsRoundDue(int64_t step_in_epoch) const;
  bool IsRoundWanted(int64_t step_in_epoch, int64_t step) const;
  absl::Status SaveIfDue(int64_t step_in_epoch, PartialEpoch& partial);
  std::vector<int64_t> MicroBatchesFrom(int64_t step_in_epoch, int64_t count) const;
  bool IsWarmUp() const;
  absl::Status WarmUp(const std::vector<int64_t>& order);
  absl::Status BeginRound(const std::vector<int64_t>& order, int64_t step_in_epoch, EpochReport& report);
  void AddRound(const Round& round, EpochReport& report);
  // Keeps the most memory that this epoch has taken, for the epoch and for the round in force.
  void NotePeakMemory(EpochReport& report);
  // The plan in force has had its last step.
  void EndRound();
  absl::Status TrainStep(const std::vector<int64_t>& order, int64_t step_in_epoch, EpochSums& sums,
                         EpochReport& report);
  absl::StatusOr<double> RunMicroBatches(int64_t epoch, const std::vector<int64_t>& order, int64_t step_in_epoch,
                                         StepTimes& times, int64_t& predicted_flops);
  void ClipGradients();
  double MeanLoss(const std::vector<int64_t>& order, const std::vector<int64_t>& micro_batches,
                  const RandomState& random_state);
  absl::Status Redeem(const std::vector<int64_t>& order, EpochReport& report);
  profiler::EnergyReading SampleEnergy();
  // Of this rank's share of the micro-batch.
  at::Tensor Loss(const std::vector<int64_t>& order, int64_t micro_batch);
  absl::StatusOr<double> MeanOverRanks(double value) const;
  void SeedStep() const;
  void AddTrainable(const std::vector<std::string>& names, EpochReport& report) const;
  void Remark(const std::vector<std::string>& lines);
  int64_t next_step() const { return static_cast<int64_t>(setup_.progress.step_losses.size()); }

  const TrainingSetup setup_;
  const TrainingObserver observer_;
  const int64_t steps_per_epoch_;
  std::vector<std::string> tensor_names_;
  bool is_under_plan_ = false;
  std::vector<std::string> trainable_;  // Under the plan in force, as the four below, each per step.
  DropRates drop_rates_;
  int64_t expected_backward_flops_ = 0;
  double predicted_backward_seconds_ = 0;  // 0 without a time profile.
  int64_t full_backward_flops_ = 0;
  bool is_save_due_ = false;
  std::optional<Promise> promise_;  // From the round on until its first step is over.
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TRAINER_H_
