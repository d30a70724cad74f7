#include "trainer_client/session/training_session.h"

#include <map>
#include <utility>

#include "ATen/Context.h"
#include "ATen/TensorOperators.h"
#include "ATen/ops/dropout.h"
#include "ATen/ops/equal.h"
#include "ATen/ops/mm.h"
#include "ATen/ops/randn.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profiler/autograd/executed_flops.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/session/random_state.h"
#include "trainer_client/session/trainable.h"

namespace greenplan::trainer {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

at::Tensor Copy(const at::Tensor& tensor) { return tensor.detach().clone(); }

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

  bool is_away = false;
  bool answers_garbage = false;
  v1::ImportanceReport last_report;

 private:
  const std::unique_ptr<Connection> planner_ = *Connect({.planner = "local"});
};

// Six layers with biases under dropout.
struct TrainingSessionTest : ::testing::Test {
  TrainingSessionTest() {
    at::manual_seed(3);
    for (int layer = 0; layer < 6; ++layer) {
      parameters.emplace_back("layers." + std::to_string(layer) + ".weight", at::randn({8, 8}).requires_grad_(true));
      parameters.emplace_back("layers." + std::to_string(layer) + ".bias", at::randn({8}).requires_grad_(true));
    }
    input = at::randn({4, 8});
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

  void TrainStep(const TrainingSession& session) {
    EXPECT_TRUE(session.Backward(Forward(0)).ok());
    optimizer->Step();
    optimizer->ClearGradients();
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

TEST_F(TrainingSessionTest, TrainsWhatThePlanSaysAtThePredictedCost) {
  auto session = NewSession();
  for (int epoch = 0; epoch < 3; ++epoch) {
    auto round = session->BeginRound(loss);
    ASSERT_TRUE(round.ok()) << round.status();
    EXPECT_EQ(round->plan.round(), epoch);
    ASSERT_THAT(round->trainable, Not(IsEmpty()));
    EXPECT_LE(round->predicted_backward_cost, round->full_backward_cost / 2);

    const at::Tensor value = Forward(0);
    profiler::ExecutedFlopsCounter counter;
    ASSERT_TRUE(*session->Backward(value));
    EXPECT_EQ(counter.backward_flops(), round->predicted_backward_cost);
    for (const auto& [name, parameter] : parameters) {
      const bool trains = std::count(round->trainable.begin(), round->trainable.end(), name) == 1;
      EXPECT_EQ(parameter.requires_grad(), trains) << name;
      EXPECT_EQ(parameter.grad().defined(), trains) << name;
    }
    optimizer->Step();
    optimizer->ClearGradients();
  }
}

TEST_F(TrainingSessionTest, LeavesAllButRequiresGradUntouched) {
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  TrainStep(*session);
  const auto weights = Weights();
  AdamW::State moments;
  for (const auto& [name, tensor] : optimizer->state()) moments[name] = Copy(tensor);
  const RandomState random_state = GetRandomState();

  ASSERT_TRUE(session->BeginRound(loss).ok());

  for (const auto& [name, parameter] : parameters) {
    EXPECT_TRUE(at::equal(parameter, weights.at(name))) << name;
    EXPECT_FALSE(parameter.grad().defined()) << name;
  }
  EXPECT_EQ(optimizer->state().size(), moments.size());
  for (const auto& [name, tensor] : optimizer->state()) EXPECT_TRUE(at::equal(tensor, moments.at(name))) << name;
  EXPECT_TRUE(at::equal(GetRandomState()[0].second, random_state[0].second));
}

TEST_F(TrainingSessionTest, FrozenTensorsKeepEveryBitUnderMomentumAndWeightDecay) {
  {
    SessionOptions full = options;
    full.plan.Clear();
    full.job = "full";
    auto everything = TrainingSession::Create(connection, full, parameters);
    ASSERT_TRUE((*everything)->BeginRound(loss).ok());
    for (int step = 0; step < 2; ++step) TrainStep(**everything);  // Every tensor has momentum now.
  }
  options.job = "selection";
  auto session = NewSession();
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  const auto before = Weights();
  for (int step = 0; step < 4; ++step) TrainStep(*session);
  for (const auto& [name, parameter] : parameters) {
    const bool trains = std::count(round->trainable.begin(), round->trainable.end(), name) == 1;
    EXPECT_EQ(at::equal(parameter, before.at(name)), !trains) << name;
  }
}

TEST_F(TrainingSessionTest, SkipsBackwardWhenNothingFits) {
  SetBudget(1e-6);
  options.plan.add_never("layers.5.bias");  // The last bias costs nothing.
  auto session = NewSession();
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_EQ(round->plan.status(), v1::PLAN_STATUS_EMPTY);
  EXPECT_NE(round->plan.message(), "");
  EXPECT_THAT(round->trainable, IsEmpty());
  const auto before = Weights();
  EXPECT_FALSE(*session->Backward(Forward(0)));
  optimizer->Step();
  for (const auto& [name, parameter] : parameters) EXPECT_TRUE(at::equal(parameter, before.at(name))) << name;
}

TEST_F(TrainingSessionTest, FullTrainsEverythingWithoutAProbe) {
  options.plan.Clear();
  auto session = NewSession();
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_EQ(round->trainable.size(), parameters.size());
  EXPECT_EQ(round->predicted_backward_cost, round->full_backward_cost);
  EXPECT_EQ(forward_passes, 1);  // The profile's.
}

TEST_F(TrainingSessionTest, KeepsToPinsAndDoesNotProbeWhatNeverTrains) {
  options.plan.add_always("layers.4.bias");
  options.plan.add_never("layers.5.weight");
  auto session = NewSession();
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_THAT(round->trainable, Contains("layers.4.bias"));
  EXPECT_THAT(round->trainable, Not(Contains("layers.5.weight")));
  EXPECT_THAT(connection->last_report.unmeasured(), ElementsAre(10));
}

TEST_F(TrainingSessionTest, NeverThawsWhatWasFrozenBeforeAndCountsATiedTensorOnce) {
  options.plan.Clear();
  parameters[0].second.requires_grad_(false);
  parameters.emplace_back("head.weight", parameters[2].second);
  auto session = NewSession();
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_FALSE(parameters[0].second.requires_grad());
  EXPECT_EQ(round->trainable.size(), 11u);
  EXPECT_THAT(round->trainable, Not(Contains("layers.0.weight")));
  EXPECT_THAT(round->trainable, Not(Contains("head.weight")));
}

TEST_F(TrainingSessionTest, FailsWithoutAPlannerBeforeTheFirstPlanAndChangesNothing) {
  connection->is_away = true;
  auto session = NewSession();
  EXPECT_EQ(session->CreateJob(loss).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(session->BeginRound(loss).status().code(), absl::StatusCode::kUnavailable);
  for (const auto& [name, parameter] : parameters) EXPECT_TRUE(parameter.requires_grad()) << name;
}

TEST_F(TrainingSessionTest, TrainsOnWithTheLastPlanWhenThePlannerGoesAway) {
  auto session = NewSession();
  auto first = session->BeginRound(loss);
  ASSERT_TRUE(first.ok());
  connection->is_away = true;
  auto second = session->BeginRound(loss);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->trainable, first->trainable);
  EXPECT_THAT(second->notice, HasSubstr("connection refused"));
}

TEST_F(TrainingSessionTest, APlanThatCannotBeAppliedIsNotTakenOver) {
  auto session = NewSession();
  connection->answers_garbage = true;
  EXPECT_EQ(session->BeginRound(loss).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(session->plan().has_value());
  EXPECT_EQ(session->next_round(), 0);
  for (const auto& [name, parameter] : parameters) EXPECT_TRUE(parameter.requires_grad()) << name;

  connection->answers_garbage = false;
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_EQ(round->plan.trainable(), session->plan()->trainable());

  v1::Plan garbage;
  EXPECT_EQ(session->Continue(loss, garbage, 9).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(session->plan()->digest(), round->plan.digest());
}

TEST_F(TrainingSessionTest, WhatTorchOrTheLossThrowsIsInternal) {
  auto session = NewSession();
  const LossFunction failing = [](int) -> at::Tensor { throw std::runtime_error("no batch"); };
  const absl::Status round = session->BeginRound(failing).status();
  EXPECT_EQ(round.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(round.message(), HasSubstr("no batch"));

  ASSERT_TRUE(session->BeginRound(loss).ok());
  const at::Tensor value = Forward(0);
  ASSERT_TRUE(*session->Backward(value));
  const absl::Status twice = session->Backward(value).status();
  EXPECT_EQ(twice.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(twice.message(), HasSubstr("backward failed: Trying to backward through the graph a second time"));
}

TEST_F(TrainingSessionTest, ContinuesWithThePlanInForce) {
  auto session = NewSession();
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok());
  for (auto& [name, parameter] : parameters) parameter.requires_grad_(true);

  auto resumed = NewSession();
  auto continued = resumed->Continue(loss, round->plan, session->next_round());
  ASSERT_TRUE(continued.ok()) << continued.status();
  EXPECT_EQ(continued->trainable, round->trainable);
  EXPECT_EQ(resumed->next_round(), 1);
  auto next = resumed->BeginRound(loss);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->plan.round(), 1);
}

TEST_F(TrainingSessionTest, NamesJobsByItselfWithoutRepetition) {
  options.job = "";
  EXPECT_NE(NewSession()->job(), NewSession()->job());
}

TEST_F(TrainingSessionTest, RefusesWhatItCannotDo) {
  const struct {
    v1::Method method;
    const char* name;
  } cases[] = {{v1::METHOD_DROP, "method drop"}, {v1::METHOD_JOINT, "method joint"}};
  for (const auto& [method, name] : cases) {
    options.plan.set_method(method);
    auto session = TrainingSession::Create(connection, options, parameters);
    EXPECT_EQ(session.status().code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(session.status().message(), HasSubstr(name));
  }
  options.plan.set_method(v1::METHOD_SELECTION);
  EXPECT_EQ(TrainingSession::Create(connection, options, {}).status().code(), absl::StatusCode::kInvalidArgument);
  options.plan.add_never("no.such.tensor");
  auto round = NewSession()->BeginRound(loss);
  EXPECT_EQ(round.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(round.status().message(), HasSubstr("no.such.tensor"));
}

}  // namespace
}  // namespace greenplan::trainer
