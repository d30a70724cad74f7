#include "profiler/autograd/checkpoint.h"

#include <algorithm>
#include <utility>

#include "ATen/core/grad_mode.h"
#include "absl/cleanup/cleanup.h"
#include "profiler/autograd/checkpoint_node.h"
#include "profiler/autograd/node_pointer.h"
#include "torch/csrc/autograd/autograd.h"
#include "torch/csrc/autograd/functions/utils.h"
#include "torch/csrc/autograd/variable.h"

namespace greenplan::profiler {
namespace {

bool CanHaveGradient(const at::Tensor& tensor) { return torch::autograd::isDifferentiableType(tensor.scalar_type()); }

}  // namespace

CheckpointNode::CheckpointNode(CheckpointedFunction function, const std::vector<at::Tensor>& inputs,
                               std::vector<at::Tensor> parameters, RandomState random_state)
    : function_(std::move(function)), parameters_(std::move(parameters)), random_state_(std::move(random_state)) {
  for (const at::Tensor& input : inputs) {
    inputs_.emplace_back(input, /*is_output=*/false);
    add_next_edge(input.requires_grad() ? torch::autograd::impl::gradient_edge(input) : torch::autograd::Edge());
  }
  for (const at::Tensor& parameter : parameters_) {
    add_next_edge(parameter.requires_grad() ? torch::autograd::impl::gradient_edge(parameter)
                                            : torch::autograd::Edge());
  }
}

CheckpointNode::Run CheckpointNode::RunAgain(const std::vector<bool>& requires_grad) const {
  Run run;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    run.inputs.push_back(inputs_[i].unpack().detach().set_requires_grad(requires_grad[i]));
  }
  const KeepRandomState keep_random_state(run.inputs);
  random_state_.Restore();
  const at::AutoGradMode grad_mode(true);
  run.output = function_(run.inputs);
  return run;
}

CheckpointNode::Run CheckpointNode::RunAgainRecordingAll() const {
  std::vector<bool> requires_grad;
  for (const torch::autograd::SavedVariable& input : inputs_) requires_grad.push_back(CanHaveGradient(input.unpack()));
  std::vector<at::Tensor> frozen;
  for (const at::Tensor& parameter : parameters_) {
    if (!parameter.requires_grad() && CanHaveGradient(parameter)) frozen.push_back(parameter);
  }
  const auto thaw = [&](bool thaws) {
    for (const at::Tensor& parameter : frozen) parameter.set_requires_grad(thaws);
  };
  const absl::Cleanup freeze = [&] { thaw(false); };
  thaw(true);
  return RunAgain(requires_grad);
}

bool CheckpointNode::has_frozen() const {
  for (size_t i = 0; i < num_outputs(); ++i) {
    if (!next_edge(i).is_valid() &&
        CanHaveGradient(i < inputs_.size() ? inputs_[i].unpack() : parameters_[i - inputs_.size()]))
      return true;
  }
  return false;
}

torch::autograd::variable_list CheckpointNode::apply(torch::autograd::variable_list&& gradients) {
  torch::autograd::variable_list result(num_outputs());
  if (!gradients[0].defined()) return result;
  std::vector<bool> requires_grad;
  for (size_t i = 0; i < inputs_.size(); ++i) requires_grad.push_back(task_should_compute_output(i));
  const Run run = RunAgain(requires_grad);
  if (!run.output.requires_grad()) return result;

  std::vector<size_t> wanted;
  torch::autograd::variable_list leaves;
  for (size_t i = 0; i < num_outputs(); ++i) {
    if (!task_should_compute_output(i)) continue;
    wanted.push_back(i);
    leaves.push_back(i < inputs_.size() ? run.inputs[i] : parameters_[i - inputs_.size()]);
  }
  torch::autograd::variable_list computed =
      torch::autograd::grad({run.output}, leaves, {gradients[0]}, /*retain_graph=*/std::nullopt,
                            /*create_graph=*/false, /*allow_unused=*/true);
  for (size_t i = 0; i < wanted.size(); ++i) result[wanted[i]] = std::move(computed[i]);
  return result;
}

void CheckpointNode::release_variables() {
  for (torch::autograd::SavedVariable& input : inputs_) input.reset_data();
}

at::Tensor Checkpoint(CheckpointedFunction function, const std::vector<at::Tensor>& inputs,
                      const std::vector<at::Tensor>& parameters) {
  const auto requires_grad = [](const at::Tensor& tensor) { return tensor.requires_grad(); };
  if (!at::GradMode::is_enabled() || (std::none_of(inputs.begin(), inputs.end(), requires_grad) &&
                                      std::none_of(parameters.begin(), parameters.end(), requires_grad))) {
    return function(inputs);
  }
  RandomState random_state = RandomState::Current(inputs);
  at::Tensor output;
  {
    const at::NoGradGuard no_grad;
    output = function(inputs).detach();
  }
  torch::autograd::set_history(
      output, MakeNode<CheckpointNode>(std::move(function), inputs, parameters, std::move(random_state)));
  return output;
}

}  // namespace greenplan::profiler
