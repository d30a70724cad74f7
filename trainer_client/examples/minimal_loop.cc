// A training loop of one's own under a plan: a residual network whose blocks can be dropped, half of the backward
// FLOPs, a mask and drop rates chosen together. `./dev test //trainer_client/examples/...` builds and runs it.

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "torch/torch.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/session/training_session.h"

using greenplan::trainer::ResidualBranch;

struct Network : torch::nn::Module {
  explicit Network(int depth) {
    for (int i = 0; i < depth; ++i) {
      const std::string name = "layers" + std::to_string(i);
      layers.push_back(register_module(
          name, torch::nn::Sequential(torch::nn::Linear(32, 64), torch::nn::Tanh(), torch::nn::Linear(64, 32))));
      branches.emplace_back(name);  // One line for each residual branch, named as its modules.
    }
    head = register_module("head", torch::nn::Linear(32, 1));
  }

  torch::Tensor forward(torch::Tensor x) {
    for (size_t i = 0; i < layers.size(); ++i) {
      x = x + branches[i]([&] { return layers[i]->forward(x); });  // In place of x + layers[i]->forward(x).
    }
    return head->forward(x);
  }

  std::vector<torch::nn::Sequential> layers;
  std::vector<ResidualBranch> branches;
  torch::nn::Linear head = nullptr;
};

absl::Status Train() {
  torch::manual_seed(0);
  Network model(6);
  const torch::Tensor x = torch::randn({256, 32}), y = x.sum(1, /*keepdim=*/true).sin();
  const auto batch_loss = [&](int64_t i) {
    return torch::mse_loss(model.forward(x.narrow(0, 32 * i, 32)), y.narrow(0, 32 * i, 32));
  };
  greenplan::trainer::AdamW optimizer(model.named_parameters().pairs(), {.learning_rate = 3e-3});

  auto connection = greenplan::Connect({.planner = "local"});  // Or HOST:PORT of a greenpland.
  if (!connection.ok()) return connection.status();
  greenplan::trainer::SessionOptions options{.optimizer = &optimizer, .branches = model.branches};
  options.plan.set_method(greenplan::v1::METHOD_JOINT);
  options.plan.mutable_budget()->set_fraction_of_backward(0.5);
  auto created =
      greenplan::trainer::TrainingSession::Create(*std::move(connection), options, model.named_parameters().pairs());
  if (!created.ok()) return created.status();
  greenplan::trainer::TrainingSession& session = **created;

  for (int epoch = 0; epoch < 4; ++epoch) {
    // The next step measures, from the gradients of its own loss.
    if (absl::Status status = session.BeginRoundInStep(); !status.ok()) return status;
    double loss_sum = 0;
    for (int64_t i = 0; i < 8; ++i) {
      if (absl::Status status = session.BeginStep(); !status.ok()) return status;
      const torch::Tensor loss = batch_loss(i);
      if (absl::Status status = session.Backward(loss).status(); !status.ok()) return status;
      if (absl::Status status = session.Step().status(); !status.ok()) return status;
      loss_sum += loss.item<double>();
    }
    std::cout << "epoch " << epoch << ": loss " << loss_sum / 8 << ", plan " << session.plan()->digest() << "\n";
  }
  for (const std::string& notice : session.TakeNotices()) return absl::InternalError(notice);
  return absl::OkStatus();
}

int main() {
  const absl::Status status = Train();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
