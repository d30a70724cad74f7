#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TRAINER_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TRAINER_H_

#include <chrono>
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
#include "trainer_client/finetune/loss_promise.h"
#include "trainer_client/finetune/report.h"
#include "trainer_client/finetune/round_calendar.h"
#include "trainer_client/finetune/step_record.h"
#include "trainer_client/models/causal_lm.h"
#include "trainer_client/optimizer/learning_rate.h"
#include "trainer_client/optimizer/optimizer.h"
#include "trainer_client/session/training_session.h"

namespace greenplan::trainer {

// How importance is measured: by a pass of its own, or from the gradients of a round's first step.
enum class Probe { kSeparate, kInStep };

// What one run trains with. All that is referenced must outlive the trainer.
struct TrainingSetup {
  CausalLm& model;
  Optimizer& optimizer;

  // The session, which also steps the optimizer.
  TrainingSession& session;
  profiler::EnergyMeter& energy_meter;

  // Where the run stands. Every step adds to it.
  TrainingProgress& progress;

  // A profile in nanoseconds. Absent: times are not predicted.
  const std::optional<ModelProfile>& time_profile;

  // The training data, and which of its rows to train on.
  const Dataset& data;
  const std::vector<int64_t>& rows;

  // Rows of a micro-batch of one rank.
  int64_t batch_size = 0;

  // Micro-batches of an optimizer step, >= 1.
  int64_t grad_accum = 1;

  // The largest norm of all gradients together. 0: gradients are not clipped.
  double clip_norm = 0;

  // The learning rate of every step.
  CosineSchedule schedule;

  // Of the order of the rows, and of dropout on ranks other than 0.
  uint64_t seed = 0;

  // Optimizer steps between rounds. 0: a round begins with every epoch.
  int64_t plan_every = 0;

  // Whether TrainingSession::IsRoundDue() decides when a round begins, instead of plan_every.
  bool plans_by_drift = false;

  // How importance is measured.
  Probe probe = Probe::kSeparate;

  // Micro-batches of the separate probe.
  int64_t probe_batches = 1;

  // Steps of the in-step probe, at most those of an epoch.
  int64_t probe_steps = 1;

  // Whether the method measures importance, so that a promised loss reduction is compared with the realised one.
  bool measures_importance = true;

  // The step at which drop rates, uniform until then, are allocated by sensitivity: a round begins there. 0: at once.
  int64_t uniform_steps = 0;

  // Rounds that train everything before the first plan.
  int64_t warmup_rounds = 0;

  // The type of products and attention, as in BatchLoss. Absent: that of the weights.
  std::optional<at::ScalarType> autocast = {};

  // Optimizer steps between checkpoints within an epoch. 0: there are none.
  int64_t checkpoint_every = 0;

  // Of a data-parallel run, in which each rank trains on its share of every batch; null: this process trains alone.
  RankGroup* ranks = nullptr;

  // Returns the number of ranks, 1 without `ranks`.
  int64_t world_size() const;
};

// Callbacks that are told how training goes on. Called on the training thread.
struct TrainingObserver {
  // Keeps a checkpoint within an epoch, after every checkpoint_every steps. An error ends the epoch.
  std::function<absl::Status(const PartialEpoch&)> save = {};
  // After every step, once it is saved if it is to be; false ends the epoch there with Cancelled. May be null.
  std::function<bool(int64_t steps_done)> goes_on = {};
  std::function<void(int64_t epoch, int64_t steps_done, int64_t steps, double loss)> step;
  std::function<void(const std::string&)> remark;
};

// Trains epoch by epoch. It plans a round where one is due (round_calendar.h), then runs forward and backward of each
// micro-batch and steps the optimizer. Each part is timed, the FLOPs of each backward pass are counted as they execute,
// and the energy of each step is sampled at its end. After the first step of a round that measured importance, it
// computes the loss on the measured batches once more, to compare the loss reduction that the plan promised with the
// one that came. When a plan is replaced, and at the end of the last epoch, it gives the session what came of the plan
// as an outcome (TrainingSession::AddOutcome). Not thread-safe.
class EpochTrainer {
 public:
  EpochTrainer(const TrainingSetup& setup, TrainingObserver observer);

  // Returns the optimizer steps of an epoch. `rows_per_step` counts the rows of all micro-batches of a step; what is
  // left over is dropped.
  static int64_t StepsPerEpoch(int64_t row_count, int64_t rows_per_step) { return row_count / rows_per_step; }

  // Returns a function that computes the loss of the first batch of epoch 1 in training mode. It has the shape of every
  // step's loss; it is for TrainingSession::CreateJob.
  LossFunction FirstLoss();

  // Takes up the plan that was in force when the run stopped.
  void Continue(const Round& round);

  // Trains one epoch and returns its report. Epochs count from 1. `partial`, if given, is what was saved of this epoch,
  // which then goes on from there. The errors of TrainingSession::BeginRound and of the observer's `save`. Aborted if
  // the loss is not finite. Cancelled if the observer ends the run.
  absl::StatusOr<EpochReport> TrainEpoch(int64_t epoch, std::optional<PartialEpoch> partial = std::nullopt);

 private:
  // What trains from now on, with the FLOPs of one micro-batch's backward pass.
  void TakeOver(std::vector<std::string> trainable, int64_t backward_flops, int64_t full_backward_flops);
  // Returns whether a round begins before the next step.
  bool IsRoundDue() const;
  // Keeps a checkpoint within the epoch if one is due and no round is being measured.
  absl::Status SaveIfDue(int64_t step_in_epoch, PartialEpoch& partial);
  // Returns the numbers of `count` micro-batches of the epoch from this step on; after the last one comes the first.
  std::vector<int64_t> MicroBatchesFrom(int64_t step_in_epoch, int64_t count) const;
  // Makes everything train from the next step on.
  absl::Status WarmUp(const std::vector<int64_t>& order);
  // Begins a round by the probe of the setup, and adds it to the report once it has planned.
  absl::Status BeginRound(const std::vector<int64_t>& order, int64_t step_in_epoch, EpochReport& report);
  // Takes the round's plan over and adds the round to the report.
  void AddRound(const Round& round, EpochReport& report);
  // Keeps the largest memory use of this epoch so far, for the epoch and for the round in force.
  void NotePeakMemory(EpochReport& report);
  // Gives the session the outcome of the plan in force, which has had its last step.
  void EndRound();
  // Fills in what is known of the epoch once its last step is over: means over its steps, peak memory.
  void FinishReport(const EpochSums& sums, EpochReport& report);
  // Trains one optimizer step and adds it to the sums and the report.
  absl::Status TrainStep(const std::vector<int64_t>& order, int64_t step_in_epoch, EpochSums& sums,
                         EpochReport& report);
  // Begins the step and runs its micro-batches.
  absl::Status ComputeGradients(const std::vector<int64_t>& order, int64_t step_in_epoch, int64_t epoch,
                                StepRecord& step);
  // Runs forward and backward of all micro-batches of a step. Returns the mean loss of this rank. Aborted if a loss is
  // not finite.
  absl::StatusOr<double> RunMicroBatches(int64_t epoch, const std::vector<int64_t>& order, int64_t step_in_epoch,
                                         StepRecord& step);
  // Plans from the gradients if this step measures, and adds the round to the report.
  absl::Status PlanFromGradients(int64_t step_in_epoch, EpochReport& report, StepRecord& step);
  // Keeps the loss that a promised loss reduction starts from: this step's, or that of the batches of the probe.
  absl::Status NoteLossBefore(const std::vector<int64_t>& order, double step_loss, EpochReport& report);
  // Averages gradients over the ranks, clips them and steps the optimizer.
  absl::Status StepOptimizer(EpochReport& report, StepRecord& step);
  // Clips the norm of all gradients together to setup_.clip_norm, if that is above 0.
  void ClipGradients();
  // Measures by how much the loss fell in a round's first step, and reports it beside the promise.
  absl::Status Redeem(const std::vector<int64_t>& order, EpochReport& report);
  // Samples the energy meter, and passes its notice on.
  profiler::EnergyReading SampleEnergy();
  // Returns the loss of this rank's share of a micro-batch.
  at::Tensor Loss(const std::vector<int64_t>& order, int64_t micro_batch);
  // Seeds dropout of this step on every rank but rank 0.
  void SeedStep() const;
  // Adds tensors to the union of what trained in the epoch, in the model's order.
  void AddTrainable(const std::vector<std::string>& names, EpochReport& report) const;
  void Remark(const std::vector<std::string>& lines);
  // Returns the time once the device has done all that it was given.
  std::chrono::steady_clock::time_point Now() const;
  // The number of the next optimizer step, counted from 0 over the whole run.
  int64_t next_step() const { return static_cast<int64_t>(setup_.progress.step_losses.size()); }

  const TrainingSetup setup_;
  const TrainingObserver observer_;
  const at::Device device_;  // The model's.
  const int64_t steps_per_epoch_;
  const RoundCalendar calendar_;
  std::vector<std::string> tensor_names_;
  bool is_under_plan_ = false;
  std::vector<std::string> trainable_;  // Under the plan in force, as the four below, each per step.
  DropRates drop_rates_;
  int64_t expected_backward_flops_ = 0;
  double predicted_backward_seconds_ = 0;  // 0 without a time profile.
  int64_t full_backward_flops_ = 0;
  bool is_save_due_ = false;
  std::optional<LossPromise> promise_;  // From the round on until its first step is over.
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TRAINER_H_
