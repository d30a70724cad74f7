#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_RESIDUAL_BRANCH_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_RESIDUAL_BRANCH_H_

#include <memory>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/functional/function_ref.h"

namespace greenplan::trainer {

// Declares the branch f of a residual block x + f(x), so that a training session can drop it: in a step that drops the
// block, f runs without recording, keeps no activations, and backward passes by it. In a model:
//
//   ResidualBranch mlp_branch{"layers.3.mlp"};                                       // A member.
//   h = h + mlp_branch([&] { return mlp->forward(norm->forward(h)); });              // In forward.
//
// The name is the one that the profile gives the block: the longest common prefix of the modules that hold the branch's
// matrices (profiler/autograd/residual_blocks.h). Hand the session all branches of the model
// (SessionOptions::branches). A branch that no session drops runs as if it were not declared.
//
// What f computes is the same whether it is dropped or not, bit for bit, as long as LibTorch picks the same kernels
// when nothing requires grad. It does on the CPU but for two cases: scaled_dot_product_attention with a mask that
// requires grad runs separate products, and a matrix product with a non-contiguous operand may be batched in another
// way.
//
// Copies share one state. Not thread-safe: change it between steps alone, and do not run one model in two threads.
class ResidualBranch {
 public:
  explicit ResidualBranch(std::string name);

  // Returns forward(). If the branch is dropped, nothing is recorded and the result does not require grad.
  at::Tensor operator()(absl::FunctionRef<at::Tensor()> forward) const;

  // Returns the name of the block in the profile.
  const std::string& name() const;
  // Whether the branch runs without recording from now on, until it is set anew.
  bool is_dropped() const;
  void set_dropped(bool is_dropped) const;

 private:
  friend class BranchOutputs;
  struct State;

  std::shared_ptr<State> state_;
};

// Keeps the outputs of branches that run during its lifetime, which keeps their graph alive. At most one may exist for
// a branch at a time.
class BranchOutputs {
 public:
  explicit BranchOutputs(const std::vector<ResidualBranch>& branches);
  ~BranchOutputs();
  BranchOutputs(const BranchOutputs&) = delete;
  BranchOutputs& operator=(const BranchOutputs&) = delete;

  // The outputs of `branch` so far, one for each run; undefined for a run that was not recorded, as in a checkpointed
  // function.
  const std::vector<at::Tensor>& of(const ResidualBranch& branch) const;

 private:
  const std::vector<ResidualBranch> branches_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_RESIDUAL_BRANCH_H_
