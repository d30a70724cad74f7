#include "trainer_client/session/training_session.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "ATen/Context.h"
#include "ATen/TensorOperators.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/dropout.h"
#include "ATen/ops/equal.h"
#include "ATen/ops/matmul.h"
#include "ATen/ops/mm.h"
#include "ATen/ops/zeros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "profiler/autograd/checkpoint.h"
#include "profiler/autograd/executed_flops.h"
#include "profiler/autograd/testing/test_device.h"
#include "torch/optim/adamw.h"
#include "torch/optim/sgd.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/optimizer/torch_optimizer.h"
#include "trainer_client/parallel/test_ranks.h"
#include "trainer_client/session/random_state.h"
#include "trainer_client/session/testing/fake_planner.h"
#include "trainer_client/session/trainable.h"

namespace greenplan::trainer {
namespace {

using profiler::testing::Randn;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

at::Tensor Copy(const at::Tensor& tensor) { return tensor.detach().clone(); }

// Of importance. On a GPU the last bit of a weight may differ from that of LibTorch's step, 1e-5 of an update here.
const double kAccuracy = profiler::testing::TestDevice().is_cpu() ? 1e-6 : 1e-4;

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
struct TrainingSessionTest : ::testing::Test {
  TrainingSessionTest() {
    at::manual_seed(3);
    for (int layer = 0; layer < 6; ++layer) {
      parameters.emplace_back("layers." + std::to_string(layer) + ".weight", Randn({8, 8}).requires_grad_(true));
      parameters.emplace_back("layers." + std::to_string(layer) + ".bias", Randn({8}).requires_grad_(true));
    }
    input = Randn({4, 8});
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

  void TrainStep(TrainingSession& session) {
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
  EXPECT_TRUE(at::equal(GetRandomState().back().second, random_state.back().second));
}

TEST_F(TrainingSessionTest, ProfilingLeavesRandomNumbersAsTheyAre) {
  const RandomState before = GetRandomState();
  ASSERT_TRUE(NewSession()->CreateJob(loss).ok());
  EXPECT_EQ(forward_passes, 1);
  EXPECT_TRUE(at::equal(GetRandomState().back().second, before.back().second));
}

TEST_F(TrainingSessionTest, AReportCarriesTheLabelsOfItsRoundAndTheMetric) {
  options.importance.metric = v1::IMPORTANCE_METRIC_FISHER;
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss, {.epoch = 3, .step = 40, .sample_count = 16}).ok());
  EXPECT_EQ(connection->last_report.epoch(), 3);
  EXPECT_EQ(connection->last_report.step(), 40);
  EXPECT_EQ(connection->last_report.sample_count(), 16);
  EXPECT_EQ(connection->last_report.metric(), v1::IMPORTANCE_METRIC_FISHER);
}

TEST_F(TrainingSessionTest, ReducesTheSelectedGradientsOnceAStepWhoeverAsks) {
  const std::unique_ptr<RankGroup> ranks = AmongEquals(/*rank=*/0, /*world_size=*/2);
  options.ranks = ranks.get();
  options.optimizer = optimizer.get();
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  int64_t selected_bytes = 0;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.requires_grad()) selected_bytes += static_cast<int64_t>(parameter.nbytes());
  }
  for (int calls : {0, 1, 2}) {
    const int64_t before = ranks->averaged_bytes();
    ASSERT_TRUE(session->BeginStep().ok());
    ASSERT_TRUE(session->Backward(Forward(0)).ok());
    for (int i = 0; i < calls; ++i) EXPECT_EQ(session->AverageGradients(), absl::OkStatus());
    ASSERT_TRUE(session->Step().ok());
    EXPECT_EQ(ranks->averaged_bytes() - before, selected_bytes) << "asked " << calls << " times before the step";
  }
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

TEST_F(TrainingSessionTest, ForwardCostHoldsTheProductsOfFrozenTensors) {
  for (int i : {0, 1}) parameters[i].second.set_requires_grad(false);
  const profiler::ExecutedFlopsCounter counter;
  Forward(0);
  const int64_t executed = counter.forward_flops();
  ASSERT_EQ(executed, 6 * 2 * 4 * 8 * 8);

  auto session = NewSession();
  ASSERT_TRUE(session->CreateJob(loss).ok());
  EXPECT_EQ(session->profile().forward_cost, executed);

  options.job = "in-step";
  auto in_step = NewSession();
  ASSERT_TRUE(in_step->BeginRoundInStep().ok());
  for (int step = 0; step < 2; ++step) {  // The first ends without backward.
    ASSERT_TRUE(in_step->BeginStep().ok());
    const at::Tensor value = Forward(0);
    if (step == 1) ASSERT_TRUE(in_step->Backward(value).ok());
  }
  EXPECT_EQ(in_step->profile().forward_cost, executed);
}

TEST_F(TrainingSessionTest, SeveralLossesAreOneSum) {
  parameters.emplace_back("class_head", Randn({8, 3}).requires_grad_(true));
  parameters.emplace_back("value_head", Randn({8, 1}).requires_grad_(true));
  loss = [this](int) {
    at::Tensor x = input;
    for (int i = 0; i < 12; i += 2) x = (at::mm(x, parameters[i].second) + parameters[i + 1].second).tanh();
    const at::Tensor classes = at::mm(x, parameters[12].second), value = at::mm(x, parameters[13].second);
    return classes.logsumexp(1).mean() + value.square().mean() * 0.5;
  };
  auto session = NewSession();
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  for (int head : {12, 13}) EXPECT_NE(connection->last_report.importance(head), 0);
  for (int step = 0; step < 2; ++step) {
    ASSERT_TRUE(session->BeginStep().ok());
    const at::Tensor sum = loss(0);
    const profiler::ExecutedFlopsCounter counter;
    ASSERT_TRUE(*session->Backward(sum));
    EXPECT_EQ(counter.backward_flops(), round->predicted_backward_cost);
    session->EndStep();
    optimizer->ClearGradients();
  }
  EXPECT_THAT(session->TakeNotices(), IsEmpty());
}

TEST_F(TrainingSessionTest, RefusesAStepWhoseKernelsDependOnWhatIsFrozenUnlessItAlwaysTrains) {
  parameters.emplace_back("vector", Randn({2}).requires_grad_(true));
  loss = [this](int) {
    const at::Tensor features = at::mm(input, parameters[0].second).tanh().view({2, 2, 8});
    return at::matmul(features.transpose(1, 2), parameters[12].second).square().mean();
  };
  const absl::Status refused = NewSession()->CreateJob(loss);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("once the vector is frozen"));
  auto in_step = NewSession();
  ASSERT_TRUE(in_step->BeginRoundInStep().ok());
  ASSERT_TRUE(in_step->BeginStep().ok());
  EXPECT_EQ(in_step->Backward(loss(0)).status(), refused);

  options.plan.add_always("vector");
  auto pinned = NewSession();
  auto round = pinned->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_THAT(round->trainable, Contains("vector"));
  ASSERT_TRUE(pinned->BeginStep().ok());
  ASSERT_TRUE(pinned->Backward(loss(0)).ok());
  EXPECT_THAT(pinned->TakeNotices(), IsEmpty());
  pinned.reset();

  options.job = "full";
  options.plan.clear_always();
  options.plan.clear_budget();
  options.plan.set_method(v1::METHOD_FULL);
  EXPECT_EQ(NewSession()->CreateJob(loss), absl::OkStatus());
  options.plan.add_never("vector");
  EXPECT_EQ(NewSession()->CreateJob(loss), refused);
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

TEST_F(TrainingSessionTest, MeasuresNothingForRoundsAtWhichAPlannerThatStaysAwayIsNotAsked) {
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  connection->is_away = true;
  int notices = 0;
  std::vector<bool> measured;
  for (int round = 0; round < 8; ++round) {
    const int passes_before = forward_passes;
    auto kept = session->BeginRound(loss);
    ASSERT_TRUE(kept.ok()) << kept.status();
    EXPECT_EQ(kept->plan.round(), 0);
    EXPECT_EQ(kept->is_measured, forward_passes > passes_before);
    measured.push_back(kept->is_measured);
    notices += !kept->notice.empty();
  }
  EXPECT_THAT(measured, ElementsAre(true, true, false, true, false, false, false, true));
  EXPECT_EQ(notices, 1);
  connection->is_away = false;
  int rounds = 0;
  for (auto round = session->BeginRound(loss); round->plan.round() == 0; round = session->BeginRound(loss)) ++rounds;
  EXPECT_EQ(rounds, 7) << "it is taken up again";
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
  EXPECT_EQ(session->Continue(loss, {.plan = garbage, .next_round = 9}).status().code(),
            absl::StatusCode::kFailedPrecondition)
      << "for another profile";
  garbage.set_profile_digest(round->plan.profile_digest());
  EXPECT_EQ(session->Continue(loss, {.plan = garbage, .next_round = 9}).status().code(),
            absl::StatusCode::kInvalidArgument);
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
  auto continued = resumed->Continue(loss, session->state());
  ASSERT_TRUE(continued.ok()) << continued.status();
  ASSERT_TRUE(continued->has_value());
  EXPECT_EQ((*continued)->trainable, round->trainable);
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
  EXPECT_EQ(TrainingSession::Create(connection, options, {}).status().code(), absl::StatusCode::kInvalidArgument);
  {
    SessionOptions without_rule = options;
    without_rule.importance.update_rule = nullptr;
    auto session = TrainingSession::Create(connection, without_rule, parameters);
    EXPECT_EQ(session.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(session.status().message(), HasSubstr("update_rule"));
  }
  auto session = NewSession();
  EXPECT_EQ(session->BeginStep().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(session->BeginRound(loss).ok());
  ASSERT_TRUE(session->BeginStep().ok());
  const absl::Status without_optimizer = session->Step().status();
  EXPECT_EQ(without_optimizer.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(without_optimizer.message(), HasSubstr("options.optimizer is null"));

  options.job = "pinned";
  options.plan.add_never("no.such.tensor");
  auto round = NewSession()->BeginRound(loss);
  EXPECT_EQ(round.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(round.status().message(), HasSubstr("no.such.tensor"));
}

TEST_F(TrainingSessionTest, RefusesTwoTensorsUnderOneName) {
  parameters.emplace_back("layers.2.bias", Randn({8}).requires_grad_(true));
  const absl::Status status = TrainingSession::Create(connection, options, parameters).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("two tensors with the name layers.2.bias"));
}

TEST_F(TrainingSessionTest, RefusesAnOptimizerThatDoesNotStepATensorThatMayTrain) {
  std::vector<at::Tensor> some;
  for (const auto& [name, parameter] : parameters) {
    if (name != "layers.1.weight") some.push_back(parameter);
  }
  torch::optim::SGD sgd(some, torch::optim::SGDOptions(0.1));
  const std::unique_ptr<Optimizer> wrapped = *WrapTorchOptimizer(sgd, parameters);
  AdamW adamw({parameters.begin() + 3, parameters.end()}, AdamWOptions{});
  const auto create = [&](Optimizer* lacking) {
    options.optimizer = lacking;
    return TrainingSession::Create(connection, options, parameters).status();
  };
  EXPECT_THAT(std::string(create(wrapped.get()).message()),
              HasSubstr("options.optimizer does not step layers.1.weight, which requires grad"));
  const absl::Status status = create(&adamw);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("does not step layers.0.weight"));

  options.plan.add_never("layers.0.weight");
  parameters[1].second.requires_grad_(false);
  parameters[2].second.requires_grad_(false);
  EXPECT_EQ(create(&adamw), absl::OkStatus()) << "these never train";
}

TEST_F(TrainingSessionTest, ARoundLeavesBuffersAndPendingGradientsAsTheyAre) {
  const at::Tensor running_mean = at::zeros({8}, profiler::testing::TestDevice());
  loss = [&](int) {
    const at::NoGradGuard no_grad;
    running_mean.mul_(0.9).add_(input.mean(0) + 1);
    const at::AutoGradMode record(true);
    return Forward(0);
  };
  options.buffers = {running_mean};
  auto session = NewSession();
  std::vector<at::Tensor> pending;
  for (const auto& [name, parameter] : parameters) {
    parameter.mutable_grad() = pending.emplace_back(Randn(parameter.sizes()));
  }
  const at::Tensor expected = Copy(pending[0]);
  for (int round = 0; round < 2; ++round) {  // The first also profiles.
    ASSERT_TRUE(session->BeginRound(loss).ok());
    EXPECT_TRUE(at::equal(running_mean, at::zeros({8}, profiler::testing::TestDevice())));
    int kept = 0;
    for (size_t i = 0; i < parameters.size(); ++i) {
      const at::Tensor& parameter = parameters[i].second;
      EXPECT_EQ(parameter.grad().defined(), parameter.requires_grad() && pending[i].defined());
      if (!parameter.grad().defined()) {
        pending[i].reset();  // Frozen in this round.
        continue;
      }
      EXPECT_TRUE(parameter.grad().is_same(pending[i])) << parameters[i].first;
      ++kept;
    }
    EXPECT_GT(kept, 0);
  }
  parameters[0].second.mutable_grad() = expected;
  connection->is_away = true;
  options.job = "away";
  EXPECT_FALSE(NewSession()->BeginRound(loss).ok());
  EXPECT_TRUE(at::equal(parameters[0].second.grad(), expected)) << "an error changes nothing";
}

TEST_F(TrainingSessionTest, SendsWhatCameOfARoundAndKeepsItUntilThen) {
  const auto planner = std::make_shared<FakePlanner>();
  auto created = TrainingSession::Create(planner, options, parameters);
  ASSERT_TRUE(created.ok()) << created.status();
  TrainingSession& session = **created;
  ASSERT_TRUE(session.BeginRound(loss).ok());
  v1::Outcome outcome;
  outcome.set_train_loss(2.5);
  outcome.set_step_count(3);
  session.AddOutcome(outcome);
  planner->is_away = true;
  session.SendOutcomes();
  EXPECT_THAT(session.TakeNotices(), ElementsAre(HasSubstr("did not take what came of round 0 (the fake planner is")));
  const SessionState state = session.state();
  ASSERT_EQ(state.outcomes.size(), 1u);

  planner->is_away = false;
  auto resumed = TrainingSession::Create(planner, options, parameters);
  ASSERT_TRUE((*resumed)->Continue(loss, state).ok());
  EXPECT_THAT(planner->outcomes, IsEmpty());
  (*resumed)->SendOutcomes();
  ASSERT_EQ(planner->outcomes.size(), 1u);
  EXPECT_EQ(planner->outcomes[0].train_loss(), 2.5);
  EXPECT_THAT((*resumed)->state().outcomes, IsEmpty());
  EXPECT_THAT((*resumed)->TakeNotices(), IsEmpty());
}

TEST_F(TrainingSessionTest, PutsRequiresGradRightThatSomeoneElseChangedAndNamesIt) {
  auto session = NewSession();
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok());
  ASSERT_TRUE(session->BeginStep().ok());
  EXPECT_THAT(session->TakeNotices(), IsEmpty());
  session->EndStep();
  parameters[0].second.requires_grad_(!parameters[0].second.requires_grad());
  parameters[5].second.requires_grad_(!parameters[5].second.requires_grad());
  ASSERT_TRUE(session->BeginStep().ok());
  EXPECT_THAT(session->TakeNotices(), ElementsAre(HasSubstr("requires_grad of layers.0.weight and 1 other tensors")));
  EXPECT_THAT(session->TakeNotices(), IsEmpty());
  for (const auto& [name, parameter] : parameters) {
    const bool trains = std::count(round->trainable.begin(), round->trainable.end(), name) == 1;
    EXPECT_EQ(parameter.requires_grad(), trains) << name;
  }
}

TEST_F(TrainingSessionTest, TellsWhenAStepExecutesOtherFlopsThanPredicted) {
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  input = Randn({5, 8});  // A batch of another size than the profiled one.
  TrainStep(*session);
  const int64_t predicted = session->step_plan().predicted_backward_cost;
  EXPECT_THAT(session->TakeNotices(), ElementsAre(AllOf(HasSubstr("FLOPs in the first step under this plan, but"),
                                                        HasSubstr("Mm " + std::to_string(predicted / 4 * 5) + " (" +
                                                                  std::to_string(predicted) + " predicted)"))));
  TrainStep(*session);
  EXPECT_THAT(session->TakeNotices(), IsEmpty()) << "once a round";
}

// Six residual blocks with dropout between an embedding and a head, each in a checkpointed function if asked for.
struct DropTest : TrainingSessionTest {
  DropTest() {
    parameters.clear();
    parameters.emplace_back("embedding", (Randn({8, 8}) / 3).requires_grad_(true));
    for (int b = 0; b < kBlocks; ++b) {
      const std::string name = "layers." + std::to_string(b);
      for (const char* part : {".up", ".down"}) {
        const int64_t width = 8 + 4 * (b % 3);  // Blocks of three costs.
        const auto shape = part[1] == 'u' ? std::vector<int64_t>{8, width} : std::vector<int64_t>{width, 8};
        parameters.emplace_back(name + part, (Randn(shape) / 3).requires_grad_(true));
      }
      options.branches.emplace_back(name);
    }
    parameters.emplace_back("head", Randn({8, 2}).requires_grad_(true));
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

TEST_F(DropTest, EveryStepExecutesTheCostOfItsDrawAndTheirMeanIsTheExpectation) {
  for (v1::Method method : {v1::METHOD_DROP, v1::METHOD_JOINT}) {
    for (bool with_checkpoints : {false, true}) {
      SCOPED_TRACE(std::to_string(method) + (with_checkpoints ? " with checkpoints" : ""));
      checkpoints = with_checkpoints;
      options.job = "";
      UseMethod(method, with_checkpoints ? 0.7 : 0.5);
      auto session = NewSession();
      auto round = session->BeginRound(loss);
      ASSERT_TRUE(round.ok()) << round.status();
      ASSERT_EQ(round->drop_rates.size(), kBlocks);
      EXPECT_EQ(round->drop_rates[0].first, "layers.0");
      const int64_t most_expensive_block = 4 * (2 * 4 * 8 * 16);  // Two products, two gradients each.
      std::set<int64_t> costs;
      double sum = 0;
      constexpr int kSteps = 100;
      for (int step = 0; step < kSteps; ++step) {
        const int64_t executed = RunStep(*session);
        EXPECT_LE(std::abs(executed - round->predicted_backward_cost), most_expensive_block);
        costs.insert(executed);
        sum += static_cast<double>(executed);
      }
      EXPECT_THAT(session->TakeNotices(), IsEmpty());
      if (method == v1::METHOD_DROP) {
        EXPECT_GT(costs.size(), 1u) << "draws differ";
      }
      EXPECT_NEAR(sum / kSteps, round->predicted_backward_cost, 0.1 * static_cast<double>(most_expensive_block));
    }
  }
}

TEST_F(DropTest, AJointPlanMayHaveOneRateForAllBlocks) {
  UseMethod(v1::METHOD_JOINT, 0.25);
  options.plan.set_allocation(v1::ALLOCATION_UNIFORM);
  options.plan.set_min_drop_rate(0.25);
  for (const auto& [name, parameter] : parameters) options.plan.add_always(name);
  auto session = NewSession();
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  ASSERT_EQ(round->drop_rates.size(), kBlocks);
  EXPECT_GT(round->drop_rates[0].second, 0.25);
  for (const auto& [block, rate] : round->drop_rates) EXPECT_EQ(rate, round->drop_rates[0].second) << block;
}

TEST_F(DropTest, TensorsOfADroppedBlockAndTheirMomentsStayInThatStep) {
  options.plan.set_allocation(v1::ALLOCATION_UNIFORM);
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  for (int step = 0; step < 20; ++step) RunStep(*session);  // Every tensor has momentum now.
  for (int step = 0; step < 5; ++step) {
    const auto before = Weights();
    AdamW::State moments;
    for (const auto& [name, tensor] : optimizer->state()) moments[name] = Copy(tensor);
    ASSERT_TRUE(session->BeginStep().ok());
    const std::set<std::string> dropped(session->step_plan().dropped_blocks.begin(),
                                        session->step_plan().dropped_blocks.end());
    EXPECT_FALSE(dropped.empty());
    ASSERT_TRUE(session->Backward(Stack()).ok());
    ASSERT_TRUE(session->Step().ok());
    for (const auto& [name, parameter] : parameters) {
      const bool stays = dropped.contains(name.substr(0, name.rfind('.')));
      EXPECT_EQ(at::equal(parameter, before.at(name)), stays) << name;
      EXPECT_EQ(at::equal(optimizer->state().at(name + ".step"), moments.at(name + ".step")), stays) << name;
    }
  }
}

TEST_F(DropTest, ALoopThatFillsGradientsWithZerosMovesNothingThatAStepDoesNotReach) {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, parameter] : parameters) tensors.push_back(parameter);
  torch::optim::SGD sgd(tensors, torch::optim::SGDOptions(0.01).momentum(0.9).weight_decay(0.1));
  torch::optim::AdamW adamw(tensors, torch::optim::AdamWOptions(0.01).weight_decay(0.1));
  options.importance.update_rule = optimizer.get();
  options.optimizer = nullptr;  // The loop steps by itself.
  for (torch::optim::Optimizer* own :
       {static_cast<torch::optim::Optimizer*>(&sgd), static_cast<torch::optim::Optimizer*>(&adamw)}) {
    options.job = "";
    auto session = NewSession();
    ASSERT_TRUE(session->BeginRound(loss).ok());
    int frozen = 0;
    for (int step = 0; step < 8; ++step) {
      ASSERT_TRUE(session->BeginStep().ok());
      const auto before = Weights();
      const std::vector<bool> reached = session->step_plan().reached;
      ASSERT_TRUE(session->Backward(Stack()).ok());
      own->step();
      own->zero_grad(/*set_to_none=*/false);
      session->EndStep();
      for (size_t i = 0; i < parameters.size(); ++i) {
        const bool same = at::equal(parameters[i].second, before.at(parameters[i].first));
        EXPECT_EQ(same, !reached[i]) << parameters[i].first << " in step " << step;
        frozen += !reached[i];
      }
    }
    EXPECT_GT(frozen, 0);
    session.reset();
    for (auto& [name, parameter] : parameters) parameter.requires_grad_(true).mutable_grad().reset();
  }
}

TEST_F(DropTest, AStepInWhichNothingIsLeftToTrainIsOne) {
  UseMethod(v1::METHOD_DROP, 1);
  options.plan.mutable_budget()->set_mean_drop_rate(0.99);
  options.plan.set_min_drop_rate(1);
  for (const char* name : {"embedding", "head"}) options.plan.add_never(name);
  auto session = NewSession();
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_THAT(round->trainable, Not(IsEmpty()));
  const auto before = Weights();
  ASSERT_TRUE(session->BeginStep().ok());
  EXPECT_EQ(session->step_plan().predicted_backward_cost, 0);
  const auto ran = session->Backward(Stack());
  ASSERT_TRUE(ran.ok()) << ran.status();
  EXPECT_FALSE(*ran);
  ASSERT_TRUE(session->Step().ok());
  for (const auto& [name, parameter] : parameters) EXPECT_TRUE(at::equal(parameter, before.at(name))) << name;
}

TEST_F(DropTest, DrawsPerMicroBatchIfAskedToAndSumsTheirGradients) {
  for (DrawPer draw_per : {DrawPer::kStep, DrawPer::kMicroBatch}) {
    options.job = "";
    options.draw_per = draw_per;
    auto session = NewSession();
    ASSERT_TRUE(session->BeginRound(loss).ok());
    int differing = 0;
    for (int step = 0; step < 10; ++step) {
      ASSERT_TRUE(session->BeginStep().ok());
      const auto first = session->step_plan().dropped_blocks;
      for (int micro_batch = 0; micro_batch < 3; ++micro_batch) {
        const int64_t predicted = session->step_plan().predicted_backward_cost;
        differing += session->step_plan().dropped_blocks != first;
        const at::Tensor value = Stack();
        const profiler::ExecutedFlopsCounter counter;
        ASSERT_TRUE(session->Backward(value).ok());
        EXPECT_EQ(counter.backward_flops(), predicted);
      }
      ASSERT_TRUE(session->Step().ok());
    }
    EXPECT_EQ(differing > 0, draw_per == DrawPer::kMicroBatch);
  }
}

TEST_F(DropTest, DrawsAfterAResumeAsTheRunThatDidNotStop) {
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  for (int step = 0; step < 3; ++step) RunStep(*session);
  const SessionState state = session->state();
  EXPECT_EQ(state.next_step, 3);
  std::vector<std::vector<std::string>> expected, actual;
  for (int step = 0; step < 5; ++step) {
    ASSERT_TRUE(session->BeginStep().ok());
    expected.push_back(session->step_plan().dropped_blocks);
  }
  session.reset();
  auto resumed = NewSession();
  const auto continued = resumed->Continue(loss, state);
  ASSERT_TRUE(continued.ok()) << continued.status();
  for (int step = 0; step < 5; ++step) {
    ASSERT_TRUE(resumed->BeginStep().ok());
    actual.push_back(resumed->step_plan().dropped_blocks);
  }
  EXPECT_EQ(actual, expected);
}

TEST_F(DropTest, GoesOnCountingStepsWhereARunStoppedBeforeItsFirstPlan) {
  auto session = NewSession();
  const auto continued = session->Continue(loss, {.next_step = 7});
  ASSERT_TRUE(continued.ok()) << continued.status();
  EXPECT_FALSE(continued->has_value());
  EXPECT_EQ(session->state().next_step, 7);
  EXPECT_EQ(session->BeginStep().code(), absl::StatusCode::kFailedPrecondition) << "there is no plan yet";
}

TEST_F(DropTest, AllocatesBySensitivityAndUniformlyWhereAskedTo) {
  auto session = NewSession();
  auto uniform = session->BeginRound(loss, {.uniform_rates = true});
  ASSERT_TRUE(uniform.ok()) << uniform.status();
  EXPECT_THAT(connection->last_report.sensitivity(), IsEmpty());
  for (const auto& [block, rate] : uniform->drop_rates) EXPECT_DOUBLE_EQ(rate, uniform->drop_rates[0].second);
  auto allocated = session->BeginRound(loss);
  ASSERT_TRUE(allocated.ok()) << allocated.status();
  EXPECT_EQ(connection->last_report.sensitivity_size(), kBlocks);
  std::set<double> rates;
  for (const auto& [block, rate] : allocated->drop_rates) rates.insert(rate);
  EXPECT_GT(rates.size(), 1u);
}

TEST_F(DropTest, SensitivityIsThatOfTheBlockWhateverOrderBranchesAreDeclaredIn) {
  SessionOptions reversed = options;
  std::reverse(reversed.branches.begin(), reversed.branches.end());
  std::vector<v1::ImportanceReport> reports;
  for (SessionOptions* each : {&options, &reversed}) {
    each->job = "";
    auto session = TrainingSession::Create(connection, *each, parameters);
    ASSERT_TRUE(session.ok()) << session.status();
    at::manual_seed(9);
    ASSERT_TRUE((*session)->BeginRound(loss).ok());
    reports.push_back(connection->last_report);
  }
  const std::set<double> values(reports[0].sensitivity().begin(), reports[0].sensitivity().end());
  EXPECT_EQ(values.size(), static_cast<size_t>(kBlocks)) << "blocks differ";
  EXPECT_THAT(reports[1].sensitivity(), ::testing::ElementsAreArray(reports[0].sensitivity()));
}

TEST_F(DropTest, SensitivityDoesNotCountTensorsThatNeverTrain) {
  constexpr int kFrozen = 3;
  std::vector<v1::ImportanceReport> reports;
  for (bool by_plan : {true, false}) {
    options.job = "";
    options.plan.clear_never();
    if (by_plan) options.plan.add_never(parameters[kFrozen].first);
    parameters[kFrozen].second.requires_grad_(by_plan);
    auto session = NewSession();
    at::manual_seed(9);
    ASSERT_TRUE(session->BeginRound(loss).ok());
    reports.push_back(connection->last_report);
  }
  EXPECT_EQ(reports[0].sensitivity_size(), kBlocks);
  EXPECT_THAT(reports[0].sensitivity(), ::testing::ElementsAreArray(reports[1].sensitivity()));
}

TEST_F(DropTest, NeedsBranchesAndSteps) {
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  const absl::Status without_step = session->Backward(Stack()).status();
  EXPECT_EQ(without_step.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(without_step.message(), HasSubstr("call BeginStep() before the forward pass"));

  options.job = "without";
  const std::vector<ResidualBranch> branches = std::exchange(options.branches, {});
  auto undeclared = TrainingSession::Create(connection, options, parameters);
  options.branches = branches;
  const absl::Status status = (*undeclared)->CreateJob(loss);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("the blocks of the profile are: layers.0, layers.1"));
}

TEST_F(DropTest, RefusesTwoBranchesUnderOneName) {
  options.branches.emplace_back("layers.4");
  const absl::Status status = TrainingSession::Create(connection, options, parameters).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("two branches with the name layers.4"));
}

TEST_F(DropTest, RefusesRatesOutsideTheirBoundsAndBlocksThatAreNotThere) {
  const auto create_job = [&] {
    options.job = "";
    return NewSession()->CreateJob(loss);
  };
  options.plan.set_max_drop_rate(1.5);
  const absl::Status outside = create_job();
  EXPECT_EQ(outside.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(outside.message()), HasSubstr("max_drop_rate is 1.5"));
  options.plan.set_max_drop_rate(1);
  auto* bounds = options.plan.add_drop_rate_bounds();
  bounds->set_block("layers.9");
  const absl::Status unknown = create_job();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("layers.9"));
}

TEST_F(DropTest, ABlockWhoseBranchIsNotDeclaredIsNeverDropped) {
  const ResidualBranch undeclared = options.branches[2];
  std::vector<ResidualBranch> declared = options.branches;
  declared.erase(declared.begin() + 2);
  SessionOptions some = options;
  some.branches = declared;
  auto session = TrainingSession::Create(connection, some, parameters);
  ASSERT_TRUE(session.ok());
  auto round = (*session)->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_EQ(round->drop_rates.size(), kBlocks - 1);
  for (int step = 0; step < 10; ++step) {
    RunStep(**session);
    EXPECT_FALSE(undeclared.is_dropped());
  }
}

// A product whose kernel depends on whether the vector requires grad, which is made of the same stream as the matrices.
TEST_F(DropTest, ATensorThatABlockHoldsSettlesNoKernelWhereStepsDropTheBlock) {
  loss = [this](int) {
    at::Tensor x = at::mm(input, parameters[0].second);
    for (int b = 0; b < kBlocks; ++b) x = Block(b, x);
    return at::matmul(x.view({2, 2, 8}).transpose(1, 2), x.view({2, 16}).sum(1)).square().mean();
  };
  const auto create_job = [&] {
    options.job = "";
    return NewSession()->CreateJob(loss);
  };
  EXPECT_EQ(create_job(), absl::OkStatus()) << "the embedding trains in every step";
  options.plan.add_never("embedding");
  EXPECT_EQ(create_job().code(), absl::StatusCode::kUnimplemented);

  options.plan.clear_never();
  options.plan.add_always("layers.0.up");
  UseMethod(v1::METHOD_JOINT, 0.5);
  EXPECT_EQ(create_job().code(), absl::StatusCode::kUnimplemented);
  UseMethod(v1::METHOD_SELECTION, 0.5);
  EXPECT_EQ(create_job(), absl::OkStatus());
}

TEST_F(DropTest, WarmsUpWithEverythingAndWithoutARound) {
  options.plan.add_never("layers.1.up");
  auto session = NewSession();
  ASSERT_TRUE(session->TrainEverything(loss).ok());
  const int64_t executed = RunStep(*session);
  EXPECT_THAT(session->step_plan().dropped_blocks, IsEmpty());
  EXPECT_EQ(session->next_round(), 0);
  for (const auto& [name, parameter] : parameters) EXPECT_EQ(parameter.requires_grad(), name != "layers.1.up") << name;
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_EQ(round->plan.round(), 0);
  EXPECT_LT(round->predicted_backward_cost, executed);
  EXPECT_EQ(session->state().next_step, 1);
}

TEST_F(DropTest, DropsTheStateOfTensorsThatThePlanFreezesIfAskedTo) {
  for (FrozenState policy : {FrozenState::kKeep, FrozenState::kDrop}) {
    options.job = "";
    UseMethod(v1::METHOD_SELECTION, 0.3);
    options.frozen_state = policy;
    auto session = NewSession();
    ASSERT_TRUE(session->TrainEverything(loss).ok());
    RunStep(*session);
    ASSERT_TRUE(session->BeginRound(loss).ok());
    for (const auto& [name, parameter] : parameters) {
      const bool has_state = optimizer->state().contains(name + ".exp_avg");
      EXPECT_EQ(has_state, policy == FrozenState::kKeep || parameter.requires_grad()) << name;
    }
    RunStep(*session);
  }
}

// The same steps with the probe in the first of them.
struct InStepTest : DropTest {
  std::vector<bool> MaskOf(const std::set<std::string>& names) const {
    std::vector<bool> mask;
    for (const auto& [name, parameter] : parameters) mask.push_back(names.contains(name));
    return mask;
  }
};

TEST_F(InStepTest, MeasuresFromTheStepsOwnGradientsAndThePlanHoldsAtItsOptimizerStep) {
  UseMethod(v1::METHOD_SELECTION, 0.5);
  options.plan.add_never("layers.1.up");
  auto session = NewSession();
  for (int round_index = 0; round_index < 2; ++round_index) {
    const auto before = Weights();
    ASSERT_TRUE(session->BeginRoundInStep().ok());
    ASSERT_TRUE(session->BeginStep().ok());
    const at::Tensor value = Stack();
    const profiler::ExecutedFlopsCounter counter;
    ASSERT_TRUE(session->Backward(value).ok());
    const int64_t executed = counter.backward_flops();
    std::vector<double> expected;
    for (const auto& [name, parameter] : parameters) {
      const at::Tensor& gradient = parameter.grad();
      if (!gradient.defined()) continue;
      const at::Tensor products = gradient.to(at::kDouble) * optimizer->NextUpdate(parameter, gradient);
      expected.push_back(-products.sum().item<double>());
    }
    auto round = session->Step();
    ASSERT_TRUE(round.ok()) << round.status();
    ASSERT_TRUE(round->has_value());
    EXPECT_EQ((*round)->plan.round(), round_index);
    EXPECT_EQ(executed, (*round)->probe_backward_cost + (*round)->predicted_backward_cost);
    EXPECT_GT((*round)->probe_backward_cost, 0);

    const auto& report = connection->last_report;
    ASSERT_THAT(report.unmeasured(), ElementsAre(3));
    EXPECT_EQ(expected.size(), parameters.size() - 1) << "no gradient is kept for what never trains";
    for (size_t i = 0, k = 0; i < parameters.size(); ++i) {
      if (i == 3) continue;
      EXPECT_NEAR(report.importance(static_cast<int>(i)), expected[k], kAccuracy * std::abs(expected[k])) << k;
      ++k;
    }
    for (const auto& [name, parameter] : parameters) {
      const bool trains = std::count((*round)->trainable.begin(), (*round)->trainable.end(), name) == 1;
      EXPECT_EQ(at::equal(parameter, before.at(name)), !trains) << name;
      EXPECT_EQ(parameter.requires_grad(), trains) << name;
    }
    for (int step = 0; step < 2; ++step) RunStep(*session);
    EXPECT_THAT(session->TakeNotices(), IsEmpty());
  }
  EXPECT_EQ(session->state().next_step, 6);
}

TEST_F(InStepTest, PlansWhatTheSeparateProbePlansFromTheSameBatch) {
  for (v1::Method method : {v1::METHOD_SELECTION, v1::METHOD_DROP, v1::METHOD_JOINT}) {
    UseMethod(method, 0.5);
    options.job = "";
    auto separate = NewSession();
    at::manual_seed(9);
    auto expected = separate->BeginRound(loss);
    ASSERT_TRUE(expected.ok()) << expected.status();
    separate.reset();
    for (auto& [name, parameter] : parameters) parameter.requires_grad_(true);

    options.job = "";
    auto session = NewSession();
    ASSERT_TRUE(session->BeginRoundInStep().ok());
    ASSERT_TRUE(session->BeginStep().ok());
    at::manual_seed(9);
    ASSERT_TRUE(session->Backward(Stack()).ok());
    auto actual = session->PlanFromGradients();
    ASSERT_TRUE(actual.ok()) << actual.status();
    ASSERT_TRUE(actual->has_value());
    EXPECT_EQ((*actual)->plan.digest(), expected->plan.digest()) << method;
    EXPECT_EQ((*actual)->sensitivity_flops > 0, method != v1::METHOD_SELECTION);
    EXPECT_FALSE(session->PlanFromGradients()->has_value()) << "once a step";
    session.reset();
    for (auto& [name, parameter] : parameters) {
      parameter.mutable_grad().reset();
      parameter.requires_grad_(true);
    }
  }
}

TEST_F(InStepTest, WorksWithAccumulation) {
  UseMethod(v1::METHOD_SELECTION, 0.5);
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRoundInStep().ok());
  ASSERT_TRUE(session->BeginStep().ok());
  for (int micro_batch = 0; micro_batch < 3; ++micro_batch) ASSERT_TRUE(session->Backward(Stack() / 3).ok());
  std::vector<at::Tensor> gradients;
  for (const auto& [name, parameter] : parameters) gradients.push_back(parameter.grad());
  auto round = session->PlanFromGradients();
  ASSERT_TRUE(round.ok() && round->has_value()) << round.status();
  for (size_t i = 0; i < parameters.size(); ++i) {
    const bool trains = parameters[i].second.requires_grad();
    EXPECT_EQ(parameters[i].second.grad().defined(), trains);
    if (!trains) continue;
    EXPECT_TRUE(parameters[i].second.grad().is_same(gradients[i])) << "kept, not computed again";
  }
  ASSERT_TRUE(session->Step().ok());
}

// As a loop in half precision does, so that small gradients do not vanish.
TEST_F(InStepTest, WorksWithAScaledLossOnceTheGradientsAreUnscaled) {
  constexpr double kScale = 1024;  // A power of two, so that nothing is rounded.
  UseMethod(v1::METHOD_SELECTION, 0.5);
  std::vector<v1::ImportanceReport> reports;
  for (double scale : {1.0, kScale}) {
    options.job = "";
    auto session = NewSession();
    ASSERT_TRUE(session->BeginRoundInStep().ok());
    ASSERT_TRUE(session->BeginStep().ok());
    at::manual_seed(9);
    ASSERT_TRUE(session->Backward(Stack() * scale).ok());
    for (auto& [name, parameter] : parameters) parameter.mutable_grad().div_(scale);
    const auto round = session->PlanFromGradients();
    ASSERT_TRUE(round.ok() && round->has_value()) << round.status();
    reports.push_back(connection->last_report);
    session.reset();
    for (auto& [name, parameter] : parameters) parameter.requires_grad_(true).mutable_grad().reset();
  }
  EXPECT_THAT(reports[1].importance(), ::testing::ElementsAreArray(reports[0].importance()));
}

TEST_F(InStepTest, CrossFitsOverConsecutiveStepsAndThePlanHoldsFromTheLastOn) {
  for (v1::Method method : {v1::METHOD_SELECTION, v1::METHOD_JOINT}) {
    UseMethod(method, 0.5);
    options.job = "";
    options.importance.metric = v1::IMPORTANCE_METRIC_CROSS_FITTED;
    options.importance.probe_batches = 2;
    auto session = NewSession();
    std::set<std::string> in_force;  // What the steps before a round's last train.
    for (const auto& [name, parameter] : parameters) in_force.insert(name);
    for (int round_index = 0; round_index < 2; ++round_index) {
      SCOPED_TRACE(round_index);
      ASSERT_TRUE(session->BeginRoundInStep().ok());
      std::vector<at::Tensor> updates;
      std::vector<double> expected;
      int64_t executed = 0, flops_in_force = 0;
      for (int step = 0; step < 2; ++step) {
        EXPECT_TRUE(session->is_measuring());
        const auto before = Weights();
        ASSERT_TRUE(session->BeginStep().ok());
        EXPECT_THAT(session->step_plan().dropped_blocks, IsEmpty());
        const at::Tensor value = Stack();
        const profiler::ExecutedFlopsCounter counter;
        ASSERT_TRUE(session->Backward(value).ok());
        executed = counter.backward_flops() - session->step_probe().sensitivity_flops;
        EXPECT_EQ(session->step_probe().sensitivity_flops > 0, step == 0 && method == v1::METHOD_JOINT);
        for (size_t i = 0; i < parameters.size(); ++i) {
          const at::Tensor& gradient = parameters[i].second.grad();
          ASSERT_TRUE(gradient.defined());
          if (step == 0) updates.push_back(optimizer->NextUpdate(parameters[i].second, gradient));
          if (step == 1) expected.push_back(-(gradient.to(at::kDouble) * updates[i]).sum().item<double>());
        }
        auto planned = session->PlanFromGradients();
        ASSERT_TRUE(planned.ok()) << planned.status();
        EXPECT_EQ(planned->has_value(), step == 1);
        EXPECT_FALSE(session->PlanFromGradients()->has_value()) << "once a step";
        const int64_t beyond = session->step_probe().backward_cost;
        if (step == 0) flops_in_force = executed - beyond;
        if (step == 1) EXPECT_EQ(executed - beyond, session->step_plan().predicted_backward_cost);
        ASSERT_TRUE(session->Step().ok());
        for (const auto& [name, parameter] : parameters) {
          const bool trains = step == 0
                                  ? in_force.contains(name)
                                  : std::count((*planned)->trainable.begin(), (*planned)->trainable.end(), name) == 1;
          EXPECT_EQ(at::equal(parameter, before.at(name)), !trains) << name << " in step " << step;
        }
      }
      EXPECT_EQ(flops_in_force, EvaluateMask(session->profile(), MaskOf(in_force)).backward_cost);
      if (round_index == 0) EXPECT_EQ(in_force.size(), parameters.size()) << "everything, before the first plan";
      if (round_index == 1 && method == v1::METHOD_SELECTION) EXPECT_LT(in_force.size(), parameters.size());
      EXPECT_FALSE(session->is_measuring());
      double sum = 0;
      for (double value : expected) sum += std::abs(value);
      for (size_t i = 0; i < parameters.size(); ++i) {
        EXPECT_NEAR(connection->last_report.importance(static_cast<int>(i)), expected[i], 1e-4 * sum) << i;
      }
      in_force.clear();
      for (const auto& [name, parameter] : parameters) {
        if (parameter.requires_grad()) in_force.insert(name);
      }
      for (int step = 0; step < 2; ++step) {
        RunStep(*session);
        EXPECT_EQ(session->step_probe().backward_cost, 0) << "it does not measure";
      }
      EXPECT_THAT(session->TakeNotices(), IsEmpty());
    }
    session.reset();
    for (auto& [name, parameter] : parameters) parameter.requires_grad_(true).mutable_grad().reset();
  }
}

TEST_F(InStepTest, RefusesAStepWithoutBackward) {
  UseMethod(v1::METHOD_SELECTION, 0.5);
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRoundInStep().ok());
  ASSERT_TRUE(session->BeginStep().ok());
  EXPECT_EQ(session->Step().status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace greenplan::trainer
