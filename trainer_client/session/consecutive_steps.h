#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_CONSECUTIVE_STEPS_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_CONSECUTIVE_STEPS_H_

#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "trainer_client/optimizer/update_rule.h"
#include "trainer_client/session/importance_samples.h"

namespace greenplan::trainer {

// Measures cross-fitted importance from the gradients of consecutive training steps: the mean over pairs of steps t and
// t + 1 of
//   -<gradient of step t + 1, update of step t>,
// so that gradient and update come from different batches. `step_count` steps give step_count - 1 pairs.
//
// The update of a tensor that step t trains is read off the optimizer's momentum afterwards where it tells it
// (UpdateRule::TellsLastUpdate); of others, tensors that the plan in force freezes among them, the update that they
// would have got is kept until the next step. Not thread-safe; one object per round.
class ConsecutiveSteps {
 public:
  // `parameters` and `rule` must outlive this. REQUIRES: step_count >= 2.
  ConsecutiveSteps(const NamedParameters& parameters, const UpdateRule& rule, int step_count);

  // Takes the gradients that the backward pass of the next step has left, and leaves them there. `measured` and `steps`
  // are [num_tensors]: what importance is measured of, and what the optimizer is about to step.
  void AddStep(const std::vector<bool>& measured, const std::vector<bool>& steps);

  // Returns whether all steps have been added.
  bool is_complete() const { return steps_added_ == step_count_; }

  // Returns the mean and its standard error over the pairs. FailedPrecondition if an importance is not finite.
  // REQUIRES: is_complete().
  absl::StatusOr<Importance> Result() const;

 private:
  at::Tensor UpdateOfLastStep(size_t tensor) const;

  const NamedParameters& parameters_;
  const UpdateRule& rule_;
  const int step_count_;
  int steps_added_ = 0;
  std::vector<at::Tensor> kept_updates_;  // [num_tensors]: of the last step; undefined where the optimizer tells it.
  std::vector<bool> was_stepped_;         // [num_tensors]: where the optimizer tells it.
  ImportanceSamples samples_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_CONSECUTIVE_STEPS_H_
