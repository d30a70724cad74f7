#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_IMPORTANCE_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_IMPORTANCE_H_

#include <functional>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/importance.pb.h"
#include "profiler/autograd/profile.h"
#include "trainer_client/optimizer/update_rule.h"

namespace greenplan::trainer {

using profiler::NamedParameters;

// Runs forward on probe batch 0, 1, ... and returns the loss, a scalar.
using LossFunction = std::function<at::Tensor(int probe_batch)>;

struct ImportanceOptions {
  v1::ImportanceMetric metric = v1::IMPORTANCE_METRIC_GRADIENT_TIMES_UPDATE;  // importance.proto has the formulas.
  const UpdateRule* update_rule = nullptr;  // Required by the two metrics that know an update.
  int probe_batches = 1;                    // >= 1; importance is the mean over them.
};

// Measures what training each tensor is worth, by a backward pass per probe batch. Returns [num_tensors]; 0 for tensors
// that are not to be measured.
//
// Each gradient is reduced and freed as soon as it is complete, so that beside the activations the peak is about twice
// the largest tensor (its gradient, its update). Weights, the optimizer and the random generators stay as they are, bit
// for bit; requires_grad is put back; gradients, which must not be pending, are undefined afterwards.
// Cost: one forward and one full backward per batch.
//
// InvalidArgument: the metric needs an update_rule. FailedPrecondition: an importance is not finite; names the tensor.
// Internal: `loss` or backward threw; the message is theirs.
absl::StatusOr<std::vector<double>> MeasureImportance(const NamedParameters& parameters,
                                                      const std::vector<bool>& measured,
                                                      const ImportanceOptions& options, const LossFunction& loss);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_IMPORTANCE_H_
