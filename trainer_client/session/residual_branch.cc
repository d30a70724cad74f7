#include "trainer_client/session/residual_branch.h"

#include <utility>

#include "ATen/core/grad_mode.h"

namespace greenplan::trainer {

struct ResidualBranch::State {
  const std::string name;
  bool is_dropped = false;
  bool keeps_outputs = false;
  std::vector<at::Tensor> outputs = {};
};

ResidualBranch::ResidualBranch(std::string name) : state_(std::make_shared<State>(State{std::move(name)})) {}

at::Tensor ResidualBranch::operator()(absl::FunctionRef<at::Tensor()> forward) const {
  if (state_->is_dropped) {
    const at::NoGradGuard no_grad;
    return forward();
  }
  at::Tensor output = forward();
  if (state_->keeps_outputs) state_->outputs.push_back(at::GradMode::is_enabled() ? output : at::Tensor());
  return output;
}

const std::string& ResidualBranch::name() const { return state_->name; }
bool ResidualBranch::is_dropped() const { return state_->is_dropped; }
void ResidualBranch::set_dropped(bool is_dropped) const { state_->is_dropped = is_dropped; }

BranchOutputs::BranchOutputs(const std::vector<ResidualBranch>& branches) : branches_(branches) {
  for (const ResidualBranch& branch : branches_) branch.state_->keeps_outputs = true;
}

BranchOutputs::~BranchOutputs() {
  for (const ResidualBranch& branch : branches_) {
    branch.state_->keeps_outputs = false;
    branch.state_->outputs.clear();
  }
}

const std::vector<at::Tensor>& BranchOutputs::of(const ResidualBranch& branch) const { return branch.state_->outputs; }

}  // namespace greenplan::trainer
