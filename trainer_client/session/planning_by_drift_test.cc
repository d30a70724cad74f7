// When a TrainingSession says that a round is due, with a planner that answers what the test says.
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ATen/TensorOperators.h"
#include "ATen/ops/mm.h"
#include "ATen/ops/randn.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/parallel/test_ranks.h"
#include "trainer_client/session/testing/fake_planner.h"
#include "trainer_client/session/training_session.h"

namespace greenplan::trainer {
namespace {

// Four layers; a probe is a forward and a full backward pass.
struct PlanningByDriftTest : ::testing::Test {
  PlanningByDriftTest() {
    at::manual_seed(3);
    for (int layer = 0; layer < 4; ++layer) {
      parameters.emplace_back("layers." + std::to_string(layer), at::randn({8, 8}).requires_grad_(true));
    }
    for (int batch = 0; batch < 4; ++batch) inputs.push_back(at::randn({4, 8}));
    optimizer = std::make_unique<AdamW>(parameters, AdamWOptions{.learning_rate = 1e-2});
    options.optimizer = optimizer.get();
    options.plan.set_method(v1::METHOD_SELECTION);
    options.plan.mutable_budget()->set_fraction_of_backward(0.5);
  }

  at::Tensor Loss(int batch) const {
    at::Tensor x = inputs[batch];
    for (const auto& [name, weight] : parameters) x = at::mm(x, weight).tanh();
    return (x * x).mean();
  }

  std::unique_ptr<TrainingSession> NewSession() const {
    auto session = TrainingSession::Create(planner, options, parameters);
    EXPECT_TRUE(session.ok()) << session.status();
    return *std::move(session);
  }

  void RunStep(TrainingSession& session) const {
    ASSERT_TRUE(session.BeginStep().ok());
    ASSERT_TRUE(session.Backward(Loss(0)).ok());
    ASSERT_TRUE(session.Step().ok());
  }

  // Runs steps until a round is due, `most` at most, and returns their number.
  int StepsUntilDue(TrainingSession& session, int most = 1000) const {
    int steps = 0;
    for (; !session.IsRoundDue() && steps < most; ++steps) RunStep(session);
    return steps;
  }

  // In steps under the last round's plan.
  static double Price(const TrainingSession& session, const Round& round, int probe_batches = 1) {
    const double forward = static_cast<double>(session.profile().forward_cost);
    return probe_batches * (forward + static_cast<double>(round.full_backward_cost)) /
           (forward + static_cast<double>(round.predicted_backward_cost));
  }

  double Importance(const std::set<std::string>& names) const {
    double sum = 0;
    for (size_t i = 0; i < parameters.size(); ++i) {
      if (names.contains(parameters[i].first)) sum += planner->reports.back().importance(static_cast<int>(i));
    }
    return sum;
  }

  std::shared_ptr<FakePlanner> planner = std::make_shared<FakePlanner>();
  NamedParameters parameters;
  std::vector<at::Tensor> inputs;
  std::unique_ptr<AdamW> optimizer;
  SessionOptions options;
  LossFunction loss = [this](int batch) { return Loss(batch); };
};

TEST_F(PlanningByDriftTest, MeasuresWhatThePlanInForceMissesAndPlansAgainWhenThatRepaysTheProbe) {
  auto session = NewSession();
  EXPECT_TRUE(session->IsRoundDue());
  planner->trainable = {"layers.3", "layers.2"};
  auto first = session->BeginRound(loss);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->drift.has_value());
  const int first_interval = StepsUntilDue(*session);
  EXPECT_EQ(first_interval, std::ceil(10 * Price(*session, *first)));

  planner->trainable = {"layers.3", "layers.1"};
  auto second = session->BeginRound(loss);
  ASSERT_TRUE(second.ok()) << second.status();
  const double missed = Importance({"layers.1"}) - Importance({"layers.2"});
  ASSERT_GT(std::abs(missed), 0);
  ASSERT_TRUE(second->drift.has_value());
  EXPECT_NEAR(*second->drift, std::max(0.0, missed / Importance({"layers.1", "layers.3"})), 1e-9);

  DriftSchedule expected;
  expected.AddRound(0, Price(*session, *first), std::nullopt);
  expected.AddRound(first_interval, Price(*session, *second), second->drift);
  EXPECT_EQ(StepsUntilDue(*session), expected.state().next_round_step - first_interval);
}

TEST_F(PlanningByDriftTest, APlanThatStaysTheBestIsPlannedAnewHalfAsOften) {
  planner->trainable = {"layers.3"};
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  const int interval = StepsUntilDue(*session);
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok());
  EXPECT_EQ(round->drift, 0.0);
  EXPECT_EQ(StepsUntilDue(*session), 2 * interval);
}

TEST_F(PlanningByDriftTest, DriftWithinItsStandardErrorIsNone) {
  for (int probe_batches : {1, 4}) {
    options.importance.probe_batches = probe_batches;
    auto session = NewSession();
    planner->trainable = {"layers.0"};
    ASSERT_TRUE(session->BeginRound(loss).ok());
    planner->trainable.reset();  // Everything: more than layers.0 alone.
    auto round = session->BeginRound(loss);
    ASSERT_TRUE(round.ok()) << round.status();
    const double missed = Importance({"layers.1", "layers.2", "layers.3"});
    const double value = Importance({"layers.0", "layers.1", "layers.2", "layers.3"});
    double variance = 0;
    for (int tensor = 1; tensor < 4 && probe_batches > 1; ++tensor) {
      variance += std::pow(planner->reports.back().standard_error(tensor), 2);
    }
    EXPECT_EQ(variance > 0, probe_batches > 1);
    EXPECT_NEAR(round->drift.value(), std::max(0.0, (missed - std::sqrt(variance)) / value), 1e-9);
  }
}

TEST_F(PlanningByDriftTest, AProbeInTheStepIsCheaperAndSoMayComeMoreOften) {
  auto separate = NewSession(), in_step = NewSession();
  planner->trainable = {"layers.3", "layers.2"};
  ASSERT_TRUE(separate->BeginRound(loss).ok());
  const int separate_interval = StepsUntilDue(*separate);
  separate.reset();
  for (auto& [name, parameter] : parameters) parameter.requires_grad_(true);
  ASSERT_TRUE(in_step->BeginRoundInStep().ok());
  ASSERT_TRUE(in_step->BeginStep().ok());
  ASSERT_TRUE(in_step->Backward(Loss(0)).ok());
  auto round = in_step->Step();
  ASSERT_TRUE(round.ok() && round->has_value()) << round.status();
  const int interval = 1 + StepsUntilDue(*in_step);
  EXPECT_EQ(interval,
            std::ceil(10.0 * static_cast<double>((*round)->probe_backward_cost) /
                      static_cast<double>(in_step->profile().forward_cost + (*round)->predicted_backward_cost)));
  EXPECT_LT(interval, separate_interval);
}

TEST_F(PlanningByDriftTest, APlannerThatIsAwayIsTriedAgainAndItsOldPlanCountsAsNoDrift) {
  planner->trainable = {"layers.3"};
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  const int interval = StepsUntilDue(*session);
  for (int step = 0; step < 100; ++step) RunStep(*session);
  planner->is_away = true;
  auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_FALSE(round->drift.has_value());
  EXPECT_EQ(StepsUntilDue(*session), interval);
}

TEST_F(PlanningByDriftTest, ARoundInWhichThePlannerIsNotAskedIsFollowedByTheSameInterval) {
  planner->trainable = {"layers.3"};
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  const int interval = StepsUntilDue(*session);
  planner->is_away = true;
  std::vector<bool> measured;
  for (int i = 0; i < 3; ++i) {  // After two failures it is not asked once.
    auto round = session->BeginRound(loss);
    ASSERT_TRUE(round.ok()) << round.status();
    measured.push_back(round->is_measured);
    EXPECT_EQ(StepsUntilDue(*session), interval) << i;
  }
  EXPECT_THAT(measured, ::testing::ElementsAre(true, true, false));
}

TEST_F(PlanningByDriftTest, APriceIsInStepsOfAllTheirMicroBatches) {
  options.micro_batches = 4;
  planner->trainable = {"layers.3", "layers.2"};
  auto separate = NewSession();
  auto round = separate->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_EQ(StepsUntilDue(*separate), std::ceil(10 * Price(*separate, *round) / 4)) << "a probe is one batch";
  separate.reset();

  auto in_step = NewSession();
  ASSERT_TRUE(in_step->BeginRoundInStep().ok());
  ASSERT_TRUE(in_step->BeginStep().ok());
  for (int micro_batch = 0; micro_batch < 4; ++micro_batch) ASSERT_TRUE(in_step->Backward(Loss(micro_batch) / 4).ok());
  auto planned = in_step->Step();
  ASSERT_TRUE(planned.ok() && planned->has_value()) << planned.status();
  EXPECT_EQ(1 + StepsUntilDue(*in_step),
            std::ceil(10.0 * static_cast<double>((*planned)->probe_backward_cost) /
                      static_cast<double>(in_step->profile().forward_cost + (*planned)->predicted_backward_cost)))
      << "a probe is every micro-batch of a step";
}

// Their batches differ in length, and so do the prices of their probes.
TEST(PlanningByDriftOnRanksTest, AllRanksGoByThePriceAndTheDriftOfRankZero) {
  std::vector<std::vector<int64_t>> due(2);  // By rank.
  OnRanks(2, [&](RankGroup& ranks) {
    NamedParameters parameters;
    for (const char* name : {"a", "b"}) parameters.emplace_back(name, at::randn({8, 8}).requires_grad_(true));
    AdamW optimizer(parameters, AdamWOptions{});
    SessionOptions options{.job = "same", .optimizer = &optimizer, .ranks = &ranks};
    options.plan.set_method(v1::METHOD_SELECTION);
    options.plan.mutable_budget()->set_fraction_of_backward(0.5);
    const auto planner = std::make_shared<FakePlanner>();
    auto session = TrainingSession::Create(planner, options, parameters);
    ASSERT_TRUE(session.ok()) << session.status();
    int64_t rows = 4;
    const LossFunction loss = [&](int) {
      return at::mm(at::mm(at::ones({rows, 8}), parameters[0].second), parameters[1].second).square().mean();
    };
    ASSERT_TRUE((*session)->CreateJob(loss).ok());
    for (const char* trainable : {"a", "b"}) {
      planner->trainable = {trainable};
      rows = 4 + 40 * ranks.rank();
      const auto round = (*session)->BeginRound(loss);
      ASSERT_TRUE(round.ok()) << round.status();
      due[ranks.rank()].push_back((*session)->state().drift.next_round_step);
    }
  });
  EXPECT_THAT(due[0], ::testing::SizeIs(2));
  EXPECT_EQ(due[1], due[0]);
}

TEST_F(PlanningByDriftTest, AResumedRunPlansWhenTheOneThatDidNotStopDoes) {
  planner->trainable = {"layers.3"};
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRound(loss).ok());
  for (int step = 0; step < 3; ++step) RunStep(*session);
  const SessionState state = session->state();
  const int expected = StepsUntilDue(*session);
  session.reset();
  auto resumed = NewSession();
  ASSERT_TRUE(resumed->Continue(loss, state).ok());
  EXPECT_EQ(StepsUntilDue(*resumed), expected);
}

}  // namespace
}  // namespace greenplan::trainer
