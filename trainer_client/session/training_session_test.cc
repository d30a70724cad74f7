#include "trainer_client/session/training_session.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "ATen/TensorOperators.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/equal.h"
#include "ATen/ops/matmul.h"
#include "ATen/ops/mm.h"
#include "ATen/ops/zeros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profiler/autograd/executed_flops.h"
#include "profiler/autograd/testing/test_device.h"
#include "torch/optim/sgd.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/optimizer/torch_optimizer.h"
#include "trainer_client/parallel/test_ranks.h"
#include "trainer_client/session/random_state.h"
#include "trainer_client/session/testing/fake_planner.h"
#include "trainer_client/session/testing/test_sessions.h"

namespace greenplan::trainer {
namespace {

using profiler::testing::Randn;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using TrainingSessionTest = SessionOfLayersTest;

TEST_F(TrainingSessionTest, TrainsWhatThePlanSaysAtThePredictedCost) {
  auto session = NewSession();
  for (int epoch = 0; epoch < 3; ++epoch) {
    auto round = session->BeginRound(loss);
    ASSERT_TRUE(round.ok()) << round.status();
    EXPECT_EQ(round->plan.round(), epoch);
    ASSERT_THAT(round->trainable, Not(IsEmpty()));
    EXPECT_LE(round->predicted_backward_cost, round->full_backward_cost / 2);

    ASSERT_TRUE(session->BeginStep().ok());
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
    session->EndStep();
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

// Otherwise ranks would go by gradients of their own, and steps would not count.
TEST_F(TrainingSessionTest, RefusesToStepOutsideOfAStep) {
  const std::unique_ptr<RankGroup> ranks = AmongEquals(/*rank=*/0, /*world_size=*/2);
  options.ranks = ranks.get();
  options.optimizer = optimizer.get();
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  ASSERT_TRUE(session->BeginStep().ok());
  ASSERT_TRUE(session->Backward(Forward(0)).ok());
  ASSERT_TRUE(session->BeginRound(loss).ok());  // Between micro-batches: it ends the step.
  const auto before = Weights();
  for (const absl::Status& status :
       {session->Backward(Forward(0)).status(), session->AverageGradients(), session->Step().status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr(" came outside of a step; call BeginStep()"));
  }
  for (const auto& [name, parameter] : parameters) EXPECT_TRUE(at::equal(parameter, before.at(name))) << name;
}

// As a GPU does that has no room for the moments of the tensors that thaw.
struct OptimizerWithoutRoom : AdamW {
  using AdamW::AdamW;
  void PlaceState(const std::vector<at::Tensor>& frozen, FrozenState policy) override {
    if (has_room) return AdamW::PlaceState(frozen, policy);
    TORCH_CHECK(false, "out of memory");
  }
  bool has_room = false;
};

TEST_F(TrainingSessionTest, ARoundThatCannotBeAppliedIsAnErrorAndChangesNothing) {
  OptimizerWithoutRoom without_room(parameters, AdamWOptions{});
  options.optimizer = &without_room;
  auto session = NewSession();
  const absl::Status refused = session->BeginRound(loss).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("out of memory"));
  EXPECT_THAT(GetTrainable(parameters), ::testing::Each(true));
  EXPECT_FALSE(session->plan().has_value());
  without_room.has_room = true;
  EXPECT_TRUE(session->BeginRound(loss).ok());
  EXPECT_THAT(GetTrainable(parameters), ::testing::Contains(false));
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
  ASSERT_TRUE(session->BeginStep().ok());
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
  ASSERT_TRUE(session->BeginStep().ok());
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

TEST(TrainingSessionOnRanksTest, RanksWithoutAJobShareTheOneThatRankZeroNames) {
  std::vector<std::string> jobs(2);  // By rank.
  OnRanks(2, [&](RankGroup& ranks) {
    const NamedParameters parameters = {{"a", at::zeros({2}).requires_grad_(true)}};
    const auto session =
        TrainingSession::Create(std::make_shared<FakePlanner>(), {.job = "", .ranks = &ranks}, parameters);
    ASSERT_TRUE(session.ok()) << session.status();
    jobs[ranks.rank()] = (*session)->job();
  });
  EXPECT_NE(jobs[0], "");
  EXPECT_EQ(jobs[1], jobs[0]);
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
  {
    SessionOptions without_batch = options;
    without_batch.importance.probe_batches = 0;
    const absl::Status status = TrainingSession::Create(connection, without_batch, parameters).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("importance.probe_batches is 0; it must be >= 1"));
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

TEST_F(TrainingSessionTest, NoticesThatSomeoneElseFrozeATensorAsThatTheyThawedOne) {
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  for (bool trains : {true, false}) {
    const auto found = std::find_if(parameters.begin(), parameters.end(),
                                    [&](const auto& entry) { return entry.second.requires_grad() == trains; });
    ASSERT_NE(found, parameters.end());
    found->second.requires_grad_(!trains);
    ASSERT_TRUE(session->BeginStep().ok());
    EXPECT_THAT(session->TakeNotices(), ElementsAre(HasSubstr("requires_grad of " + found->first + " was changed")));
    EXPECT_EQ(found->second.requires_grad(), trains);
    session->EndStep();
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

}  // namespace
}  // namespace greenplan::trainer
