#ifndef GREENPLAN_PROFILER_AUTOGRAD_CHECKPOINT_NODE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_CHECKPOINT_NODE_H_

#include <string>
#include <vector>

#include "profiler/autograd/checkpoint.h"
#include "profiler/autograd/random_state.h"
#include "torch/csrc/autograd/function.h"
#include "torch/csrc/autograd/saved_variable.h"

namespace greenplan::profiler {

// The node behind Checkpoint(). Its edges: the inputs, then the parameters.
class CheckpointNode : public torch::autograd::Node {
 public:
  CheckpointNode(CheckpointedFunction function, const std::vector<at::Tensor>& inputs,
                 std::vector<at::Tensor> parameters, RandomState random_state);

  // One run of the function with a graph of its own.
  struct Run {
    std::vector<at::Tensor> inputs;  // Leaves in place of the node's inputs.
    at::Tensor output;
  };
  // `requires_grad` is [num_inputs].
  Run RunAgain(const std::vector<bool>& requires_grad) const;

  size_t num_checkpointed_inputs() const { return inputs_.size(); }
  const std::vector<torch::autograd::SavedVariable>& saved_inputs() const { return inputs_; }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override;
  void release_variables() override;
  std::string name() const override { return "CheckpointBackward"; }

 private:
  const CheckpointedFunction function_;
  std::vector<torch::autograd::SavedVariable> inputs_;
  const std::vector<at::Tensor> parameters_;
  const RandomState random_state_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_CHECKPOINT_NODE_H_
