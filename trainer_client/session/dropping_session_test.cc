#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ATen/Context.h"
#include "ATen/TensorOperators.h"
#include "ATen/ops/equal.h"
#include "ATen/ops/matmul.h"
#include "ATen/ops/mm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profiler/autograd/executed_flops.h"
#include "torch/optim/adamw.h"
#include "torch/optim/sgd.h"
#include "trainer_client/session/testing/test_sessions.h"
#include "trainer_client/session/training_session.h"

namespace greenplan::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using DropTest = SessionOfBlocksTest;

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

// As of a bottleneck adapter within a branch.
TEST_F(DropTest, ABlockTakesTheBlockWithinItAlong) {
  const ResidualBranch outer("layer"), inner("layer.adapter");
  options.branches = {outer, inner};
  parameters.clear();
  for (const char* name : {"embedding", "layer.up", "layer.down", "layer.adapter.weight"}) {
    parameters.emplace_back(name, profiler::testing::Randn({8, 8}).requires_grad_(true));
  }
  UseMethod(v1::METHOD_DROP, 0.5);
  options.plan.clear_budget();
  options.plan.mutable_budget()->set_mean_drop_rate(0.5);
  options.plan.set_allocation(v1::ALLOCATION_UNIFORM);
  loss = [&](int) {
    const at::Tensor x = at::mm(input, parameters[0].second);
    return (x + outer([&] {
              const at::Tensor up = at::mm(x, parameters[1].second).tanh();
              return at::mm(up + inner([&] { return at::mm(up, parameters[3].second); }), parameters[2].second);
            }))
        .square()
        .mean();
  };
  auto session = NewSession();
  const auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  ASSERT_EQ(round->drop_rates.size(), 2u);
  std::set<std::vector<bool>> drops;
  for (int step = 0; step < 32; ++step) {
    ASSERT_TRUE(session->BeginStep().ok());
    drops.insert({outer.is_dropped(), inner.is_dropped()});
    const at::Tensor value = loss(0);
    const profiler::ExecutedFlopsCounter counter;
    ASSERT_TRUE(session->Backward(value).ok());
    EXPECT_EQ(counter.backward_flops(), session->step_plan().predicted_backward_cost);
    EXPECT_EQ(parameters[3].second.grad().defined(), !outer.is_dropped() && !inner.is_dropped());
    ASSERT_TRUE(session->Step().ok());
  }
  EXPECT_EQ(drops, (std::set<std::vector<bool>>{{false, true}, {true, false}}));
  EXPECT_THAT(session->TakeNotices(), IsEmpty());
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

}  // namespace
}  // namespace greenplan::trainer
