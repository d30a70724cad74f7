#include "trainer_client/finetune/epoch_trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ATen/Context.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/equal.h"
#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "trainer_client/finetune/test_inputs.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/parallel/test_ranks.h"
#include "trainer_client/session/testing/fake_planner.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kSeqLen = 8;

Dataset MakeData(int64_t rows) {
  Dataset data{kSeqLen, {}, {}};
  for (int64_t i = 0; i < rows * kSeqLen; ++i) data.input_ids.push_back((i * 7 + i / kSeqLen) % 32);
  data.labels = data.input_ids;
  for (int64_t row = 0; row < rows; ++row) data.labels[row * kSeqLen] = kIgnoredLabel;
  return data;
}

// A LLaMA of two layers, ten rows, batches of four: two steps an epoch.
struct EpochTrainerTest : ::testing::Test {
  EpochTrainerTest() {
    at::manual_seed(1);
    model = *CreateCausalLm(kLlama, Attention::kSdpa);
    std::iota(rows.begin(), rows.end(), 0);
    machine.powercap_root = "/no/such/folder";  // Energy is an estimate, a second a sample.
    machine.nvml_library = "/no/such/library";
    machine.now = [this] { return now += std::chrono::seconds(1); };
    plan_options.set_method(v1::METHOD_SELECTION);
    plan_options.mutable_budget()->set_fraction_of_backward(0.5);
  }

  EpochTrainer Make() {
    session.reset();  // Thaws what the last plan has frozen.
    optimizer = std::make_unique<AdamW>(model->named_parameters().pairs(), AdamWOptions{});
    session =
        *TrainingSession::Create(connection,
                                 {.job = "",
                                  .model = "llama",
                                  .plan = plan_options,
                                  .optimizer = optimizer.get(),
                                  .importance = {.metric = metric, .probe_batches = static_cast<int>(probe_batches)},
                                  .branches = model->residual_branches(),
                                  .draw_per = draw_per},
                                 model->named_parameters().pairs());
    meter = *profiler::EnergyMeter::Create(10, machine);
    return EpochTrainer(
        {.model = *model,
         .optimizer = *optimizer,
         .session = *session,
         .energy_meter = *meter,
         .progress = progress,
         .time_profile = time_profile,
         .data = data,
         .rows = rows,
         .batch_size = batch_size,
         .grad_accum = grad_accum,
         .clip_norm = clip_norm,
         .schedule = {.peak = learning_rate, .warmup_steps = 0, .total_steps = 20},
         .plan_every = plan_every,
         .plans_by_drift = plans_by_drift,
         .probe = probe,
         .probe_batches = probe_batches,
         .probe_steps = probe_steps,
         .measures_importance = plan_options.method() != v1::METHOD_FULL && plan_options.method() != v1::METHOD_DROP,
         .uniform_steps = uniform_steps,
         .warmup_rounds = warmup_rounds,
         .autocast = autocast,
         .checkpoint_every = checkpoint_every,
         .ranks = ranks.get()},
        {.save =
             [this](const PartialEpoch& epoch) {
               saved.push_back(epoch);
               return absl::OkStatus();
             },
         .goes_on = goes_on,
         .step =
             [this](int64_t epoch, int64_t done, int64_t steps, double) {
               seen_steps.push_back({epoch, done, steps});
             },
         .remark = [this](const std::string& text) { remarks.push_back(text); }});
  }

  // The norm of the optimizer's running mean of all gradients together: after one step, a tenth of the gradients'.
  double MomentumNorm() const {
    double squares = 0;
    for (const auto& [name, tensor] : optimizer->state()) {
      if (absl::EndsWith(name, ".exp_avg")) squares += tensor.square().sum().item<double>();
    }
    return std::sqrt(squares);
  }

  std::shared_ptr<Connection> connection = *Connect({});
  std::shared_ptr<CausalLm> model;
  Dataset data = MakeData(10);
  std::vector<int64_t> rows = std::vector<int64_t>(10);
  v1::PlanOptions plan_options;
  int64_t plan_every = 0;
  bool plans_by_drift = false;
  int64_t batch_size = 4;
  int64_t grad_accum = 1;
  double clip_norm = 0;
  double learning_rate = 1e-2;
  v1::ImportanceMetric metric = v1::IMPORTANCE_METRIC_GRADIENT_TIMES_UPDATE;
  int64_t probe_batches = 1;
  DrawPer draw_per = DrawPer::kStep;
  Probe probe = Probe::kSeparate;
  int64_t probe_steps = 1;
  int64_t uniform_steps = 0;
  int64_t warmup_rounds = 0;
  std::optional<at::ScalarType> autocast;
  int64_t checkpoint_every = 0;
  std::unique_ptr<RankGroup> ranks;
  std::function<bool(int64_t)> goes_on;
  std::vector<PartialEpoch> saved;
  std::optional<ModelProfile> time_profile;
  profiler::MachineEnergy machine;
  std::chrono::steady_clock::time_point now{};
  TrainingProgress progress;
  std::unique_ptr<AdamW> optimizer;
  std::unique_ptr<TrainingSession> session;
  std::unique_ptr<profiler::EnergyMeter> meter;
  std::vector<std::vector<int64_t>> seen_steps;
  std::vector<std::string> remarks;
};

TEST_F(EpochTrainerTest, DropsTheLastPartialBatch) {
  EXPECT_EQ(EpochTrainer::StepsPerEpoch(10, 4), 2);
  EXPECT_EQ(EpochTrainer::StepsPerEpoch(3, 4), 0);
  EpochTrainer trainer = Make();
  ASSERT_TRUE(trainer.TrainEpoch(1).ok());
  EXPECT_THAT(seen_steps, ElementsAre(ElementsAre(1, 1, 2), ElementsAre(1, 2, 2)));
  EXPECT_EQ(progress.step_losses.size(), 2u);
}

TEST_F(EpochTrainerTest, ReportsWhatWasPlannedAndWhatWasExecuted) {
  EpochTrainer trainer = Make();
  const auto report = trainer.TrainEpoch(1);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->epoch, 1);
  EXPECT_EQ(report->executed_backward_flops.steps, 2);
  EXPECT_EQ(report->executed_backward_flops.sum, report->predicted_backward_flops.sum);
  EXPECT_GT(report->executed_backward_flops.sum, 0);
  EXPECT_LE(report->executed_backward_flops.sum, report->full_backward_flops);  // Two steps at half of it.
  ASSERT_EQ(report->rounds.size(), 1u);
  EXPECT_EQ(report->rounds[0].trainable, report->trainable);
  EXPECT_EQ(report->rounds[0].status, "OPTIMAL");
  EXPECT_EQ(report->rounds[0].predicted_backward_flops * 2, report->predicted_backward_flops.sum);
  EXPECT_DOUBLE_EQ(*report->train_loss, (progress.step_losses[0] + progress.step_losses[1]) / 2);
  EXPECT_FALSE(report->predicted_backward_seconds.has_value());
  EXPECT_GT(progress.probe_flops, 0);
  EXPECT_GT(progress.executed_flops, progress.probe_flops + report->executed_backward_flops.sum) << "forward counts";
}

TEST_F(EpochTrainerTest, CountsTheEnergyOfStepsAndRounds) {
  EpochTrainer trainer = Make();
  const auto report = trainer.TrainEpoch(1);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->joules_per_step, 10);
  EXPECT_TRUE(report->energy_is_estimate);
  EXPECT_EQ(progress.energy.joules, 30) << "two steps and a round, a second each at 10 W";
  now += std::chrono::seconds(100);  // As for validation and a checkpoint.
  const auto second = trainer.TrainEpoch(2);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->joules_per_step, 10);
  EXPECT_EQ(progress.energy.joules, 60) << "what comes between epochs is none of theirs";
}

TEST_F(EpochTrainerTest, PlansEveryNStepsAcrossEpochs) {
  plan_every = 3;
  EpochTrainer trainer = Make();
  std::vector<int64_t> planned_at;
  for (int64_t epoch = 1; epoch <= 3; ++epoch) {
    const auto report = trainer.TrainEpoch(epoch);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_FALSE(report->trainable.empty()) << "the plan in force holds in an epoch without a round too";
    for (const RoundReport& round : report->rounds) planned_at.push_back(round.step);
  }
  EXPECT_THAT(planned_at, ElementsAre(0, 3));
}

TEST_F(EpochTrainerTest, AProbeThatReachesBehindTheEpochMeasuresItsFirstBatches) {
  batch_size = 5;  // Two steps, and no row beside theirs.
  plan_every = 1;
  probe_batches = 2;
  EpochTrainer trainer = Make();
  const auto report = trainer.TrainEpoch(1);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rounds.size(), 2u);
  EXPECT_TRUE(std::isfinite(report->rounds[1].promised_loss_reduction.value()));
  EXPECT_TRUE(std::isfinite(report->rounds[1].realised_loss_reduction.value()));
}

TEST_F(EpochTrainerTest, TellsThePlannerOfHowManyRowsImportanceIs) {
  for (Probe each : {Probe::kSeparate, Probe::kInStep}) {
    const auto planner = std::make_shared<FakePlanner>();
    connection = planner;
    probe = each;
    probe_batches = each == Probe::kSeparate ? 3 : 1;
    grad_accum = each == Probe::kSeparate ? 1 : 3;
    batch_size = 2;
    EpochTrainer trainer = Make();
    ASSERT_TRUE(trainer.TrainEpoch(1).ok());
    ASSERT_EQ(planner->reports.size(), 1u);
    EXPECT_EQ(planner->reports[0].sample_count(), 3 * batch_size);
  }
}

TEST_F(EpochTrainerTest, PlansWhenTheSessionSaysThatDriftRepaysIt) {
  plans_by_drift = true;
  EpochTrainer trainer = Make();
  std::vector<RoundReport> rounds;
  int64_t due = 0;
  for (int64_t epoch = 1; epoch <= 20; ++epoch) {
    const auto report = trainer.TrainEpoch(epoch);
    ASSERT_TRUE(report.ok()) << report.status();
    for (const RoundReport& round : report->rounds) {
      EXPECT_EQ(round.step, due);
      rounds.push_back(round);
    }
    due = session->state().drift.next_round_step;
  }
  ASSERT_GE(rounds.size(), 2u);
  EXPECT_FALSE(rounds[0].drift.has_value());
  EXPECT_TRUE(rounds[1].drift.has_value());
}

TEST_F(EpochTrainerTest, TheSameSeedTrainsTheSame) {
  EpochTrainer first = Make();
  ASSERT_TRUE(first.TrainEpoch(1).ok());
  const std::vector<double> losses = progress.step_losses;
  progress = {};
  at::manual_seed(1);
  model = *CreateCausalLm(kLlama, Attention::kSdpa);
  EpochTrainer second = Make();
  ASSERT_TRUE(second.TrainEpoch(1).ok());
  EXPECT_EQ(progress.step_losses, losses);
}

TEST_F(EpochTrainerTest, ExecutesWhatEachStepsDrawPredicts) {
  batch_size = 1;  // Ten steps.
  for (v1::Method method : {v1::METHOD_DROP, v1::METHOD_JOINT}) {
    plan_options.set_method(method);
    for (DrawPer each : {DrawPer::kStep, DrawPer::kMicroBatch}) {
      draw_per = each;
      grad_accum = each == DrawPer::kStep ? 1 : 2;
      progress = {};
      EpochTrainer trainer = Make();
      const auto report = trainer.TrainEpoch(1);
      ASSERT_TRUE(report.ok()) << report.status();
      EXPECT_EQ(report->mismatched_steps, 0);
      EXPECT_EQ(report->executed_backward_flops.sum, report->predicted_backward_flops.sum);
      EXPECT_GT(report->executed_backward_flops.sum, 0);
      EXPECT_EQ(report->drop_rates.size(), 4u);
      EXPECT_EQ(report->drop_rates, report->rounds[0].drop_rates);
      EXPECT_THAT(remarks, IsEmpty());
    }
  }
}

TEST_F(EpochTrainerTest, AccumulationAveragesMicroBatches) {
  plan_options.Clear();
  plan_options.set_method(v1::METHOD_FULL);
  EpochTrainer whole = Make();
  ASSERT_TRUE(whole.TrainEpoch(1).ok());
  const std::vector<double> losses = progress.step_losses;
  const double momentum = MomentumNorm();
  progress = {};
  at::manual_seed(1);
  model = *CreateCausalLm(kLlama, Attention::kSdpa);
  batch_size = 2;
  grad_accum = 2;
  EpochTrainer accumulated = Make();
  const auto report = accumulated.TrainEpoch(1);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(progress.step_losses.size(), losses.size());
  for (size_t step = 0; step < losses.size(); ++step) EXPECT_NEAR(progress.step_losses[step], losses[step], 1e-4);
  EXPECT_NEAR(MomentumNorm(), momentum, 0.05 * momentum) << "a mean, not a sum, which AdamW's steps would not show";
  EXPECT_EQ(report->executed_backward_flops.mean(), static_cast<double>(report->full_backward_flops));
  EXPECT_EQ(report->mismatched_steps, 0);
}

TEST_F(EpochTrainerTest, ClipsTheNormOfAllGradientsTogether) {
  plan_options.Clear();
  plan_options.set_method(v1::METHOD_FULL);
  clip_norm = 1e-12;  // Far below AdamW's epsilon: the weights then hardly move.
  EpochTrainer trainer = Make();
  std::vector<at::Tensor> before;
  for (const at::Tensor& parameter : model->parameters()) before.push_back(parameter.detach().clone());
  ASSERT_TRUE(trainer.TrainEpoch(1).ok());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_LT((model->parameters()[i] - before[i]).abs().max().item<double>(), 1e-4);
  }
}

TEST_F(EpochTrainerTest, ClippedGradientsTogetherHaveTheNormThatIsAskedFor) {
  plan_options.Clear();
  plan_options.set_method(v1::METHOD_FULL);
  clip_norm = 1e-3;
  goes_on = [](int64_t) { return false; };
  EpochTrainer trainer = Make();
  ASSERT_EQ(trainer.TrainEpoch(1).status().code(), absl::StatusCode::kCancelled);
  EXPECT_NEAR(MomentumNorm(), 0.1 * clip_norm, 1e-3 * clip_norm);
}

TEST_F(EpochTrainerTest, AnInStepProbeMeasuresGradientsBeforeTheyAreClipped) {
  probe = Probe::kInStep;
  std::vector<double> values;
  for (double norm : {0.0, 1e-3}) {
    clip_norm = norm;
    progress = {};
    at::manual_seed(1);
    model = *CreateCausalLm(kLlama, Attention::kSdpa);
    EpochTrainer trainer = Make();
    const auto report = trainer.TrainEpoch(1);
    ASSERT_TRUE(report.ok()) << report.status();
    values.push_back(report->rounds[0].value);
  }
  EXPECT_GT(values[0], 0);
  EXPECT_EQ(values[1], values[0]);
}

// The loss of each step over rows that are all the same, with weights that never move: dropout alone tells them apart.
TEST_F(EpochTrainerTest, RanksBesidesTheFirstDrawDropoutAnewInEachStepWhateverWasDrawnBefore) {
  model = *CreateCausalLm(kOpt, Attention::kSdpa);  // Has dropout.
  plan_options.Clear();
  plan_options.set_method(v1::METHOD_FULL);
  learning_rate = 0;
  batch_size = 1;  // Three steps of three ranks.
  for (size_t i = kSeqLen; i < data.input_ids.size(); ++i) {
    data.input_ids[i] = data.input_ids[i - kSeqLen];
    data.labels[i] = data.labels[i - kSeqLen];
  }
  const auto losses_of = [&](int rank, uint64_t seed_before) {
    ranks = AmongEquals(rank, /*world_size=*/3);
    progress = {};
    at::manual_seed(seed_before);
    EpochTrainer trainer = Make();
    EXPECT_TRUE(trainer.TrainEpoch(1).ok());
    return progress.step_losses;
  };
  const std::vector<double> first = losses_of(1, 5), second = losses_of(2, 5);
  EXPECT_EQ(std::set<double>(first.begin(), first.end()).size(), 3u) << "steps differ";
  EXPECT_NE(first, second) << "ranks differ";
  EXPECT_EQ(losses_of(1, 6), first) << "so that a run may go on at any step";
}

TEST_F(EpochTrainerTest, AnInStepProbeCostsTheBackwardThatThePlanSkipsAndReportsItApart) {
  probe = Probe::kInStep;
  for (int64_t micro_batches : {1, 2}) {
    grad_accum = micro_batches;
    batch_size = 4 / micro_batches;
    progress = {};
    EpochTrainer trainer = Make();
    // Otherwise the first step's graph is profiled, and its cost is known only afterwards.
    ASSERT_TRUE(session->CreateJob(trainer.FirstLoss()).ok());
    const auto report = trainer.TrainEpoch(1);
    ASSERT_TRUE(report.ok()) << report.status();
    ASSERT_EQ(report->rounds.size(), 1u);
    EXPECT_EQ(report->rounds[0].step, 0);
    EXPECT_EQ(report->mismatched_steps, 0);
    EXPECT_EQ(report->executed_backward_flops.sum, 2 * report->rounds[0].predicted_backward_flops);
    EXPECT_GE(progress.probe_flops, report->full_backward_flops - report->rounds[0].predicted_backward_flops);
  }
}

TEST_F(EpochTrainerTest, CountsTheSensitivityOfAnInStepProbeAsTheProbes) {
  probe = Probe::kInStep;
  plan_options.set_method(v1::METHOD_JOINT);
  EpochTrainer trainer = Make();
  ASSERT_TRUE(session->CreateJob(trainer.FirstLoss()).ok());
  const auto report = trainer.TrainEpoch(1);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->mismatched_steps, 0);
  EXPECT_EQ(report->executed_backward_flops.sum, report->predicted_backward_flops.sum);
  EXPECT_GT(progress.probe_flops, report->full_backward_flops);
}

TEST_F(EpochTrainerTest, HoldsARoundToItsPromise) {
  for (Probe each : {Probe::kSeparate, Probe::kInStep}) {
    probe = each;
    EpochTrainer trainer = Make();
    const auto report = trainer.TrainEpoch(1);
    ASSERT_TRUE(report.ok()) << report.status();
    const RoundReport& round = report->rounds[0];
    ASSERT_TRUE(round.promised_loss_reduction.has_value() && round.realised_loss_reduction.has_value());
    EXPECT_DOUBLE_EQ(*round.promised_loss_reduction, round.value);
    EXPECT_GT(*round.realised_loss_reduction, 0) << "the step helps on its own batch";
    EXPECT_LT(*round.realised_loss_reduction, 2 * *round.promised_loss_reduction);
  }
}

TEST_F(EpochTrainerTest, AStepThatMovesNothingRealisesNothingUnderTheSameDropout) {
  model = *CreateCausalLm(kOpt, Attention::kSdpa);
  learning_rate = 0;
  batch_size = 2;  // Five batches.
  plan_every = 1;
  const struct {
    Probe probe;
    int64_t batches, micro_batches;
  } cases[] = {{Probe::kSeparate, 1, 1}, {Probe::kSeparate, 3, 1}, {Probe::kInStep, 1, 1}, {Probe::kInStep, 1, 2}};
  for (const auto& [each, batches, micro_batches] : cases) {
    SCOPED_TRACE(testing::Message() << batches << " batches, steps of " << micro_batches);
    probe = each;
    probe_batches = batches;
    grad_accum = micro_batches;
    progress = {};
    EpochTrainer trainer = Make();
    const auto report = trainer.TrainEpoch(1);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->rounds.size(), static_cast<size_t>(5 / micro_batches));
    for (const RoundReport& round : report->rounds) {
      ASSERT_TRUE(round.realised_loss_reduction.has_value());
      EXPECT_NEAR(*round.realised_loss_reduction, 0, 1e-5) << "at step " << round.step;
    }
  }
}

TEST_F(EpochTrainerTest, ARoundInWhichThePlannerIsNotAskedMeasuresAndPromisesNothing) {
  for (Probe each : {Probe::kSeparate, Probe::kInStep}) {
    const auto planner = std::make_shared<FakePlanner>();
    connection = planner;
    probe = each;
    progress = {};
    EpochTrainer trainer = Make();
    planner->trainable = {"lm_head.weight"};
    std::vector<size_t> promises;
    for (int64_t epoch = 1; epoch <= 4; ++epoch) {
      planner->is_away = epoch > 1;  // Asked in epochs 2 and 3, and then left alone for a round.
      const int64_t flops_before = progress.probe_flops;
      const auto report = trainer.TrainEpoch(epoch);
      ASSERT_TRUE(report.ok()) << report.status();
      promises.push_back(std::count_if(report->rounds.begin(), report->rounds.end(),
                                       [](const auto& round) { return round.promised_loss_reduction.has_value(); }));
      EXPECT_EQ(progress.probe_flops > flops_before, epoch < 4) << epoch;
      EXPECT_THAT(report->trainable, ElementsAre("lm_head.weight")) << epoch;
    }
    EXPECT_THAT(promises, ElementsAre(1, 1, 1, 0));
  }
}

TEST_F(EpochTrainerTest, TellsThePlannerWhatCameOfEachPlan) {
  for (Probe each : {Probe::kSeparate, Probe::kInStep}) {
    const auto planner = std::make_shared<FakePlanner>();
    planner->trainable = {"lm_head.weight", "model.norm.weight"};
    connection = planner;
    probe = each;
    progress = {};
    EpochTrainer trainer = Make();  // Twenty steps in all, two an epoch, a round each.
    ASSERT_TRUE(session->CreateJob(trainer.FirstLoss()).ok());
    std::vector<EpochReport> epochs;
    for (int64_t epoch = 1; epoch <= 10; ++epoch) {
      planner->is_away = epoch == 3;  // The plan of epoch 2 stays in force.
      const auto report = trainer.TrainEpoch(epoch);
      ASSERT_TRUE(report.ok()) << report.status();
      epochs.push_back(*report);
      if (epoch == 2) EXPECT_EQ(session->state().outcomes.size(), 1u) << "the plan in force has no outcome yet";
    }
    EXPECT_THAT(planner->outcomes, IsEmpty()) << "sent when the run says so";
    session->SendOutcomes();
    ASSERT_EQ(planner->outcomes.size(), planner->reports.size()) << "one for each plan";
    for (size_t i = 0, epoch = 0; i < planner->outcomes.size(); ++i, ++epoch) {
      const v1::Outcome& outcome = planner->outcomes[i];
      EXPECT_EQ(outcome.round(), static_cast<int64_t>(i));
      const RoundReport& round = epochs[epoch].rounds[0];
      EXPECT_EQ(outcome.promised_loss_reduction(), *round.promised_loss_reduction);
      EXPECT_EQ(outcome.realised_loss_reduction(), *round.realised_loss_reduction);
      EXPECT_EQ(outcome.mismatched_steps(), 0);
      EXPECT_EQ(outcome.energy_joules(), 10);
      EXPECT_EQ(outcome.executed_backward_flops(), round.predicted_backward_flops);
      if (i == 1) {
        EXPECT_EQ(outcome.step_count(), 4);
        EXPECT_DOUBLE_EQ(outcome.train_loss(), (*epochs[1].train_loss + *epochs[2].train_loss) / 2);
        ++epoch;
        continue;
      }
      EXPECT_EQ(outcome.step_count(), 2);
      EXPECT_DOUBLE_EQ(outcome.train_loss(), *epochs[epoch].train_loss);
      EXPECT_DOUBLE_EQ(outcome.step_seconds(), epochs[epoch].step_seconds);
      EXPECT_EQ(outcome.peak_memory_bytes(), epochs[epoch].peak_memory_bytes);
    }
  }
}

TEST_F(EpochTrainerTest, TheOutcomeOfARoundThatEndsWithinAnEpochHasThePeakMemoryOfItsSteps) {
  plan_every = 1;
  EpochTrainer trainer = Make();
  ASSERT_TRUE(trainer.TrainEpoch(1).ok());
  const std::vector<v1::Outcome> outcomes = session->state().outcomes;
  ASSERT_EQ(outcomes.size(), 1u) << "the second round's plan is in force";
  EXPECT_GT(outcomes[0].peak_memory_bytes(), 0);
}

TEST_F(EpochTrainerTest, AllocatesDropRatesOnceTheUniformStepsAreOver) {
  plan_options.set_method(v1::METHOD_DROP);
  batch_size = 1;
  uniform_steps = 3;
  EpochTrainer trainer = Make();
  const auto report = trainer.TrainEpoch(1);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rounds.size(), 2u);
  EXPECT_EQ(report->rounds[1].step, 3);
  std::set<double> uniform, allocated;
  for (const auto& [block, rate] : report->rounds[0].drop_rates) uniform.insert(rate);
  for (const auto& [block, rate] : report->rounds[1].drop_rates) allocated.insert(rate);
  EXPECT_EQ(uniform.size(), 1u);
  EXPECT_GT(allocated.size(), 1u);
  EXPECT_FALSE(report->rounds[0].promised_loss_reduction.has_value()) << "drop measures no importance";
  EXPECT_GT(report->probe_seconds, 0);
  EXPECT_EQ(report->probe_seconds, report->rounds[0].probe_seconds + report->rounds[1].probe_seconds);
  EXPECT_EQ(report->plan_seconds, report->rounds[0].plan_seconds + report->rounds[1].plan_seconds);
}

TEST_F(EpochTrainerTest, WarmUpRoundsTrainEverythingBeforeTheFirstPlan) {
  plan_every = 1;
  warmup_rounds = 1;
  EpochTrainer trainer = Make();
  const auto report = trainer.TrainEpoch(1);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rounds.size(), 1u);
  EXPECT_EQ(report->rounds[0].step, 1);
  EXPECT_EQ(report->mismatched_steps, 0);
  EXPECT_EQ(report->executed_backward_flops.sum,
            report->full_backward_flops + report->rounds[0].predicted_backward_flops);
  EXPECT_EQ(report->trainable.size(), model->parameters().size());
}

TEST_F(EpochTrainerTest, PassesOnWhatTheSessionNotices) {
  goes_on = [&](int64_t) {
    const at::Tensor weight = model->named_parameters()["lm_head.weight"];
    weight.requires_grad_(!weight.requires_grad());
    return true;
  };
  EpochTrainer trainer = Make();
  ASSERT_TRUE(trainer.TrainEpoch(1).ok());
  EXPECT_THAT(remarks, ElementsAre(HasSubstr("requires_grad of lm_head.weight was changed outside the session")));
}

// A run that is killed and goes on from the checkpoint between epochs would otherwise measure other steps.
TEST_F(EpochTrainerTest, AFirstRoundThatDoesNotFitIntoTheEpochWaitsForTheNext) {
  plan_every = 1;
  warmup_rounds = 1;
  probe = Probe::kInStep;
  metric = v1::IMPORTANCE_METRIC_CROSS_FITTED;
  probe_batches = probe_steps = 2;
  EpochTrainer trainer = Make();
  const auto first = trainer.TrainEpoch(1);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(first->rounds, IsEmpty());
  EXPECT_FALSE(session->is_measuring());
  EXPECT_EQ(first->executed_backward_flops.sum, 2 * first->full_backward_flops);
  EXPECT_EQ(first->trainable.size(), model->parameters().size());
  const auto second = trainer.TrainEpoch(2);
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->rounds.size(), 1u);
  EXPECT_EQ(second->rounds[0].step, 3) << "it measures steps 2 and 3";
}

TEST_F(EpochTrainerTest, ARoundThatIsStillBeingMeasuredIsNotBegunAnew) {
  batch_size = 1;  // Ten steps.
  plan_every = 1;
  probe = Probe::kInStep;
  metric = v1::IMPORTANCE_METRIC_CROSS_FITTED;
  probe_batches = probe_steps = 3;
  EpochTrainer trainer = Make();
  const auto report = trainer.TrainEpoch(1);
  ASSERT_TRUE(report.ok()) << report.status();
  std::vector<int64_t> planned_at;
  for (const RoundReport& round : report->rounds) planned_at.push_back(round.step);
  EXPECT_THAT(planned_at, ElementsAre(2, 5, 8));
}

TEST_F(EpochTrainerTest, WhatIsNotExecutedForStepsIsExecutedForProbes) {
  for (Probe each : {Probe::kSeparate, Probe::kInStep}) {
    for (int64_t batches : {1, 2}) {  // Two are not the step's own, so their loss is computed before it, too.
      if (each == Probe::kInStep && batches > 1) continue;
      probe = each;
      probe_batches = batches;
      progress = {};
      EpochTrainer trainer = Make();
      const auto report = trainer.TrainEpoch(1);
      ASSERT_TRUE(report.ok()) << report.status();
      EXPECT_EQ(progress.executed_flops - progress.probe_flops,
                2 * session->profile().forward_cost + report->executed_backward_flops.sum)
          << batches;
    }
  }
}

TEST_F(EpochTrainerTest, PredictsAndExecutesTheSameInBfloat16AndWithCheckpointedLayers) {
  for (v1::Method method : {v1::METHOD_SELECTION, v1::METHOD_DROP, v1::METHOD_JOINT}) {
    for (bool checkpoints : {false, true}) {
      for (const auto& type : {std::optional<at::ScalarType>(), std::optional<at::ScalarType>(at::kBFloat16)}) {
        SCOPED_TRACE(v1::Method_Name(method) + (checkpoints ? " checkpoints" : "") + (type ? " bfloat16" : ""));
        plan_options.set_method(method);
        plan_options.mutable_budget()->set_fraction_of_backward(checkpoints ? 0.7 : 0.5);
        autocast = type;
        model->set_checkpoints_activations(checkpoints);
        progress = {};
        remarks.clear();
        batch_size = 2;
        EpochTrainer trainer = Make();
        const auto report = trainer.TrainEpoch(1);
        ASSERT_TRUE(report.ok()) << report.status();
        EXPECT_EQ(report->mismatched_steps, 0);
        EXPECT_GT(report->executed_backward_flops.sum, 0);
        EXPECT_THAT(remarks, IsEmpty());
        for (const at::Tensor& parameter : model->parameters()) EXPECT_EQ(parameter.scalar_type(), at::kFloat);
      }
    }
  }
}

// OPT has dropout, whose numbers the second run of a layer draws again.
TEST_F(EpochTrainerTest, CheckpointedLayersTrainTheSame) {
  plan_options.Clear();
  plan_options.set_method(v1::METHOD_FULL);
  batch_size = 2;  // Five steps.
  for (const auto& config : {kLlama, kOpt}) {
    for (const auto& type : {std::optional<at::ScalarType>(), std::optional<at::ScalarType>(at::kBFloat16)}) {
      SCOPED_TRACE(config["model_type"].get<std::string>() + (type ? " bfloat16" : ""));
      autocast = type;
      std::vector<std::vector<double>> losses;
      for (bool checkpoints : {false, true}) {
        progress = {};
        at::manual_seed(1);
        model = *CreateCausalLm(config, Attention::kSdpa);
        model->set_checkpoints_activations(checkpoints);
        EpochTrainer trainer = Make();
        ASSERT_TRUE(trainer.TrainEpoch(1).ok());
        losses.push_back(progress.step_losses);
      }
      EXPECT_EQ(losses[1], losses[0]);
    }
  }
}

TEST_F(EpochTrainerTest, SavesWithinAnEpochAndGoesOnFromThere) {
  batch_size = 1;
  checkpoint_every = 4;
  EpochTrainer straight = Make();
  const auto expected = straight.TrainEpoch(1);
  ASSERT_TRUE(expected.ok()) << expected.status();
  ASSERT_EQ(saved.size(), 2u);
  EXPECT_EQ(saved[0].report.executed_backward_flops.steps, 4);
  EXPECT_EQ(saved[1].report.executed_backward_flops.steps, 8);
  EXPECT_GT(saved[0].sums.loss, 0);

  progress = {};
  goes_on = [](int64_t steps) { return steps < 3; };
  EpochTrainer stopped = Make();
  EXPECT_EQ(stopped.TrainEpoch(1).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(progress.step_losses.size(), 3u);
}

TEST_F(EpochTrainerTest, SaysThatNothingTrains) {
  plan_options.mutable_budget()->set_fraction_of_backward(1e-9);
  EpochTrainer trainer = Make();
  const at::Tensor before = model->parameters()[0].detach().clone();
  const auto report = trainer.TrainEpoch(1);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->trainable, IsEmpty());
  EXPECT_EQ(report->executed_backward_flops.sum, 0);
  ASSERT_EQ(remarks.size(), 1u);
  EXPECT_THAT(remarks[0], HasSubstr("nothing trains from step 0 on: "));
  EXPECT_TRUE(at::equal(model->parameters()[0], before));
}

TEST_F(EpochTrainerTest, StopsAtALossThatIsNoNumber) {
  plan_options.Clear();
  plan_options.set_method(v1::METHOD_FULL);  // Without a probe, which would see it first.
  EpochTrainer trainer = Make();
  {
    const at::NoGradGuard no_grad;
    model->parameters()[0].fill_(std::numeric_limits<float>::quiet_NaN());
  }
  const absl::Status status = trainer.TrainEpoch(1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("is nan at step 0 of epoch 1: training has diverged"));
  EXPECT_THAT(progress.step_losses, IsEmpty());
}

}  // namespace
}  // namespace greenplan::trainer
