#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_ROUND_PROBE_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_ROUND_PROBE_H_

#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/importance.pb.h"
#include "planner/core/model_profile.h"
#include "trainer_client/session/importance.h"
#include "trainer_client/session/residual_branch.h"
#include "trainer_client/session/trainable.h"

namespace greenplan::trainer {

struct RoundOptions;
struct SessionOptions;

// Measures for a session what its rounds are planned from, and writes it down for the planner. Not thread-safe.
class RoundProbe {
 public:
  // All must outlive the probe. `profile` may be filled in later; what is said of measured tensors and of blocks then
  // holds for the profile of that time.
  RoundProbe(const SessionOptions& options, const NamedParameters& parameters, const ModelProfile& profile);

  // Returns the tensors that importance is measured of, [num_tensors]: those that the loss reaches and that may train.
  std::vector<bool> MeasuredTensors() const;
  // Returns whether the round allocates drop rates by sensitivity, so that it has to be measured.
  bool MeasuresSensitivity(const RoundOptions& round) const;

  // Returns the report of a round in whose passes over `loss` importance and sensitivity are measured, as far as the
  // method needs them. Gradients that are pending, and buffers, stay as they are. The errors of MeasureImportance and
  // MeasureSensitivity. Internal: LibTorch or `loss` threw.
  absl::StatusOr<v1::ImportanceReport> Measure(const LossFunction& loss, const RoundOptions& round) const;
  // Returns the sensitivity of the profile's blocks, [num_blocks], from the forward pass that `loss` and `outputs` are
  // of. The errors of SensitivityOfLoss.
  absl::StatusOr<std::vector<double>> SensitivityOf(const BranchOutputs& outputs, const at::Tensor& loss) const;
  // Returns the report of a round of which all has been measured. `importance` is null if the method does not plan by
  // it; `sensitivity` is empty if it was not measured.
  v1::ImportanceReport Report(const RoundOptions& round, const Importance* importance,
                              const std::vector<double>& sensitivity) const;

 private:
  // Measures without keeping gradients and buffers.
  absl::StatusOr<v1::ImportanceReport> MeasureInPlace(const LossFunction& loss, const RoundOptions& round) const;
  // Returns the branches of the profile's blocks, in the order of the blocks.
  std::vector<ResidualBranch> BlockBranches() const;

  const SessionOptions& options_;
  const NamedParameters& parameters_;
  const ModelProfile& profile_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_ROUND_PROBE_H_
