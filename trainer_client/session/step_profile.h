#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_STEP_PROFILE_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_STEP_PROFILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/job.pb.h"
#include "planner/core/model_profile.h"
#include "trainer_client/session/importance.h"
#include "trainer_client/session/residual_branch.h"
#include "trainer_client/session/trainable.h"

namespace greenplan::trainer {

// What the profile of a training step depends on beside its graph.
struct StepProfileOptions {
  // A label for the profile. May be empty.
  std::string model;

  // What will be planned. Its method and pins decide which tensors train under every plan, and whether blocks drop.
  v1::PlanOptions plan;

  // The branches of the model. If blocks drop, the profile has these blocks alone.
  std::vector<ResidualBranch> branches;

  // Tensors that a forward pass changes without autograd. ProfileStep() leaves them as they were.
  std::vector<at::Tensor> buffers = {};
};

// Returns the cost model of the step whose graph is behind `loss` and whose forward pass has executed so many FLOPs:
// those of operators that only frozen tensors take part in are not in the graph. `parameters` are [num_tensors] names
// and tensors in forward order.
// The errors of profiler::Profile (profiler/autograd/profile.h) and of KeepDeclaredBlocks (declared_blocks.h).
// Internal: LibTorch threw.
absl::StatusOr<ModelProfile> ProfileLoss(const at::Tensor& loss, const NamedParameters& parameters,
                                         const StepProfileOptions& options, int64_t executed_forward_flops);

// The same of the step that `loss` computes for probe batch 0 with every candidate ([num_tensors]) requiring grad.
// Gradients, buffers, requires_grad and the random generators stay as they are. Internal also if `loss` threw.
absl::StatusOr<ModelProfile> ProfileStep(const LossFunction& loss, const NamedParameters& parameters,
                                         const std::vector<bool>& candidates, const StepProfileOptions& options);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_STEP_PROFILE_H_
