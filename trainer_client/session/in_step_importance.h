#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_IN_STEP_IMPORTANCE_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_IN_STEP_IMPORTANCE_H_

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "trainer_client/session/consecutive_steps.h"
#include "trainer_client/session/importance.h"
#include "trainer_client/session/importance_samples.h"
#include "trainer_client/session/trainable.h"

namespace greenplan::trainer {

// Measures importance from the gradients that training steps leave: from those of one step, or with CROSS_FITTED from
// those of `options.probe_batches` consecutive ones. Not thread-safe; one object per round.
class InStepImportance {
 public:
  // `parameters` and the update rule must outlive this. REQUIRES: ValidateImportanceOptions(options) is OK.
  InStepImportance(const NamedParameters& parameters, const ImportanceOptions& options);

  // Takes the gradients that the backward pass of the next step has left, and leaves them there. `measured` and `steps`
  // are [num_tensors]: what importance is measured of, and what the optimizer is about to step.
  // FailedPrecondition: an importance is not finite; names the tensor. Internal: the update rule threw.
  // REQUIRES: !is_complete().
  absl::Status AddStep(const std::vector<bool>& measured, const std::vector<bool>& steps);

  // Returns whether no further step is needed.
  bool is_complete() const { return result_.has_value(); }
  // REQUIRES: is_complete().
  const Importance& result() const { return *result_; }

 private:
  const NamedParameters& parameters_;
  const ImportanceOptions options_;
  std::optional<ConsecutiveSteps> consecutive_;  // With CROSS_FITTED.
  std::optional<Importance> result_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_IN_STEP_IMPORTANCE_H_
