#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_PLAN_EXECUTION_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_PLAN_EXECUTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"
#include "trainer_client/session/residual_branch.h"
#include "trainer_client/session/step_plan.h"
#include "trainer_client/session/trainable.h"

namespace greenplan::trainer {

// How often the blocks to drop are drawn anew. Drawing per micro-batch averages more draws into each optimizer step;
// drawing per step keeps the memory of a step's micro-batches equal.
enum class DrawPer { kStep, kMicroBatch };

// Executes plans on a model's tensors and residual branches: sets requires_grad, draws the blocks that each step drops,
// and compares what backward executes with what was predicted.
//
//   PlanExecution execution(parameters, branches, DrawPer::kStep);
//   execution.Enforce(profile, plan);
//   execution.BeginStep();        // Draws the blocks to drop.
//   execution.Backward(loss);     // Once for each micro-batch.
//   optimizer.Step();
//   execution.EndStep();          // Until the next step nothing is dropped.
//
// An open step is one that measures: it runs every tensor that may train, whatever the plan in force says.
// Not thread-safe. The model's tensors and branches are shared with it.
class PlanExecution {
 public:
  // `parameters` are [num_tensors] names and tensors in forward order. Those that require grad now are the candidates.
  PlanExecution(NamedParameters parameters, std::vector<ResidualBranch> branches, DrawPer draw_per);
  // Ends the step and puts requires_grad back to what it was at construction.
  ~PlanExecution();
  PlanExecution(const PlanExecution&) = delete;
  PlanExecution& operator=(const PlanExecution&) = delete;

  const NamedParameters& parameters() const { return parameters_; }
  // [num_tensors]: whether the tensor required grad at construction.
  const std::vector<bool>& candidates() const { return candidates_; }
  // [num_tensors]: whether the tensor requires grad between steps; `candidates` before the first plan.
  const std::vector<bool>& mask() const { return mask_; }

  // Puts `plan` in force; within an open step, for the rest of that step too. Gradients stay as they are.
  // REQUIRES: `plan` is one for `profile`, which must outlive this.
  void Enforce(const ModelProfile& profile, const Plan& plan);
  bool has_plan() const { return planner_.has_value(); }
  // Returns whether the plan in force may drop blocks.
  bool drops_blocks() const { return planner_.has_value() && planner_->drops_blocks(); }

  // Begins a step under the plan in force. Undefines the gradients of tensors that it does not reach, and puts
  // requires_grad right if someone else has changed it (TakeNotices). REQUIRES: no step has begun, and has_plan().
  void BeginStep();
  // Begins an open step, which runs `everything`: its tensors train, and nothing is dropped. REQUIRES: no step has
  // begun.
  void BeginOpenStep(StepPlan everything);
  // Replaces what an open step runs, once its loss has told more. REQUIRES: is_open().
  void SetOpenStep(StepPlan everything);

  // Returns FailedPrecondition, which names `call`, outside of steps.
  absl::Status CheckIsInStep(absl::string_view call) const;
  bool is_open() const { return is_open_; }
  // Micro-batches of this step that have run backward.
  int64_t micro_batches() const { return micro_batches_; }
  // Returns what the next forward and backward pass runs.
  const StepPlan& step_plan() const { return step_plan_; }

  // Runs loss.backward(), unless nothing is left to train. Returns whether it ran. FailedPrecondition outside of a
  // step. Internal if backward threw; gradients may then be incomplete.
  absl::StatusOr<bool> Backward(const at::Tensor& loss);

  // Returns the gradients of the tensors that train in this step, in forward order. Those that no loss has reached are
  // filled with zeros.
  std::vector<at::Tensor> GradientsOfStep() const;
  // Undefines the gradients of tensors outside the mask, so that the optimizer skips them.
  void UndefineFrozenGradients();

  // Ends the step, if one has begun.
  void EndStep();
  // The number of steps ended; a draw depends on it.
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

  // Returns the lines worth telling since the last call: requires_grad that someone else changed, and, from the first
  // backward pass under a plan, executed FLOPs that are not the predicted ones.
  std::vector<std::string> TakeNotices();

 private:
  void StartStep();
  void UndefineUnreachedGradients();
  // Draws what the next forward and backward pass drops.
  void Draw();
  void SetDropped(const std::vector<std::string>& blocks);
  void RestoreForeignFlips();
  absl::Status RunBackward(const at::Tensor& loss);
  // Runs loss.backward(), and adds a notice if it executes other FLOPs than step_plan_ says.
  absl::Status RunCountedBackward(const at::Tensor& loss);

  const NamedParameters parameters_;
  const std::vector<ResidualBranch> branches_;
  const DrawPer draw_per_;
  const std::vector<bool> candidates_;
  std::vector<bool> mask_;

  const ModelProfile* profile_ = nullptr;  // Of the plan in force.
  std::optional<StepPlanner> planner_;     // Of the plan in force.
  StepPlan undropped_;                     // Of the plan in force, with every block kept.
  bool is_first_backward_ = false;         // Whether none has run under the plan in force.

  int64_t steps_ = 0;
  bool is_in_step_ = false;
  bool is_open_ = false;
  int64_t micro_batches_ = 0;
  StepPlan step_plan_;
  std::vector<bool> reached_in_step_;  // [num_tensors]: by a micro-batch of this step.
  std::vector<std::string> notices_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_PLAN_EXECUTION_H_
