#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_IMPORTANCE_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_IMPORTANCE_H_

#include <functional>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/importance.pb.h"
#include "trainer_client/optimizer/update_rule.h"
#include "trainer_client/session/importance_samples.h"

namespace greenplan::trainer {

// Runs forward on probe batch 0, 1, ... and returns the loss, a scalar.
using LossFunction = std::function<at::Tensor(int probe_batch)>;

// Which importance to measure, and on how many batches.
struct ImportanceOptions {
  // The formula; importance.proto lists them.
  v1::ImportanceMetric metric = v1::IMPORTANCE_METRIC_GRADIENT_TIMES_UPDATE;

  // Tells the optimizer's next update. Required by the metrics that use an update.
  const UpdateRule* update_rule = nullptr;

  // The batches to measure on, >= 1. Importance is the mean over them. CROSS_FITTED needs 2 or more.
  int probe_batches = 1;
};

// Returns InvalidArgument, naming the field, if the options contradict each other.
absl::Status ValidateImportanceOptions(const ImportanceOptions& options);

// Measures importance by a backward pass per probe batch.
//
// Each gradient is reduced and freed as soon as it is complete, so that beside the activations the peak is about twice
// the largest tensor (its gradient, its update). CROSS_FITTED also keeps the gradients of all batches but the last.
// Weights, the optimizer and the random generators stay as they are, bit for bit; requires_grad is put back; gradients,
// which must not be pending, are undefined afterwards. Cost: one forward and one full backward per batch.
//
// The errors of ValidateImportanceOptions. FailedPrecondition: an importance is not finite; names the tensor. Internal:
// `loss` or backward threw; the message is theirs.
absl::StatusOr<Importance> MeasureImportance(const NamedParameters& parameters, const std::vector<bool>& measured,
                                             const ImportanceOptions& options, const LossFunction& loss);

// Measures importance from the gradients that a backward pass has left, and leaves them there. Takes scratch memory for
// the update of one tensor. InvalidArgument for CROSS_FITTED, which needs two batches (consecutive_steps.h); otherwise
// as above.
absl::StatusOr<Importance> ImportanceOfGradients(const NamedParameters& parameters, const std::vector<bool>& measured,
                                                 const ImportanceOptions& options);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_IMPORTANCE_H_
