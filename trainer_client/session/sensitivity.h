#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_SENSITIVITY_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_SENSITIVITY_H_

#include <vector>

#include "absl/status/statusor.h"
#include "trainer_client/session/importance.h"
#include "trainer_client/session/residual_branch.h"

namespace greenplan::trainer {

// How much dropping a block harms. g is the gradient of all trainable tensors with nothing dropped, and g_b the
// gradient with block b alone dropped.
enum class SensitivityDefinition {
  kGradientDifference,  // ||g - g_b||^2
  kNormDifference,      // (||g|| - ||g_b||)^2
};

// Measures the sensitivity of each branch on probe batch 0, with nothing else dropped. Returns [branches.size()], >= 0.
//
// Backward is linear in the gradient that flows into a branch, so g - g_b is the gradient of that flow alone: one
// forward pass, one backward pass that stops at the branches' outputs, and for each branch a backward pass through it
// and what lies below it. That is exact, and on a stack of equal blocks it costs half of the published probe (Woo et
// al., NeurIPS 2024: a backward pass for g and one per block). A branch inside a checkpointed function has no output in
// the graph; for such branches forward and backward run once more for each, with the branch dropped. kNormDifference,
// and branches of that kind, hold g during the probe.
//
// Weights, the optimizer and the random generators stay as they are; requires_grad and the branches are put back;
// gradients, which must not be pending, are undefined afterwards.
//
// InvalidArgument: a branch ran more than once in the forward pass. FailedPrecondition: a sensitivity is not finite.
// Internal: `loss` or backward threw; the message is theirs.
absl::StatusOr<std::vector<double>> MeasureSensitivity(const NamedParameters& parameters,
                                                       const std::vector<bool>& trainable,
                                                       const std::vector<ResidualBranch>& branches,
                                                       SensitivityDefinition definition, const LossFunction& loss);

// The same from a forward pass that has run already with the trainable tensors requiring grad, before its backward
// pass; no gradient may be pending. `outputs` are those of `branches` in that pass. The graph behind `loss` is kept.
// FailedPrecondition also if a branch ran within a checkpointed function, which only MeasureSensitivity can measure.
absl::StatusOr<std::vector<double>> SensitivityOfLoss(const NamedParameters& parameters,
                                                      const std::vector<bool>& trainable,
                                                      const std::vector<ResidualBranch>& branches,
                                                      SensitivityDefinition definition, const BranchOutputs& outputs,
                                                      const at::Tensor& loss);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_SENSITIVITY_H_
