#include "trainer_client/finetune/loss_promise.h"

#include "ATen/core/grad_mode.h"

namespace greenplan::trainer {
namespace {

absl::StatusOr<double> MeanOverRanks(RankGroup* ranks, double value) {
  return ranks == nullptr ? value : ranks->Mean(value);
}

}  // namespace

absl::StatusOr<double> LossPromise::MeanLoss(const MicroBatchLoss& loss) const {
  const RandomStateGuard keep_random_state;
  const at::NoGradGuard no_grad;
  SetRandomState(random_state_);
  double sum = 0;
  for (int64_t micro_batch : micro_batches_) sum += loss(micro_batch).item<double>();
  return MeanOverRanks(ranks_, sum / static_cast<double>(micro_batches_.size()));
}

absl::Status LossPromise::NoteLossBefore(const MicroBatchLoss& loss, double step_loss, bool is_of_step) {
  const absl::StatusOr<double> before = is_of_step ? step_loss : MeanLoss(loss);
  if (!before.ok()) return before.status();
  loss_before_ = *before;
  return absl::OkStatus();
}

absl::StatusOr<LossReduction> LossPromise::Redeem(const MicroBatchLoss& loss) const {
  const absl::StatusOr<double> after = MeanLoss(loss);
  if (!after.ok()) return after.status();
  const absl::StatusOr<double> promised = MeanOverRanks(ranks_, loss_reduction_);
  if (!promised.ok()) return promised.status();
  return LossReduction{.promised = *promised, .realised = loss_before_ - *after};
}

}  // namespace greenplan::trainer
