#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_TESTING_TEST_SESSIONS_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_TESTING_TEST_SESSIONS_H_

// Small models with a session each, on which tests of the session are run.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ATen/Context.h"
#include "ATen/TensorOperators.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/dropout.h"
#include "ATen/ops/equal.h"
#include "ATen/ops/mm.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "profiler/autograd/checkpoint.h"
#include "profiler/autograd/executed_flops.h"
#include "profiler/autograd/testing/test_device.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/session/random_state.h"
#include "trainer_client/session/trainable.h"
#include "trainer_client/session/training_session.h"

namespace greenplan::trainer {

inline at::Tensor Copy(const at::Tensor& tensor) { return tensor.detach().clone(); }

// Of importance. On a GPU the last bit of a weight may differ from that of LibTorch's step, 1e-5 of an update here.
inline const double kAccuracy = profiler::testing::TestDevice().is_cpu() ? 1e-6 : 1e-4;

// A local planner that can be made to go away.
class MortalConnection : public Connection {
 public:
  absl::StatusOr<v1::Job> CreateJob(const v1::Job& job) override {
    if (is_away) return absl::UnavailableError("connection refused");
    return planner_->CreateJob(job);
  }
  absl::StatusOr<v1::Plan> PlanRound(const std::string& job_name, const v1::ImportanceReport& report) override {
    if (is_away) return absl::UnavailableError("connection refused");
    last_report = report;
    absl::StatusOr<v1::Plan> plan = planner_->PlanRound(job_name, report);
    if (plan.ok() && answers_garbage) plan->set_trainable("");
    return plan;
  }
  absl::StatusOr<v1::Plan> GetPlan(const std::string& name) override { return planner_->GetPlan(name); }
  absl::Status ReportOutcome(const std::string& job_name, const v1::Outcome& outcome) override {
    if (is_away) return absl::UnavailableError("connection refused");
    return planner_->ReportOutcome(job_name, outcome);
  }

  bool is_away = false;
  bool answers_garbage = false;
  v1::ImportanceReport last_report;

 private:
  const std::unique_ptr<Connection> planner_ = *Connect({.planner = "local"});
};

// Six layers with biases under dropout.
struct SessionOfLayersTest : ::testing::Test {
  SessionOfLayersTest() {
    at::manual_seed(3);
    for (int layer = 0; layer < 6; ++layer) {
      parameters.emplace_back("layers." + std::to_string(layer) + ".weight",
                              profiler::testing::Randn({8, 8}).requires_grad_(true));
      parameters.emplace_back("layers." + std::to_string(layer) + ".bias",
                              profiler::testing::Randn({8}).requires_grad_(true));
    }
    input = profiler::testing::Randn({4, 8});
    optimizer = std::make_unique<AdamW>(parameters, AdamWOptions{.learning_rate = 1e-2, .weight_decay = 0.1});
    options.job = "test";
    options.importance.update_rule = optimizer.get();
    SetBudget(0.5);
  }

  void SetBudget(double fraction_of_backward) {
    options.plan.mutable_budget()->set_fraction_of_backward(fraction_of_backward);
  }

  at::Tensor Forward(int) {
    ++forward_passes;
    at::Tensor x = input;
    for (int i = 0; i < 12; i += 2) {
      x = at::dropout((at::mm(x, parameters[i].second) + parameters[i + 1].second).tanh(), 0.1, /*train=*/true);
    }
    return (x * x).mean();
  }

  std::unique_ptr<TrainingSession> NewSession() {
    auto session = TrainingSession::Create(connection, options, parameters);
    EXPECT_TRUE(session.ok()) << session.status();
    return *std::move(session);
  }

  // A step of a loop that steps its optimizer by itself.
  void TrainStep(TrainingSession& session) {
    EXPECT_TRUE(session.BeginStep().ok());
    EXPECT_TRUE(session.Backward(Forward(0)).ok());
    optimizer->Step();
    optimizer->ClearGradients();
    session.EndStep();
  }

  std::map<std::string, at::Tensor> Weights() {
    std::map<std::string, at::Tensor> weights;
    for (const auto& [name, parameter] : parameters) weights[name] = Copy(parameter);
    return weights;
  }

  NamedParameters parameters;
  at::Tensor input;
  std::unique_ptr<AdamW> optimizer;
  std::shared_ptr<MortalConnection> connection = std::make_shared<MortalConnection>();
  SessionOptions options;
  int forward_passes = 0;
  LossFunction loss = [this](int batch) { return Forward(batch); };
};

// Six residual blocks with dropout between an embedding and a head, each in a checkpointed function if asked for.
struct SessionOfBlocksTest : SessionOfLayersTest {
  SessionOfBlocksTest() {
    parameters.clear();
    parameters.emplace_back("embedding", (profiler::testing::Randn({8, 8}) / 3).requires_grad_(true));
    for (int b = 0; b < kBlocks; ++b) {
      const std::string name = "layers." + std::to_string(b);
      for (const char* part : {".up", ".down"}) {
        const int64_t width = 8 + 4 * (b % 3);  // Blocks of three costs.
        const auto shape = part[1] == 'u' ? std::vector<int64_t>{8, width} : std::vector<int64_t>{width, 8};
        parameters.emplace_back(name + part, (profiler::testing::Randn(shape) / 3).requires_grad_(true));
      }
      options.branches.emplace_back(name);
    }
    parameters.emplace_back("head", profiler::testing::Randn({8, 2}).requires_grad_(true));
    loss = [this](int) { return Stack(); };
    UseMethod(v1::METHOD_DROP, 0.5);
  }

  void UseMethod(v1::Method method, double fraction_of_backward) {
    options.plan.set_method(method);
    SetBudget(fraction_of_backward);
    optimizer = std::make_unique<AdamW>(parameters, AdamWOptions{.learning_rate = 1e-2, .weight_decay = 0.1});
    options.optimizer = optimizer.get();
    options.importance.update_rule = nullptr;
  }

  at::Tensor Block(int b, const at::Tensor& x) const {
    const at::Tensor &up = parameters[1 + 2 * b].second, &down = parameters[2 + 2 * b].second;
    return x +
           options.branches[b]([&] { return at::dropout(at::mm(at::mm(x, up).tanh(), down), 0.1, /*train=*/true); });
  }

  at::Tensor Stack() const {
    at::Tensor x = at::mm(input, parameters[0].second);
    for (int b = 0; b < kBlocks; ++b) {
      x = !checkpoints ? Block(b, x)
                       : profiler::Checkpoint([this, b](const std::vector<at::Tensor>& in) { return Block(b, in[0]); },
                                              {x}, {parameters[1 + 2 * b].second, parameters[2 + 2 * b].second});
    }
    return at::mm(x, parameters.back().second).square().mean();
  }

  // The FLOPs that the step executes; expects them to be the predicted ones and the forward pass to be that of the
  // whole model.
  int64_t RunStep(TrainingSession& session) {
    EXPECT_TRUE(session.BeginStep().ok());
    const RandomState before = GetRandomState();
    const at::Tensor value = Stack();
    const RandomState after = GetRandomState();
    const std::vector<bool> trainable = GetTrainable(parameters);
    std::vector<bool> dropped;
    for (const ResidualBranch& branch : options.branches) dropped.push_back(branch.is_dropped());
    {
      const at::NoGradGuard no_grad;
      SetRandomState(before);
      for (const ResidualBranch& branch : options.branches) branch.set_dropped(false);
      EXPECT_TRUE(at::equal(value, Stack())) << "dropping changes nothing in forward";
      for (int b = 0; b < kBlocks; ++b) options.branches[b].set_dropped(dropped[b]);
      SetRandomState(after);
    }
    const int64_t predicted = session.step_plan().predicted_backward_cost;
    const profiler::ExecutedFlopsCounter counter;
    EXPECT_TRUE(session.Backward(value).ok());
    const int64_t executed = counter.backward_flops();
    EXPECT_EQ(executed, predicted);
    for (size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_EQ(parameters[i].second.grad().defined(), trainable[i]) << parameters[i].first;
    }
    EXPECT_TRUE(session.Step().ok());
    for (const ResidualBranch& branch : options.branches) EXPECT_FALSE(branch.is_dropped());
    return executed;
  }

  static constexpr int kBlocks = 6;
  bool checkpoints = false;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_TESTING_TEST_SESSIONS_H_
