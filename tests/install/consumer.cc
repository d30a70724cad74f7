// A training loop of one's own against an installation: trains a small network under half of its backward FLOPs, and
// fails unless the executed FLOPs keep the budget and equal the prediction. Built by run.sh, outside Bazel.

#include <cstdint>
#include <iostream>
#include <utility>

#include "greenplan/v1/plan.pb.h"
#include "planner/client/connection.h"
#include "profiler/autograd/executed_flops.h"
#include "profiler/autograd/freed_memory.h"
#include "profiler/autograd/profile_time.h"
#include "torch/torch.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/session/training_session.h"

int main() {
  greenplan::profiler::KeepFreedMemory();
  torch::manual_seed(0);
  torch::nn::Sequential model(torch::nn::Linear(32, 64), torch::nn::ReLU(), torch::nn::Linear(64, 64),
                              torch::nn::ReLU(), torch::nn::Linear(64, 1));
  const torch::Tensor x = torch::randn({128, 32});
  const torch::Tensor y = x.sum(1, /*keepdim=*/true).sin();
  const auto loss = [&](int) { return torch::mse_loss(model->forward(x), y); };

  greenplan::profiler::NamedParameters parameters;
  for (const auto& item : model->named_parameters()) parameters.emplace_back(item.key(), item.value());
  greenplan::trainer::AdamW optimizer(parameters, {.learning_rate = 1e-3});
  auto connection = greenplan::Connect({.planner = "local"});
  greenplan::trainer::SessionOptions options;
  options.plan.set_method(greenplan::v1::METHOD_SELECTION);
  options.plan.mutable_budget()->set_fraction_of_backward(0.5);
  options.importance.update_rule = &optimizer;
  auto session = greenplan::trainer::TrainingSession::Create(*std::move(connection), options, parameters);
  if (!session.ok()) {
    std::cerr << session.status() << "\n";
    return 1;
  }
  auto round = (*session)->BeginRound(loss);
  if (!round.ok()) {
    std::cerr << round.status() << "\n";
    return 1;
  }
  greenplan::profiler::ExecutedFlopsCounter counter;
  if (!(*session)->BeginStep().ok() || !(*session)->Backward(loss(0)).ok()) return 1;
  optimizer.Step();
  (*session)->EndStep();
  const int64_t executed = counter.backward_flops();
  std::cout << "executed " << executed << ", predicted " << round->predicted_backward_cost << " of "
            << round->full_backward_cost << "\n";
  const auto time = greenplan::profiler::ProfileTime([&] { return loss(0); }, parameters);
  if (!time.ok()) {
    std::cerr << time.status() << "\n";
    return 1;
  }
  const bool right = executed == round->predicted_backward_cost && 2 * executed <= round->full_backward_cost &&
                     !round->trainable.empty();
  return right ? 0 : 1;
}
