#ifndef GREENPLAN_PROFILER_AUTOGRAD_CHECKPOINT_NODE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_CHECKPOINT_NODE_H_

#include <string>
#include <vector>

#include "profiler/autograd/checkpoint.h"
#include "profiler/autograd/random_state.h"
#include "torch/csrc/autograd/function.h"
#include "torch/csrc/autograd/saved_variable.h"

namespace greenplan::profiler {

// The autograd node of a call of Checkpoint(). Its outgoing edges lead to the inputs, then to the parameters. An edge
// is invalid if its tensor does not require grad.
class CheckpointNode : public torch::autograd::Node {
 public:
  CheckpointNode(CheckpointedFunction function, const std::vector<at::Tensor>& inputs,
                 std::vector<at::Tensor> parameters, RandomState random_state);

  // One run of the function, which builds an autograd graph of its own.
  struct Run {
    std::vector<at::Tensor> inputs;  // [num_inputs]: leaves that hold the values of the node's inputs.
    at::Tensor output;
  };
  // Runs the function again from the random state of the first run, and then puts the random state back.
  // `requires_grad` [num_inputs] says for which inputs the new graph computes gradients. Whatever the function throws
  // passes through; the call throws also if backward has already freed the inputs.
  Run RunAgain(const std::vector<bool>& requires_grad) const;
  // Does the same with a gradient recorded for every input and parameter that can have one, so that all products of the
  // function are in the new graph. Afterwards the parameters require grad as before.
  Run RunAgainRecordingAll() const;
  // Returns whether some input or parameter can have a gradient, but did not require grad when the node was made.
  bool has_frozen() const;

  size_t num_checkpointed_inputs() const { return inputs_.size(); }
  const std::vector<torch::autograd::SavedVariable>& saved_inputs() const { return inputs_; }

  // The interface of Node: what the engine calls in backward, and afterwards to free the inputs.
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
