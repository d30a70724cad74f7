#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_TORCH_OPTIMIZER_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_TORCH_OPTIMIZER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "trainer_client/optimizer/optimizer.h"

namespace torch::optim {
class Optimizer;
}

namespace greenplan::trainer {

// Takes one of LibTorch's own optimizers for a training session: SGD, Adam, AdamW, RMSprop or Adagrad, with its
// parameter groups and options as they are.
//
//   torch::optim::SGD sgd(model->parameters(), torch::optim::SGDOptions(0.1).momentum(0.9));
//   auto optimizer = WrapTorchOptimizer(sgd, model->named_parameters().pairs());
//
// NextUpdate() lets an optimizer of the same class, with the parameter's options and a copy of its state, step a copy
// of the parameter, so its result is w' - w of the real step bit for bit. It takes scratch memory for copies of the one
// parameter and its state. set_learning_rate() sets the rate of every group.
//
// `optimizer` must outlive the result. InvalidArgument: the optimizer is of another class, such as LBFGS, whose step
// needs the loss of several points; or it holds a parameter that `parameters` does not name.
absl::StatusOr<std::unique_ptr<Optimizer>> WrapTorchOptimizer(
    torch::optim::Optimizer& optimizer, std::vector<std::pair<std::string, at::Tensor>> parameters);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_TORCH_OPTIMIZER_H_
