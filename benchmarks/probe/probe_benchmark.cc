// Prints what measuring importance and sensitivity costs, compared with a step of the same model in the same run, and
// beside it the published way (Huang et al., ICLR 2024): copy the weights, step the optimizer, take the difference,
// restore.
//
//   ./dev bench probe

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ATen/Functions.h"
#include "ATen/core/grad_mode.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "planner/client/connection.h"
#include "profiler/autograd/freed_memory.h"
#include "profiler/autograd/testing/counting_allocator.h"
#include "tests/statistics/quantile.h"
#include "trainer_client/models/causal_lm.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/session/training_session.h"

namespace greenplan::trainer {
namespace {

constexpr int kRepetitions = 9;

absl::Status Must(absl::Status status) {
  if (status.ok()) return status;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

template <typename Result>
Result Must(absl::StatusOr<Result> result) {
  Must(result.status());
  return *std::move(result);
}

template <typename Function>
double Seconds(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The most bytes of tensors that exist while it runs, beyond those that exist before.
template <typename Function>
int64_t PeakBytes(const Function& function) {
  const int64_t before = profiler::testing::AllocatedBytes();
  profiler::testing::ResetPeak();
  function();
  return profiler::testing::PeakAllocatedBytes() - before;
}

// A LLaMA of 8 layers and 42 M parameters, 39% of them in the embedding, that has stepped twice.
struct Training {
  explicit Training(v1::Method method) {
    at::manual_seed(1);
    model = Must(CreateCausalLm({{"model_type", "llama"},
                                 {"hidden_size", 512},
                                 {"intermediate_size", 1376},
                                 {"num_hidden_layers", 8},
                                 {"num_attention_heads", 8},
                                 {"vocab_size", 32000},
                                 {"tie_word_embeddings", true},
                                 {"max_position_embeddings", 128}},
                                Attention::kSdpa));
    ids = at::randint(3, 32000, {4, 64}, at::kLong);
    parameters = model->named_parameters().pairs();
    optimizer = std::make_unique<AdamW>(parameters, AdamWOptions{});
    for (int step = 0; step < 2; ++step) {
      Loss().backward();
      optimizer->Step();
      optimizer->ClearGradients();
    }
    SessionOptions options{.optimizer = optimizer.get(), .branches = model->residual_branches()};
    options.plan.set_method(method);
    if (method != v1::METHOD_FULL) options.plan.mutable_budget()->set_fraction_of_backward(0.5);
    session = Must(TrainingSession::Create(Must(Connect({})), options, parameters));
    Must(session->CreateJob(loss));
  }

  at::Tensor Loss() const { return CausalLmLoss(model->forward(ids), ids); }

  void ForwardAndBackward() const {
    Loss().backward();
    optimizer->ClearGradients();
  }

  void Step() const {
    Must(session->BeginStep());
    Must(session->Backward(Loss()));
    Must(session->Step());
  }

  void Separate() const {
    const ImportanceOptions options{.update_rule = optimizer.get()};
    Must(MeasureImportance(parameters, std::vector<bool>(parameters.size(), true), options, loss));
  }

  void Sensitivity() const {
    Must(MeasureSensitivity(parameters, std::vector<bool>(parameters.size(), true), model->residual_branches(),
                            SensitivityDefinition::kGradientDifference, loss));
  }

  void Published() const {
    std::vector<at::Tensor> before;
    for (const auto& [name, parameter] : parameters) before.push_back(parameter.detach().clone());
    Loss().backward();
    optimizer->Step();
    const at::NoGradGuard no_grad;
    double sum = 0;
    for (size_t i = 0; i < parameters.size(); ++i) {
      const at::Tensor& parameter = parameters[i].second;
      sum += (parameter.grad() * (parameter - before[i])).sum().item<double>();
      parameter.copy_(before[i]);
    }
    optimizer->ClearGradients();
    if (sum == 0) std::abort();  // Keeps the result in use.
  }

  std::shared_ptr<CausalLm> model;
  at::Tensor ids;
  NamedParameters parameters;
  std::unique_ptr<AdamW> optimizer;
  std::unique_ptr<TrainingSession> session;
  LossFunction loss = [this](int) { return Loss(); };
};

void PrintRow(const char* what, const char* by, double value, const char* aim) {
  std::printf("| %s | / %s | %.2f | %s |\n", what, by, value, aim);
}

void PrintTimes() {
  const Training full(v1::METHOD_FULL), planned(v1::METHOD_SELECTION);
  Must(full.session->BeginRound(full.loss));
  std::vector<double> separate, published, in_step, sensitivity;
  for (int i = 0; i < kRepetitions; ++i) {
    const double pass = Seconds([&] { full.ForwardAndBackward(); });
    separate.push_back(Seconds([&] { full.Separate(); }) / pass);
    published.push_back(Seconds([&] { full.Published(); }) / pass);
    sensitivity.push_back(Seconds([&] { full.Sensitivity(); }) / pass);
    const double step = Seconds([&] { full.Step(); });
    Must(planned.session->BeginRoundInStep());
    in_step.push_back(Seconds([&] { planned.Step(); }) / step);
  }
  const double blocks = static_cast<double>(full.model->residual_branches().size());
  PrintRow("separate importance probe", "forward and backward", Quantile(separate, 0.5), "1.25");
  PrintRow("the published probe", "forward and backward", Quantile(published, 0.5), "");
  PrintRow("a step with the probe in it, planning included", "a full step", Quantile(in_step, 0.5), "1.05");
  PrintRow("sensitivity of 16 blocks", "17 times forward and backward", Quantile(sensitivity, 0.5) / (blocks + 1), "1");
}

void PrintMemory() {
  profiler::testing::InstallCountingAllocator();
  const Training training(v1::METHOD_SELECTION);
  int64_t largest = 0;
  for (const auto& [name, parameter] : training.parameters) {
    largest = std::max(largest, static_cast<int64_t>(parameter.nbytes()));
  }
  const auto per_largest = [&](int64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(largest); };
  const int64_t pass = PeakBytes([&] { training.ForwardAndBackward(); });
  const int64_t separate = PeakBytes([&] { training.Separate(); });
  const int64_t published = PeakBytes([&] { training.Published(); });
  Must(training.session->BeginRoundInStep());
  Must(training.session->BeginStep());
  Must(training.session->Backward(training.Loss()));
  const int64_t in_step = PeakBytes([&] { Must(training.session->PlanFromGradients()); });
  PrintRow("peak of the separate probe beyond that of forward and backward", "the largest tensor",
           per_largest(separate - pass), "1.2");
  PrintRow("peak of the probe in the step beyond what the step holds", "the largest tensor", per_largest(in_step),
           "1.2");
  PrintRow("peak of the published probe beyond that of forward and backward", "the largest tensor",
           per_largest(published - pass), "");
}

}  // namespace
}  // namespace greenplan::trainer

int main() {
  greenplan::profiler::KeepFreedMemory();
  std::printf("| what | compared with | ratio | aim |\n| --- | --- | --- | --- |\n");
  greenplan::trainer::PrintTimes();
  greenplan::trainer::PrintMemory();
}
