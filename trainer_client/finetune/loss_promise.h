#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_LOSS_PROMISE_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_LOSS_PROMISE_H_

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer_client/parallel/rank_group.h"
#include "trainer_client/session/random_state.h"

namespace greenplan::trainer {

// The loss reduction of a round's first step, a mean over the ranks.
struct LossReduction {
  double promised = 0;
  double realised = 0;
};

// Holds a round to the loss reduction that its plan promised for the first step: it compares the loss of the batches
// on which importance was measured before and after that step, with the same random numbers for dropout.
//
//   LossPromise promise(ranks);  // A round begins.
//   promise.set_micro_batches({0, 1});
//   promise.set_loss_reduction(0.25);
//   promise.KeepRandomState();  // Before the first forward pass of the step.
//   ... forward and backward ...
//   absl::Status status = promise.NoteLossBefore(loss, step_loss, /*is_of_step=*/true);
//   ... the optimizer's step ...
//   absl::StatusOr<LossReduction> reduction = promise.Redeem(loss);
//
// With ranks, NoteLossBefore() and Redeem() are collective. Not thread-safe.
class LossPromise {
 public:
  // The loss of this rank's share of a micro-batch of the epoch: a tensor of one element.
  using MicroBatchLoss = std::function<at::Tensor(int64_t micro_batch)>;

  // `ranks` must outlive the promise; null: this process trains alone.
  explicit LossPromise(RankGroup* ranks) : ranks_(ranks) {}

  // The micro-batches of the epoch on which importance was measured, at least one.
  const std::vector<int64_t>& micro_batches() const { return micro_batches_; }
  void set_micro_batches(std::vector<int64_t> micro_batches) { micro_batches_ = std::move(micro_batches); }

  // What the plan promises on this rank.
  void set_loss_reduction(double loss_reduction) { loss_reduction_ = loss_reduction; }

  // Keeps the state of the random generators: every loss from here on is computed with the numbers drawn from it.
  void KeepRandomState() { random_state_ = GetRandomState(); }

  // Keeps the loss before the optimizer's step. It is `step_loss`, the mean over the ranks, if the step trains on the
  // very micro-batches that were measured; otherwise those are computed. The errors of RankGroup::Mean.
  absl::Status NoteLossBefore(const MicroBatchLoss& loss, double step_loss, bool is_of_step);

  // Returns by how much the loss was to fall and by how much it fell. The errors of RankGroup::Mean.
  absl::StatusOr<LossReduction> Redeem(const MicroBatchLoss& loss) const;

 private:
  // Returns the mean loss of the measured micro-batches over all ranks, computed without recording.
  absl::StatusOr<double> MeanLoss(const MicroBatchLoss& loss) const;

  RankGroup* const ranks_;
  std::vector<int64_t> micro_batches_;
  double loss_reduction_ = 0;
  RandomState random_state_;
  double loss_before_ = 0;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_LOSS_PROMISE_H_
