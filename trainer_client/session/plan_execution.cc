#include "trainer_client/session/plan_execution.h"

#include <cstddef>
#include <set>
#include <utility>

#include "ATen/ops/zeros_like.h"
#include "absl/strings/str_cat.h"
#include "profiler/autograd/executed_flops.h"
#include "trainer_client/session/cost_by_op.h"
#include "trainer_client/session/without_exceptions.h"

namespace greenplan::trainer {
namespace {

// Draws of one step's micro-batches are numbered this far apart, beyond any number of steps.
constexpr int kMicroBatchShift = 40;

}  // namespace

PlanExecution::PlanExecution(NamedParameters parameters, std::vector<ResidualBranch> branches, DrawPer draw_per)
    : parameters_(std::move(parameters)),
      branches_(std::move(branches)),
      draw_per_(draw_per),
      candidates_(GetTrainable(parameters_)),
      mask_(candidates_) {}

PlanExecution::~PlanExecution() {
  EndStep();
  SetRequiresGrad(parameters_, candidates_);
}

void PlanExecution::Enforce(const ModelProfile& profile, const Plan& plan) {
  mask_ = plan.trainable;
  SetRequiresGrad(parameters_, mask_);
  profile_ = &profile;
  planner_.emplace(profile, plan);
  undropped_ = step_plan_ = planner_->WithoutDrops();
  is_open_ = false;
  is_first_backward_ = true;
}

void PlanExecution::BeginStep() {
  StartStep();
  if (drops_blocks()) {
    Draw();
  } else {
    step_plan_ = undropped_;
  }
  UndefineUnreachedGradients();
}

void PlanExecution::BeginOpenStep(StepPlan everything) {
  StartStep();
  is_open_ = true;
  SetOpenStep(std::move(everything));
  UndefineUnreachedGradients();
}

void PlanExecution::SetOpenStep(StepPlan everything) {
  step_plan_ = std::move(everything);
  SetRequiresGrad(parameters_, step_plan_.reached);
}

void PlanExecution::StartStep() {
  RestoreForeignFlips();
  is_in_step_ = true;
  micro_batches_ = 0;
  reached_in_step_.assign(parameters_.size(), false);
}

// A loop that fills gradients with zeros would let momentum and weight decay move what this step does not reach.
void PlanExecution::UndefineUnreachedGradients() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!step_plan_.reached[i]) parameters_[i].second.mutable_grad().reset();
  }
}

void PlanExecution::Draw() {
  const uint64_t micro_batch = draw_per_ == DrawPer::kMicroBatch ? static_cast<uint64_t>(micro_batches_) : 0;
  step_plan_ = planner_->Draw(static_cast<uint64_t>(steps_) + (micro_batch << kMicroBatchShift));
  SetDropped(step_plan_.dropped_blocks);
  // Frozen while its block is dropped: what asks a parameter whether it requires grad, as a checkpointed function does,
  // then knows that it gets no gradient.
  SetRequiresGrad(parameters_, step_plan_.reached);
}

void PlanExecution::SetDropped(const std::vector<std::string>& blocks) {
  const std::set<std::string> dropped(blocks.begin(), blocks.end());
  for (const ResidualBranch& branch : branches_) branch.set_dropped(dropped.contains(branch.name()));
}

void PlanExecution::RestoreForeignFlips() {
  std::vector<std::string> flipped;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].second.requires_grad() != mask_[i]) flipped.push_back(parameters_[i].first);
  }
  if (flipped.empty()) return;
  const size_t others = flipped.size() - 1;
  notices_.push_back(absl::StrCat("requires_grad of ", flipped[0],
                                  others == 0 ? "" : absl::StrCat(" and ", others, " other tensors"),
                                  " was changed outside the session; the plan's value is restored"));
  SetRequiresGrad(parameters_, mask_);
}

absl::Status PlanExecution::CheckIsInStep(absl::string_view call) const {
  if (is_in_step_) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(call, " came outside of a step; call BeginStep() before the forward pass"));
}

absl::StatusOr<bool> PlanExecution::Backward(const at::Tensor& loss) {
  if (absl::Status status = CheckIsInStep("Backward()"); !status.ok()) return status;
  const bool runs = loss.requires_grad();
  if (runs) {
    if (absl::Status status = RunBackward(loss); !status.ok()) return status;
  }
  ++micro_batches_;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (step_plan_.reached[i]) reached_in_step_[i] = true;
  }
  if (!is_open_ && drops_blocks() && draw_per_ == DrawPer::kMicroBatch) Draw();
  return runs;
}

absl::Status PlanExecution::RunBackward(const at::Tensor& loss) {
  if (std::exchange(is_first_backward_, false)) return RunCountedBackward(loss);
  return WithoutExceptions("backward", [&] {
    loss.backward();
    return absl::OkStatus();
  });
}

absl::Status PlanExecution::RunCountedBackward(const at::Tensor& loss) {
  const profiler::ExecutedFlopsCounter counter;
  if (absl::Status status = RunBackward(loss); !status.ok()) return status;
  if (counter.backward_flops() != step_plan_.predicted_backward_cost) {
    notices_.push_back(absl::StrCat(
        "backward executed ", counter.backward_flops(), " FLOPs in the first step under this plan, but ",
        step_plan_.predicted_backward_cost,
        " were predicted: ", Differences(FlopsByOp(counter.backward_flops_by_node()), CostByOp(*profile_, step_plan_)),
        "; is this batch of another shape, or does a kernel compute gradients that nobody asked for?"));
  }
  return absl::OkStatus();
}

std::vector<at::Tensor> PlanExecution::GradientsOfStep() const {
  std::vector<at::Tensor> gradients;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!reached_in_step_[i] || !mask_[i]) continue;
    at::Tensor& gradient = parameters_[i].second.mutable_grad();
    if (!gradient.defined()) gradient = at::zeros_like(parameters_[i].second);
    gradients.push_back(gradient);
  }
  return gradients;
}

void PlanExecution::UndefineFrozenGradients() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!mask_[i]) parameters_[i].second.mutable_grad().reset();
  }
}

void PlanExecution::EndStep() {
  if (!is_in_step_) return;
  is_in_step_ = false;
  is_open_ = false;
  ++steps_;
  SetDropped({});
  SetRequiresGrad(parameters_, mask_);
}

std::vector<std::string> PlanExecution::TakeNotices() { return std::exchange(notices_, {}); }

}  // namespace greenplan::trainer
