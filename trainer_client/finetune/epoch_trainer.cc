#include "trainer_client/finetune/epoch_trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "c10/core/impl/VirtualGuardImpl.h"
#include "planner/convert/names.h"
#include "planner/core/cost.h"
#include "profiler/autograd/executed_flops.h"
#include "torch/nn/utils/clip_grad.h"
#include "trainer_client/finetune/batch_loss.h"
#include "trainer_client/finetune/batches.h"
#include "trainer_client/finetune/peak_memory.h"
#include "trainer_client/finetune/predicted_seconds.h"
#include "trainer_client/finetune/round_sums.h"
#include "trainer_client/parallel/rank_group.h"

namespace greenplan::trainer {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

int64_t TrainingSetup::world_size() const { return ranks == nullptr ? 1 : ranks->world_size(); }

// The time once the device has done all that it was given. Without the wait, a GPU's work would count where the next
// number is read from it.
Clock::time_point EpochTrainer::Now() const {
  if (!device_.is_cpu()) c10::impl::VirtualGuardImpl(device_.type()).synchronizeDevice(device_.index());
  return Clock::now();
}

EpochTrainer::EpochTrainer(const TrainingSetup& setup, TrainingObserver observer)
    : setup_(setup),
      observer_(std::move(observer)),
      device_(DeviceOf(setup.model)),
      steps_per_epoch_(StepsPerEpoch(static_cast<int64_t>(setup.rows.size()),
                                     setup.batch_size * setup.grad_accum * setup.world_size())),
      calendar_{.steps_per_epoch = steps_per_epoch_,
                .plan_every = setup.plan_every,
                .plans_by_drift = setup.plans_by_drift,
                .probe_steps = setup.probe_steps,
                .uniform_steps = setup.uniform_steps,
                .warmup_rounds = setup.warmup_rounds} {
  for (const auto& parameter : setup.model.named_parameters()) {
    if (parameter.value().requires_grad()) tensor_names_.push_back(parameter.key());
  }
}

at::Tensor EpochTrainer::Loss(const std::vector<int64_t>& order, int64_t micro_batch) {
  const int64_t rank = setup_.ranks == nullptr ? 0 : setup_.ranks->rank();
  const int64_t share = micro_batch * setup_.world_size() + rank;
  const Batch batch = MakeBatch(setup_.data, order, share * setup_.batch_size, setup_.batch_size);
  return BatchLoss(setup_.model, batch, setup_.autocast);
}

// Rank 0 draws dropout from one sequence of random numbers, as a run of one rank does. Every other rank begins a
// sequence of its own at each step: so it needs no saved state to go on at any step as if it had not stopped.
void EpochTrainer::SeedStep() const {
  if (setup_.ranks == nullptr || setup_.ranks->rank() == 0) return;
  std::seed_seq sequence = {setup_.seed, static_cast<uint64_t>(next_step()),
                            static_cast<uint64_t>(setup_.ranks->rank())};
  std::mt19937_64 generator(sequence);
  at::manual_seed(generator());
}

LossFunction EpochTrainer::FirstLoss() {
  return [this, order = Shuffled(setup_.rows, setup_.seed, 1)](int) {
    setup_.model.train();
    return Loss(order, 0);
  };
}

void EpochTrainer::Continue(const Round& round) {
  is_under_plan_ = true;
  drop_rates_ = DropRates(round.drop_rates.begin(), round.drop_rates.end());
  TakeOver(round.trainable, round.predicted_backward_cost, round.full_backward_cost);
}

void EpochTrainer::TakeOver(std::vector<std::string> trainable, int64_t backward_flops, int64_t full_backward_flops) {
  trainable_ = std::move(trainable);
  expected_backward_flops_ = backward_flops * setup_.grad_accum;
  full_backward_flops_ = full_backward_flops * setup_.grad_accum;
  if (setup_.time_profile.has_value()) {
    predicted_backward_seconds_ =
        PredictedBackwardSeconds(*setup_.time_profile, trainable_) * static_cast<double>(setup_.grad_accum);
  }
}

bool EpochTrainer::IsRoundDue() const {
  if (setup_.session.is_measuring()) return false;
  return calendar_.IsRoundDue(next_step(), setup_.plans_by_drift && setup_.session.IsRoundDue());
}

absl::Status EpochTrainer::WarmUp(const std::vector<int64_t>& order) {
  const absl::Status status = setup_.session.TrainEverything([&](int) { return Loss(order, 0); });
  if (!status.ok()) return status;
  std::vector<std::string> trainable;
  const std::vector<bool>& reached = setup_.session.step_plan().reached;
  const ModelProfile& profile = setup_.session.profile();
  for (size_t i = 0; i < reached.size(); ++i) {
    if (reached[i]) trainable.push_back(profile.tensors[i].name);
  }
  TakeOver(std::move(trainable), setup_.session.step_plan().predicted_backward_cost,
           EvaluateMask(profile, FullMask(profile)).backward_cost);
  return absl::OkStatus();
}

absl::StatusOr<EpochReport> EpochTrainer::TrainEpoch(int64_t epoch, std::optional<PartialEpoch> partial) {
  if (!partial.has_value()) {
    partial = {.report = {.epoch = epoch, .tensor_count = static_cast<int64_t>(tensor_names_.size())}};
  }
  EpochReport& report = partial->report;
  EpochSums& sums = partial->sums;
  const std::vector<int64_t> order = Shuffled(setup_.rows, setup_.seed, epoch);
  setup_.model.train();
  ResetPeakMemory(device_);
  SampleEnergy();  // What was used before is none of this epoch's.
  for (int64_t i = report.executed_backward_flops.steps; i < steps_per_epoch_; ++i) {
    setup_.optimizer.set_learning_rate(setup_.schedule.LearningRate(next_step()));
    SeedStep();
    const bool is_round_due = IsRoundDue();
    // Of a first round that would not fit into this epoch.
    const bool waits_for_round = !is_under_plan_ && !is_round_due && !setup_.session.is_measuring();
    if (calendar_.IsWarmUp(next_step()) || waits_for_round) {
      if (is_round_due || trainable_.empty()) {
        if (absl::Status status = WarmUp(order); !status.ok()) return status;
      }
      AddTrainable(trainable_, report);
    } else if (is_round_due) {
      if (absl::Status status = BeginRound(order, i, report); !status.ok()) return status;
    } else if (i == 0) {
      AddTrainable(trainable_, report);
    }
    if (absl::Status status = TrainStep(order, i, sums, report); !status.ok()) return status;
    observer_.step(epoch, i + 1, steps_per_epoch_, setup_.progress.step_losses.back());
    if (absl::Status status = SaveIfDue(i, *partial); !status.ok()) return status;
    if (observer_.goes_on && !observer_.goes_on(next_step())) return absl::CancelledError("stopped by the caller");
  }
  FinishReport(sums, report);
  if (next_step() >= setup_.schedule.total_steps) EndRound();
  return std::move(report);
}

void EpochTrainer::FinishReport(const EpochSums& sums, EpochReport& report) {
  report.drop_rates = drop_rates_;
  report.full_backward_flops = full_backward_flops_;
  FillInMeans(sums, steps_per_epoch_, setup_.time_profile.has_value(), report);
  NotePeakMemory(report);
}

// While a round is being measured, the checkpoint waits.
absl::Status EpochTrainer::SaveIfDue(int64_t step_in_epoch, PartialEpoch& partial) {
  if (setup_.checkpoint_every > 0 && next_step() % setup_.checkpoint_every == 0) is_save_due_ = true;
  const bool is_end_of_epoch = step_in_epoch + 1 == steps_per_epoch_;  // That has a checkpoint of its own.
  if (!is_save_due_ || (setup_.session.is_measuring() && !is_end_of_epoch)) return absl::OkStatus();
  is_save_due_ = false;
  if (is_end_of_epoch) return absl::OkStatus();
  NotePeakMemory(partial.report);
  return observer_.save(partial);
}

std::vector<int64_t> EpochTrainer::MicroBatchesFrom(int64_t step_in_epoch, int64_t count) const {
  std::vector<int64_t> micro_batches;
  for (int64_t i = 0; i < count; ++i) {
    micro_batches.push_back((step_in_epoch * setup_.grad_accum + i) % (steps_per_epoch_ * setup_.grad_accum));
  }
  return micro_batches;
}

absl::Status EpochTrainer::BeginRound(const std::vector<int64_t>& order, int64_t step_in_epoch, EpochReport& report) {
  const int64_t probe_batches =
      setup_.probe == Probe::kInStep ? setup_.grad_accum * setup_.probe_steps : setup_.probe_batches;
  RoundOptions options{.epoch = report.epoch,
                       .step = next_step(),
                       .sample_count = probe_batches * setup_.batch_size,
                       .uniform_rates = next_step() < setup_.uniform_steps};
  promise_.emplace(setup_.ranks);
  if (step_in_epoch > 0) NotePeakMemory(report);  // Before this round's probe adds to it.
  if (setup_.probe == Probe::kInStep) {
    if (setup_.probe_steps > 1 && !is_under_plan_) {  // The steps before the first plan.
      if (absl::Status status = WarmUp(order); !status.ok()) return status;
    }
    if (absl::Status status = setup_.session.BeginRoundInStep(options); !status.ok()) return status;
    const bool keeps_plan = !setup_.session.is_measuring();  // The planner is away and is not asked.
    if (setup_.probe_steps > 1 || keeps_plan) AddTrainable(trainable_, report);
    return absl::OkStatus();
  }
  promise_->set_micro_batches(MicroBatchesFrom(step_in_epoch, probe_batches));

  const profiler::ExecutedFlopsCounter counter;
  absl::StatusOr<Round> round =
      setup_.session.BeginRound([&](int batch) { return Loss(order, promise_->micro_batches()[batch]); }, options);
  if (!round.ok()) return round.status();
  const int64_t flops = counter.forward_flops() + counter.backward_flops();
  setup_.progress.probe_flops += flops;
  setup_.progress.executed_flops += flops;
  setup_.progress.energy.Add(SampleEnergy());
  AddRound(*round, report);
  return absl::OkStatus();
}

void EpochTrainer::NotePeakMemory(EpochReport& report) {
  const int64_t peak = PeakMemoryBytes(device_);
  report.peak_memory_bytes = std::max(report.peak_memory_bytes, peak);
  std::optional<RoundSums>& sums = setup_.progress.round;
  if (sums.has_value()) sums->peak_memory_bytes = std::max(sums->peak_memory_bytes, peak);
}

void EpochTrainer::EndRound() {
  const std::optional<RoundSums> sums = std::exchange(setup_.progress.round, std::nullopt);
  if (sums.has_value() && sums->steps > 0) setup_.session.AddOutcome(OutcomeOf(*sums));
}

void EpochTrainer::AddRound(const Round& round, EpochReport& report) {
  if (!setup_.progress.round.has_value() || setup_.progress.round->round != round.plan.round()) {
    EndRound();
    setup_.progress.round = RoundSums{.round = round.plan.round()};
  }
  Continue(round);
  AddTrainable(round.trainable, report);
  report.probe_seconds += round.probe_seconds;
  report.plan_seconds += round.plan_seconds;
  report.rounds.push_back({.round = round.plan.round(),
                           .step = next_step(),
                           .trainable = round.trainable,
                           .drop_rates = drop_rates_,
                           .status = StatusName(round.plan.status()),
                           .message = round.notice.empty() ? round.plan.message() : round.notice,
                           .digest = round.plan.digest(),
                           .predicted_backward_flops = expected_backward_flops_,
                           .value = round.plan.value(),
                           .upper_bound = round.plan.upper_bound(),
                           .drift = round.drift,
                           .probe_seconds = round.probe_seconds,
                           .plan_seconds = round.plan_seconds});
  if (round.is_measured) {
    promise_->set_loss_reduction(round.importance_sum);
  } else {
    promise_.reset();
  }
  if (!round.notice.empty()) observer_.remark(round.notice);
  if (round.trainable.empty()) {
    observer_.remark(
        absl::StrCat("nothing trains from step ", next_step(), " on: ", round.plan.message(), "; backward is skipped"));
  }
}

absl::StatusOr<double> EpochTrainer::RunMicroBatches(int64_t epoch, const std::vector<int64_t>& order,
                                                     int64_t step_in_epoch, StepRecord& step) {
  double loss_sum = 0;
  for (int64_t i = 0; i < setup_.grad_accum; ++i) {
    const Clock::time_point begin = Now();
    at::Tensor loss = Loss(order, step_in_epoch * setup_.grad_accum + i);
    const double loss_value = loss.item<double>();
    const Clock::time_point forward_end = Now();
    if (!std::isfinite(loss_value)) {
      return absl::AbortedError(absl::StrCat("the training loss is ", loss_value, " at step ", next_step(),
                                             " of epoch ", epoch, ": training has diverged; a lower --lr may help"));
    }
    step.predicted_flops += setup_.session.step_plan().predicted_backward_cost;
    if (setup_.grad_accum > 1) loss = loss / static_cast<double>(setup_.grad_accum);
    if (absl::StatusOr<bool> ran = setup_.session.Backward(loss); !ran.ok()) return ran.status();
    step.forward_seconds += Seconds(begin, forward_end);
    step.backward_seconds += Seconds(forward_end, Now());
    loss_sum += loss_value;
  }
  return loss_sum / static_cast<double>(setup_.grad_accum);
}

absl::Status EpochTrainer::TrainStep(const std::vector<int64_t>& order, int64_t step_in_epoch, EpochSums& sums,
                                     EpochReport& report) {
  const profiler::ExecutedFlopsCounter counter;
  StepRecord step;
  if (absl::Status status = ComputeGradients(order, step_in_epoch, report.epoch, step); !status.ok()) return status;
  if (absl::Status status = PlanFromGradients(step_in_epoch, report, step); !status.ok()) return status;
  if (absl::Status status = NoteLossBefore(order, step.loss, report); !status.ok()) return status;
  if (absl::Status status = StepOptimizer(report, step); !status.ok()) return status;
  step.energy = SampleEnergy();
  step.forward_flops = counter.forward_flops();
  step.backward_flops = counter.backward_flops();
  step.expected_flops = expected_backward_flops_;
  step.predicted_backward_seconds = predicted_backward_seconds_;
  AddStep(step, sums, report, setup_.progress);
  if (absl::Status status = Redeem(order, report); !status.ok()) return status;
  Remark(setup_.session.TakeNotices());
  return absl::OkStatus();
}

absl::Status EpochTrainer::ComputeGradients(const std::vector<int64_t>& order, int64_t step_in_epoch, int64_t epoch,
                                            StepRecord& step) {
  const Clock::time_point begin = Now();
  if (absl::Status status = setup_.session.BeginStep(); !status.ok()) return status;
  if (promise_.has_value()) promise_->KeepRandomState();
  absl::StatusOr<double> loss = RunMicroBatches(epoch, order, step_in_epoch, step);
  if (loss.ok() && setup_.ranks != nullptr) loss = setup_.ranks->Mean(*loss);
  if (!loss.ok()) return loss.status();
  step.loss = *loss;
  step.gradient_seconds = Seconds(begin, Now());
  return absl::OkStatus();
}

absl::Status EpochTrainer::PlanFromGradients(int64_t step_in_epoch, EpochReport& report, StepRecord& step) {
  absl::StatusOr<std::optional<Round>> round = setup_.session.PlanFromGradients();
  if (!round.ok()) return round.status();
  const StepProbe& probe = setup_.session.step_probe();
  const int64_t beyond_plan = probe.backward_cost * setup_.grad_accum;
  step.predicted_flops -= beyond_plan;
  step.probe_flops = beyond_plan + probe.sensitivity_flops;
  if (round->has_value()) {
    AddRound(**round, report);
    promise_->set_micro_batches(MicroBatchesFrom(step_in_epoch, setup_.grad_accum));
  } else if (setup_.probe == Probe::kInStep && !setup_.session.is_measuring()) {
    promise_.reset();  // The planner is away and was not asked.
  }
  return absl::OkStatus();
}

absl::Status EpochTrainer::NoteLossBefore(const std::vector<int64_t>& order, double step_loss, EpochReport& report) {
  if (!promise_.has_value() || !setup_.measures_importance || setup_.session.is_measuring()) return absl::OkStatus();
  const bool is_of_step = promise_->micro_batches().size() == static_cast<size_t>(setup_.grad_accum);
  const Clock::time_point begin = Now();
  const profiler::ExecutedFlopsCounter counter;
  const absl::Status noted = promise_->NoteLossBefore([&](int64_t i) { return Loss(order, i); }, step_loss, is_of_step);
  setup_.progress.probe_flops += counter.forward_flops();  // Counted as executed with the step that they come in.
  report.probe_seconds += Seconds(begin, Now());
  return noted;
}

absl::Status EpochTrainer::StepOptimizer(EpochReport& report, StepRecord& step) {
  const Clock::time_point begin = Now();
  const int64_t bytes_before = setup_.ranks == nullptr ? 0 : setup_.ranks->averaged_bytes();
  if (absl::Status status = setup_.session.AverageGradients(); !status.ok()) return status;
  report.reduced_bytes.Add(setup_.ranks == nullptr ? 0 : setup_.ranks->averaged_bytes() - bytes_before);
  ClipGradients();
  if (absl::Status status = setup_.session.Step().status(); !status.ok()) return status;
  step.optimizer_seconds = Seconds(begin, Now());
  return absl::OkStatus();
}

void EpochTrainer::ClipGradients() {
  if (setup_.clip_norm <= 0) return;
  std::vector<at::Tensor> parameters;
  for (const at::Tensor& parameter : setup_.model.parameters()) {
    if (parameter.grad().defined()) parameters.push_back(parameter);
  }
  if (!parameters.empty()) torch::nn::utils::clip_grad_norm_(parameters, setup_.clip_norm);
}

// Once a round's first step is over.
absl::Status EpochTrainer::Redeem(const std::vector<int64_t>& order, EpochReport& report) {
  if (!promise_.has_value() || setup_.session.is_measuring()) return absl::OkStatus();
  const LossPromise promise = *std::exchange(promise_, std::nullopt);
  if (!setup_.measures_importance) return absl::OkStatus();
  const Clock::time_point begin = Now();
  const profiler::ExecutedFlopsCounter counter;
  const absl::StatusOr<LossReduction> reduction = promise.Redeem([&](int64_t i) { return Loss(order, i); });
  if (!reduction.ok()) return reduction.status();
  setup_.progress.probe_flops += counter.forward_flops();
  setup_.progress.executed_flops += counter.forward_flops();
  report.probe_seconds += Seconds(begin, Now());
  report.rounds.back().promised_loss_reduction = reduction->promised;
  report.rounds.back().realised_loss_reduction = reduction->realised;
  if (std::optional<RoundSums>& sums = setup_.progress.round; sums.has_value() && sums->steps == 1) {
    sums->promised_loss_reduction = reduction->promised;
    sums->realised_loss_reduction = reduction->realised;
  }
  return absl::OkStatus();
}

void EpochTrainer::Remark(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) observer_.remark(line);
}

profiler::EnergyReading EpochTrainer::SampleEnergy() {
  profiler::EnergyReading reading = setup_.energy_meter.Sample();
  if (!reading.notice.empty()) observer_.remark(reading.notice);
  return reading;
}

void EpochTrainer::AddTrainable(const std::vector<std::string>& names, EpochReport& report) const {
  std::set<std::string> all(names.begin(), names.end());
  all.insert(report.trainable.begin(), report.trainable.end());
  report.trainable.clear();
  for (const std::string& name : tensor_names_) {
    if (all.contains(name)) report.trainable.push_back(name);
  }
}

}  // namespace greenplan::trainer
