#include "trainer_client/finetune/epoch_trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/convert/names.h"
#include "profiler/autograd/executed_flops.h"
#include "trainer_client/finetune/batches.h"
#include "trainer_client/finetune/peak_memory.h"
#include "trainer_client/finetune/predicted_seconds.h"

namespace greenplan::trainer {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

struct EpochTrainer::Sums {
  double step_seconds = 0;
  double forward_seconds = 0;
  double backward_seconds = 0;
  double optimizer_seconds = 0;
  double predicted_backward_seconds = 0;
  double loss = 0;
  profiler::EnergyTotal energy;
};

EpochTrainer::EpochTrainer(const TrainingSetup& setup, TrainingObserver observer)
    : setup_(setup),
      observer_(std::move(observer)),
      steps_per_epoch_(StepsPerEpoch(static_cast<int64_t>(setup.rows.size()), setup.batch_size)) {
  for (const auto& parameter : setup.model.named_parameters()) tensor_names_.push_back(parameter.key());
}

at::Tensor EpochTrainer::Loss(const std::vector<int64_t>& order, int64_t step_in_epoch) {
  const Batch batch = MakeBatch(setup_.data, order, step_in_epoch * setup_.batch_size, setup_.batch_size);
  return CausalLmLoss(setup_.model.forward(batch.input_ids), batch.labels);
}

LossFunction EpochTrainer::FirstLoss() {
  return [this, order = Shuffled(setup_.rows, setup_.seed, 1)](int) {
    setup_.model.train();
    return Loss(order, 0);
  };
}

void EpochTrainer::Continue(const Round& round) {
  trainable_ = round.trainable;
  predicted_backward_flops_ = round.predicted_backward_cost;
  full_backward_flops_ = round.full_backward_cost;
  if (setup_.time_profile.has_value()) {
    predicted_backward_seconds_ = PredictedBackwardSeconds(*setup_.time_profile, round.trainable);
  }
}

absl::StatusOr<EpochReport> EpochTrainer::TrainEpoch(int64_t epoch) {
  EpochReport report{.epoch = epoch, .tensor_count = static_cast<int64_t>(tensor_names_.size())};
  const std::vector<int64_t> order = Shuffled(setup_.rows, setup_.seed, epoch);
  setup_.model.train();
  ResetPeakMemory();
  SampleEnergy();  // What was used before is none of this epoch's.
  Sums sums;
  for (int64_t i = 0; i < steps_per_epoch_; ++i) {
    setup_.optimizer.set_learning_rate(setup_.schedule.LearningRate(next_step()));
    const bool is_round_due = setup_.plan_every == 0 ? i == 0 : next_step() % setup_.plan_every == 0;
    if (is_round_due) {
      if (absl::Status status = BeginRound(order, i, report); !status.ok()) return status;
    } else if (i == 0) {
      AddTrainable(trainable_, report);
    }
    if (absl::Status status = TrainStep(order, i, sums, report); !status.ok()) return status;
    observer_.step(epoch, i + 1, steps_per_epoch_, setup_.progress.step_losses.back());
  }
  const double steps = static_cast<double>(steps_per_epoch_);
  report.full_backward_flops = full_backward_flops_;
  report.step_seconds = sums.step_seconds / steps;
  report.forward_seconds = sums.forward_seconds / steps;
  report.backward_seconds = sums.backward_seconds / steps;
  report.optimizer_seconds = sums.optimizer_seconds / steps;
  if (setup_.time_profile.has_value()) report.predicted_backward_seconds = sums.predicted_backward_seconds / steps;
  report.joules_per_step = sums.energy.joules / steps;
  report.energy_is_estimate = sums.energy.is_estimate;
  report.train_loss = sums.loss / steps;
  report.peak_memory_bytes = PeakMemoryBytes();
  return report;
}

absl::Status EpochTrainer::BeginRound(const std::vector<int64_t>& order, int64_t step_in_epoch, EpochReport& report) {
  const profiler::ExecutedFlopsCounter counter;
  auto probe_loss = [&](int batch) { return Loss(order, (step_in_epoch + batch) % steps_per_epoch_); };
  absl::StatusOr<Round> round = setup_.session.BeginRound(
      probe_loss,
      {.epoch = report.epoch, .step = next_step(), .sample_count = setup_.probe_batches * setup_.batch_size});
  if (!round.ok()) return round.status();
  const int64_t flops = counter.forward_flops() + counter.backward_flops();
  setup_.progress.probe_flops += flops;
  setup_.progress.executed_flops += flops;
  setup_.progress.energy.Add(SampleEnergy());
  Continue(*round);
  AddTrainable(round->trainable, report);
  report.probe_seconds += round->probe_seconds;
  report.plan_seconds += round->plan_seconds;
  report.rounds.push_back({.round = round->plan.round(),
                           .step = next_step(),
                           .trainable = round->trainable,
                           .status = StatusName(round->plan.status()),
                           .message = round->notice.empty() ? round->plan.message() : round->notice,
                           .digest = round->plan.digest(),
                           .predicted_backward_flops = round->predicted_backward_cost,
                           .value = round->plan.value(),
                           .upper_bound = round->plan.upper_bound(),
                           .probe_seconds = round->probe_seconds,
                           .plan_seconds = round->plan_seconds});
  if (!round->notice.empty()) observer_.remark(round->notice);
  if (round->trainable.empty()) {
    observer_.remark(absl::StrCat("nothing trains from step ", next_step(), " on: ", round->plan.message(),
                                  "; backward is skipped"));
  }
  return absl::OkStatus();
}

absl::Status EpochTrainer::TrainStep(const std::vector<int64_t>& order, int64_t step_in_epoch, Sums& sums,
                                     EpochReport& report) {
  const profiler::ExecutedFlopsCounter counter;
  const Clock::time_point begin = Clock::now();
  const at::Tensor loss = Loss(order, step_in_epoch);
  const double loss_value = loss.item<double>();
  const Clock::time_point forward_end = Clock::now();
  if (!std::isfinite(loss_value)) {
    return absl::AbortedError(absl::StrCat("the training loss is ", loss_value, " at step ", next_step(), " of epoch ",
                                           report.epoch, ": training has diverged; a lower --lr may help"));
  }
  if (absl::StatusOr<bool> ran = setup_.session.Backward(loss); !ran.ok()) return ran.status();
  const Clock::time_point backward_end = Clock::now();
  setup_.optimizer.Step();
  setup_.optimizer.ClearGradients();
  const Clock::time_point end = Clock::now();
  const profiler::EnergyReading energy = SampleEnergy();

  sums.step_seconds += Seconds(begin, end);
  sums.forward_seconds += Seconds(begin, forward_end);
  sums.backward_seconds += Seconds(forward_end, backward_end);
  sums.optimizer_seconds += Seconds(backward_end, end);
  sums.predicted_backward_seconds += predicted_backward_seconds_;
  sums.loss += loss_value;
  sums.energy.Add(energy);
  setup_.progress.energy.Add(energy);
  setup_.progress.step_losses.push_back(loss_value);
  setup_.progress.executed_flops += counter.forward_flops() + counter.backward_flops();
  report.executed_backward_flops.sum += counter.backward_flops();
  report.predicted_backward_flops.sum += predicted_backward_flops_;
  ++report.executed_backward_flops.steps;
  ++report.predicted_backward_flops.steps;
  return absl::OkStatus();
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
