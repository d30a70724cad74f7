#include "trainer_client/finetune/finetune.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ops/equal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "planner/convert/convert.h"
#include "planner/convert/files.h"
#include "planner/files/testing/faults.h"
#include "profiler/autograd/testing/test_device.h"
#include "trainer_client/checkpoint/checkpoint.h"
#include "trainer_client/finetune/predicted_seconds.h"
#include "trainer_client/finetune/test_inputs.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr char kCpuAlone[] = "a resume to the bit is promised on the CPU alone";

class AwayConnection : public Connection {
 public:
  explicit AwayConnection(absl::Status answer = absl::UnavailableError("refused")) : answer_(std::move(answer)) {}

  absl::StatusOr<v1::Job> CreateJob(const v1::Job&) override { return answer_; }
  absl::StatusOr<v1::Plan> PlanRound(const std::string&, const v1::ImportanceReport&) override { return answer_; }
  absl::StatusOr<v1::Plan> GetPlan(const std::string&) override { return answer_; }
  absl::Status ReportOutcome(const std::string&, const v1::Outcome&) override { return answer_; }

 private:
  const absl::Status answer_;
};

// A local planner that goes away after its first plan.
class OneRoundConnection : public AwayConnection {
 public:
  absl::StatusOr<v1::Job> CreateJob(const v1::Job& job) override { return planner_->CreateJob(job); }
  absl::StatusOr<v1::Plan> PlanRound(const std::string& job, const v1::ImportanceReport& report) override {
    if (report.round() > 0) return absl::UnavailableError("refused");
    return planner_->PlanRound(job, report);
  }
  absl::StatusOr<v1::Plan> GetPlan(const std::string& name) override { return planner_->GetPlan(name); }

 protected:
  const std::unique_ptr<Connection> planner_ = *Connect({});
};

// A local planner that outlives a run that is killed, as a daemon does. It keeps what it is sent.
class LastingConnection : public OneRoundConnection {
 public:
  absl::StatusOr<v1::Plan> PlanRound(const std::string& job, const v1::ImportanceReport& report) override {
    return planner_->PlanRound(job, report);
  }
  absl::Status ReportOutcome(const std::string& job, const v1::Outcome& outcome) override {
    if (!answer_to_outcomes.ok()) return answer_to_outcomes;
    outcomes[outcome.round()].insert(outcome.SerializeAsString());
    return planner_->ReportOutcome(job, outcome);
  }

  absl::Status answer_to_outcomes;                    // If it is an error, it keeps none.
  std::map<int64_t, std::set<std::string>> outcomes;  // Those sent for each round.
};

// A local planner to which many plans of a round of odd number are worth the same: each tensor is worth 1, and dropping
// harms nothing. Like any local planner it forgets everything when the run is killed.
class TiedConnection : public OneRoundConnection {
 public:
  absl::StatusOr<v1::Plan> PlanRound(const std::string& job, const v1::ImportanceReport& measured) override {
    const bool is_tied = measured.round() % 2 == 1;
    v1::ImportanceReport report = measured;
    for (int k = 0; k < report.importance_size() && report.unmeasured().empty(); ++k) {
      report.set_importance(k, is_tied ? 1 : 1 + k % 3);
    }
    for (int b = 0; b < report.sensitivity_size(); ++b) report.set_sensitivity(b, is_tied ? 0 : 1 + b % 3);
    return planner_->PlanRound(job, report);
  }
  absl::Status RestorePlan(const std::string& job, const v1::Plan& plan) override {
    return planner_->RestorePlan(job, plan);
  }
};

std::vector<int64_t> RoundsToldTo(const LastingConnection& planner) {
  std::vector<int64_t> rounds;
  for (const auto& [round, outcomes] : planner.outcomes) rounds.push_back(round);
  return rounds;
}

struct FinetuneTest : ::testing::Test {
  FinetuneTest() {
    root = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root);
    fs::create_directories(root);
    WriteTokens(root / "train.npy", 32 * 8 * 6, 32);
    WriteTokens(root / "valid.npy", 32 * 5, 32);
    UseModel(kLlama);
    options.train = root / "train.npy";
    options.valid = root / "valid.npy";
    options.report = root / "report.json";
    options.epochs = 2;
    options.batch_size = 8;
    options.learning_rate = 1e-2;
    options.device = profiler::testing::TestDevice().str();
    options.seed = 1;
    options.weight_decay = 0.1;
    SetBudget(0.5);
    machine.powercap_root = root / "powercap";  // Not there: energy is an estimate, a second a sample.
    machine.nvml_library = root / "no_library";
    machine.now = [this] { return now += std::chrono::seconds(1); };
  }

  void UseModel(const json& config) {
    options.config = root / "config.json";
    WriteText(options.config, config.dump());
  }

  // Saves the model as a checkpoint with companions, from which runs then begin.
  void UseSavedBase() {
    FinetuneOptions base = options;
    base.epochs = 0;
    base.output = root / "base";
    ASSERT_EQ(Finetune(base, {.out = out, .err = err, .machine = machine}), absl::OkStatus());
    fs::remove(options.report);
    WriteText(root / "base" / "tokenizer.model", "a tokenizer, which ids do not need");
    WriteText(root / "base" / "generation_config.json", "{}");
    options.base = base.output;
    options.config = "";
  }

  void SetBudget(double fraction_of_backward) {
    options.plan.set_method(v1::METHOD_SELECTION);
    options.plan.mutable_budget()->set_fraction_of_backward(fraction_of_backward);
  }

  absl::Status Run(std::shared_ptr<Connection> connection = nullptr,
                   std::function<bool(const EpochReport&)> after_epoch = nullptr) {
    out.str("");
    err.str("");
    return Finetune(options,
                    {.out = out, .err = err, .connection = connection, .machine = machine, .after_epoch = after_epoch});
  }

  // As if the run was killed after so many steps.
  absl::Status RunUntil(int64_t step, std::shared_ptr<Connection> connection = nullptr) {
    out.str("");
    err.str("");
    return Finetune(options, {.out = out,
                              .err = err,
                              .connection = connection,
                              .machine = machine,
                              .after_epoch = nullptr,
                              .after_step = [step](int64_t steps_done) { return steps_done < step; }});
  }

  json Report() const { return json::parse(std::ifstream(options.report)); }

  fs::path root;
  FinetuneOptions options;
  profiler::MachineEnergy machine;
  std::chrono::steady_clock::time_point now{};
  std::ostringstream out, err;
};

TEST_F(FinetuneTest, ExecutesWhatIsPredictedWithinTheBudgetOnEveryModel) {
  for (const json& config : {kLlama, kOpt}) {
    for (const char* attention : {"sdpa", "eager"}) {
      SCOPED_TRACE(config["model_type"].get<std::string>() + " " + attention);
      UseModel(config);
      options.attention = attention;
      ASSERT_EQ(Run(), absl::OkStatus());
      const json report = Report();
      ASSERT_EQ(report["epochs"].size(), 3u);
      for (int epoch : {1, 2}) {
        const json& row = report["epochs"][epoch];
        EXPECT_EQ(row["executed_backward_flops"], row["predicted_backward_flops"]);
        EXPECT_GT(row["executed_backward_flops"], 0);
        EXPECT_LE(row["executed_backward_flops"].get<int64_t>() * 2, row["full_backward_flops"].get<int64_t>());
        EXPECT_FALSE(row["trainable"].empty());
      }
      EXPECT_LT(report["epochs"][2]["validation_loss"], report["epochs"][0]["validation_loss"]);
      EXPECT_EQ(report["steps"].size(), 24u);
    }
  }
}

TEST_F(FinetuneTest, DropsBlocksAtTheCostOfEachDrawOnEveryModel) {
  json post_norm = kOpt;
  post_norm["do_layer_norm_before"] = false;
  for (const json& config : {kLlama, kOpt, post_norm}) {
    for (v1::Method method : {v1::METHOD_DROP, v1::METHOD_JOINT}) {
      for (const char* attention : {"sdpa", "eager"}) {
        SCOPED_TRACE(config.dump() + v1::Method_Name(method) + attention);
        UseModel(config);
        options.attention = attention;
        options.plan.set_method(method);
        ASSERT_EQ(Run(), absl::OkStatus());
        const json report = Report();
        for (int epoch : {1, 2}) {
          const json& row = report["epochs"][epoch];
          EXPECT_EQ(row["mismatched_steps"], 0);
          EXPECT_EQ(row["executed_backward_flops_sum"], row["predicted_backward_flops_sum"]);
          EXPECT_EQ(row["drop_rates"].size(), 4u);
          const double full = row["full_backward_flops"];
          EXPECT_LE(row["expected_backward_flops"].get<double>(), 0.5 * full);
          EXPECT_NEAR(row["executed_backward_flops"].get<double>(), row["expected_backward_flops"].get<double>(),
                      0.1 * full);
        }
        EXPECT_EQ(err.str(), "");
        EXPECT_LT(report["epochs"][2]["validation_loss"], report["epochs"][0]["validation_loss"]);
      }
    }
  }
}

TEST_F(FinetuneTest, FullTrainsEverythingWithoutAProbe) {
  options.plan.Clear();
  options.plan.set_method(v1::METHOD_FULL);
  options.epochs = 1;
  ASSERT_EQ(Run(), absl::OkStatus());
  const json epoch = Report()["epochs"][1];
  EXPECT_EQ(epoch["trainable"].size(), epoch["tensor_count"]);
  EXPECT_EQ(epoch["executed_backward_flops"], epoch["full_backward_flops"]);
  EXPECT_EQ(epoch["predicted_backward_flops"], epoch["full_backward_flops"]);
}

TEST_F(FinetuneTest, PrintsARowPerEpochAndTheEnergy) {
  ASSERT_EQ(Run(), absl::OkStatus());
  EXPECT_THAT(out.str(), HasSubstr("epoch   trainable  predicted  executed"));
  EXPECT_EQ(std::count(std::istreambuf_iterator<char>(std::istringstream(out.str()).rdbuf()), {}, '\n'), 5);
  EXPECT_THAT(out.str(), EndsWith("\nenergy: 1.69 kJ (estimate, 65 W stated)\n"));  // 24 steps, 2 rounds.
  EXPECT_EQ(err.str(), "");
}

TEST_F(FinetuneTest, EstimatesEnergyOfStepsAndRoundsFromTheStatedPower) {
  options.power_watts = 100;
  options.grid_grams_per_kwh = 360;
  ASSERT_EQ(Run(), absl::OkStatus());
  const json report = Report();
  EXPECT_EQ(report["epochs"][0]["joules_per_step"], 0);
  for (int epoch : {1, 2}) {
    EXPECT_EQ(report["epochs"][epoch]["joules_per_step"], 100);
    EXPECT_EQ(report["epochs"][epoch]["energy_is_estimate"], true);
  }
  EXPECT_EQ(report["totals"]["joules"], 100 * (24 + 2));
  EXPECT_EQ(report["totals"]["energy_source"], "estimate, 100 W stated");
  EXPECT_DOUBLE_EQ(report["totals"]["co2e_grams"], 0.26);
}

TEST_F(FinetuneTest, SaysSoWhenTheMachineStopsCountingEnergy) {
  const fs::path package = fs::path(machine.powercap_root) / "intel-rapl:0";
  fs::create_directories(package);
  WriteText(package / "name", "package-0");
  WriteText(package / "max_energy_range_uj", "1000000");
  WriteText(package / "energy_uj", "5");
  ASSERT_EQ(Run(nullptr, [&](const EpochReport&) { return fs::remove(package / "energy_uj"), true; }),
            absl::OkStatus());
  const json report = Report();
  EXPECT_EQ(report["epochs"][1]["energy_is_estimate"], false);
  EXPECT_EQ(report["epochs"][1]["joules_per_step"], 0);
  EXPECT_EQ(report["epochs"][2]["energy_is_estimate"], true);
  EXPECT_EQ(report["epochs"][2]["joules_per_step"], 65);
  EXPECT_EQ(report["totals"]["energy_source"], "RAPL package 0; estimate, 65 W stated");
  EXPECT_THAT(err.str(), HasSubstr("energy_uj cannot be read; energy is an estimate from here on"));
}

TEST_F(FinetuneTest, PredictsBackwardTimeByTheProfileItWritesAndTrainsTheSame) {
  UseModel(kOpt);  // Has dropout.
  ASSERT_EQ(Run(), absl::OkStatus());
  const json without = Report();
  EXPECT_TRUE(without["epochs"][1]["predicted_backward_seconds"].is_null());

  options.time_profile = root / "times.json.gz";
  ASSERT_EQ(Run(), absl::OkStatus());
  EXPECT_THAT(err.str(), HasSubstr("measuring how long backward takes, in up to 21 steps"));
  const json report = Report();
  EXPECT_EQ(report["steps"], without["steps"]);
  const auto message = ReadMessageFile<v1::ModelProfile>(options.time_profile);
  ASSERT_TRUE(message.ok()) << message.status();
  const auto profile = ModelProfileFromProto(*message);
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(profile->cost_unit, CostUnit::kNanoseconds);
  EXPECT_TRUE(report["epochs"][0]["predicted_backward_seconds"].is_null());
  for (int epoch : {1, 2}) {
    const json& row = report["epochs"][epoch];
    EXPECT_GT(row["predicted_backward_seconds"], 0);
    EXPECT_NEAR(row["predicted_backward_seconds"], PredictedBackwardSeconds(*profile, row["trainable"]), 1e-9);
  }
}

TEST_F(FinetuneTest, PredictsBackwardTimeAfterAResumeToo) {
  options.output = root / "out";
  ASSERT_EQ(Run(nullptr, [](const EpochReport& epoch) { return epoch.epoch < 1; }), absl::OkStatus());
  options.resume = true;
  options.time_profile = root / "times.pb";
  ASSERT_EQ(Run(), absl::OkStatus());
  EXPECT_TRUE(Report()["epochs"][1]["predicted_backward_seconds"].is_null());
  EXPECT_GT(Report()["epochs"][2]["predicted_backward_seconds"], 0);
}

TEST_F(FinetuneTest, PlansTheBestValuePerCostIfNoBudgetIsKnown) {
  options.plan.mutable_budget()->set_best_value_per_cost(true);
  ASSERT_EQ(Run(), absl::OkStatus());
  const json report = Report();
  EXPECT_EQ(report["options"]["budget"]["best_value_per_cost"], true);
  for (int epoch : {1, 2}) {
    const json& row = report["epochs"][epoch];
    EXPECT_FALSE(row["trainable"].empty());
    EXPECT_EQ(row["executed_backward_flops"], row["predicted_backward_flops"]);
    EXPECT_EQ(row["rounds"][0]["status"], "OPTIMAL");
  }
}

TEST_F(FinetuneTest, MovesNoTensorThatWasNotPlanned) {
  UseSavedBase();
  options.epochs = 3;
  options.output = root / "tuned";
  ASSERT_EQ(Run(), absl::OkStatus());

  std::set<std::string> planned;
  const json report = Report();
  for (const json& epoch : report["epochs"]) planned.insert(epoch["trainable"].begin(), epoch["trainable"].end());
  auto before = LoadCheckpoint(options.base, Attention::kSdpa),
       after = LoadCheckpoint(options.output, Attention::kSdpa);
  ASSERT_TRUE(before.ok() && after.ok()) << before.status() << after.status();
  const auto parameters = after->model->named_parameters();
  EXPECT_LT(planned.size(), parameters.size());
  for (const auto& parameter : before->model->named_parameters()) {
    const bool same = at::equal(parameter.value(), parameters[parameter.key()]);
    EXPECT_EQ(same, !planned.contains(parameter.key())) << parameter.key();
  }
}

TEST_F(FinetuneTest, ResumesBitForBit) {
  if (options.device != "cpu") GTEST_SKIP() << kCpuAlone;
  UseModel(kOpt);  // Has dropout.
  options.epochs = 3;
  // 12 steps an epoch: the second leaves a plan in force between epochs. -1 stands for drift.
  for (int64_t plan_every : {0, 5, -1}) {
    SCOPED_TRACE(plan_every);
    options.plan.set_method(plan_every == 0 ? v1::METHOD_SELECTION : v1::METHOD_JOINT);
    options.plans_by_drift = plan_every == -1;
    options.plan_every = std::max<int64_t>(plan_every, 0);
    options.resume = false;
    options.output = root / ("straight" + std::to_string(plan_every));
    ASSERT_EQ(Run(), absl::OkStatus());
    const json straight = Report();
    const auto expected = LoadCheckpoint(options.output, Attention::kSdpa);

    options.output = root / ("stopped" + std::to_string(plan_every));
    options.report = root / "stopped.json";
    ASSERT_EQ(Run(nullptr, [](const EpochReport& epoch) { return epoch.epoch < 1; }), absl::OkStatus());
    options.resume = true;
    ASSERT_EQ(Run(), absl::OkStatus());
    const json resumed = Report();
    const auto actual = LoadCheckpoint(options.output, Attention::kSdpa);

    EXPECT_EQ(resumed["steps"], straight["steps"]);
    for (int epoch = 0; epoch <= 3; ++epoch) {
      for (const char* key : {"trainable", "drop_rates", "train_loss", "validation_loss", "executed_backward_flops",
                              "joules_per_step", "energy_is_estimate"}) {
        EXPECT_EQ(resumed["epochs"][epoch][key], straight["epochs"][epoch][key]) << epoch << " " << key;
      }
      ASSERT_EQ(resumed["epochs"][epoch]["rounds"].size(), straight["epochs"][epoch]["rounds"].size());
      for (size_t round = 0; round < straight["epochs"][epoch]["rounds"].size(); ++round) {
        for (const char* key : {"step", "digest", "drift"}) {
          EXPECT_EQ(resumed["epochs"][epoch]["rounds"][round][key], straight["epochs"][epoch]["rounds"][round][key]);
        }
      }
    }
    for (const char* key : {"executed_flops", "joules", "energy_is_estimate", "energy_source", "co2e_grams"}) {
      EXPECT_EQ(resumed["totals"][key], straight["totals"][key]) << key;
    }
    ASSERT_TRUE(expected.ok() && actual.ok());
    const auto parameters = actual->model->named_parameters();
    for (const auto& parameter : expected->model->named_parameters()) {
      EXPECT_TRUE(at::equal(parameter.value(), parameters[parameter.key()])) << parameter.key();
    }
  }
}

TEST_F(FinetuneTest, ResumesBitForBitFromACheckpointWithinAnEpoch) {
  if (options.device != "cpu") GTEST_SKIP() << kCpuAlone;
  UseModel(kOpt);  // Has dropout.
  options.plan.set_method(v1::METHOD_JOINT);
  options.plan_every = 5;
  options.grad_accum = 2;
  options.clip_norm = 1;
  options.warmup_rounds = 1;
  options.optimizer_state = "drop";
  options.probe = "in-step";
  options.checkpoint_every = 4;
  options.output = root / "straight";
  ASSERT_EQ(Run(), absl::OkStatus());  // Six steps an epoch.
  const json straight = Report();
  const auto expected = LoadCheckpoint(options.output, Attention::kSdpa);
  EXPECT_TRUE(fs::exists(options.output + "/checkpoint-4"));

  options.output = root / "stopped";
  for (int64_t killed_at : {5, 9, 11}) {  // Also after a resume, and with the epoch's own checkpoint the latest.
    ASSERT_EQ(RunUntil(killed_at), absl::OkStatus());
    options.resume = true;
  }
  ASSERT_EQ(Run(), absl::OkStatus());
  const json resumed = Report();
  EXPECT_EQ(resumed["steps"], straight["steps"]);
  for (int epoch : {1, 2}) {
    for (const char* key : {"trainable", "drop_rates", "train_loss", "validation_loss", "executed_backward_flops",
                            "predicted_backward_flops", "mismatched_steps", "joules_per_step"}) {
      EXPECT_EQ(resumed["epochs"][epoch][key], straight["epochs"][epoch][key]) << epoch << " " << key;
    }
    EXPECT_EQ(resumed["epochs"][epoch]["mismatched_steps"], 0);
    for (size_t round = 0; round < straight["epochs"][epoch]["rounds"].size(); ++round) {
      EXPECT_EQ(resumed["epochs"][epoch]["rounds"][round]["digest"],
                straight["epochs"][epoch]["rounds"][round]["digest"]);
    }
  }
  const auto actual = LoadCheckpoint(options.output, Attention::kSdpa);
  ASSERT_TRUE(expected.ok() && actual.ok());
  const auto parameters = actual->model->named_parameters();
  for (const auto& parameter : expected->model->named_parameters()) {
    EXPECT_TRUE(at::equal(parameter.value(), parameters[parameter.key()])) << parameter.key();
  }
}

TEST_F(FinetuneTest, ResumesBitForBitAtEveryStepWherePlansAreWorthTheSame) {
  if (options.device != "cpu") GTEST_SKIP() << kCpuAlone;
  options.epochs = 1;  // 12 steps.
  options.plan_every = 3;
  options.checkpoint_every = 1;
  options.uniform_until = 0;
  for (v1::Method method : {v1::METHOD_SELECTION, v1::METHOD_DROP, v1::METHOD_JOINT}) {
    for (double churn_threshold : {0.0, 0.5}) {
      SCOPED_TRACE(v1::Method_Name(method) + " " + std::to_string(churn_threshold));
      const std::string run = v1::Method_Name(method) + std::to_string(churn_threshold);
      options.plan.set_method(method);
      options.plan.set_churn_threshold(churn_threshold);
      options.resume = false;
      options.output = root / (run + "straight");
      ASSERT_EQ(Run(std::make_shared<TiedConnection>()), absl::OkStatus());
      const json straight = Report();
      ASSERT_EQ(straight["epochs"][1]["rounds"].size(), 4u);

      options.output = root / (run + "killed");
      for (int64_t killed_at = 1; killed_at <= 12; ++killed_at) {
        ASSERT_EQ(RunUntil(killed_at, std::make_shared<TiedConnection>()), absl::OkStatus());
        options.resume = true;
      }
      ASSERT_EQ(Run(std::make_shared<TiedConnection>()), absl::OkStatus());
      const json resumed = Report();
      EXPECT_EQ(resumed["steps"], straight["steps"]);
      for (int round = 0; round < 4; ++round) {
        EXPECT_EQ(resumed["epochs"][1]["rounds"][round]["digest"], straight["epochs"][1]["rounds"][round]["digest"])
            << round;
      }
    }
  }
}

TEST_F(FinetuneTest, TellsThePlannerTheSameOfARoundHoweverOftenTheRunIsKilled) {
  const auto planner = std::make_shared<LastingConnection>();
  options.plan_every = 5;  // Of 24 steps in two epochs.
  options.checkpoint_every = 4;
  options.output = root / "out";
  for (int64_t killed_at : {3, 7, 10, 11, 13, 19, 23}) {
    ASSERT_EQ(RunUntil(killed_at, planner), absl::OkStatus());
    options.resume = true;
  }
  ASSERT_EQ(Run(planner), absl::OkStatus());
  EXPECT_EQ(err.str(), "");
  const json report = Report();
  std::vector<json> rounds;
  for (const json& epoch : report["epochs"]) {
    rounds.insert(rounds.end(), epoch["rounds"].begin(), epoch["rounds"].end());
  }
  ASSERT_EQ(rounds.size(), 5u);
  ASSERT_EQ(planner->outcomes.size(), rounds.size());
  for (size_t i = 0; i < rounds.size(); ++i) {
    SCOPED_TRACE(i);
    const auto& sent = planner->outcomes[rounds[i]["round"].get<int64_t>()];
    ASSERT_EQ(sent.size(), 1u) << "step times differ from run to run";
    v1::Outcome outcome;
    ASSERT_TRUE(outcome.ParseFromString(*sent.begin()));
    const size_t begin = rounds[i]["step"], end = i + 1 < rounds.size() ? rounds[i + 1]["step"].get<size_t>() : 24;
    double loss = 0;
    for (size_t step = begin; step < end; ++step) loss += report["steps"][step]["loss"].get<double>();
    EXPECT_EQ(outcome.step_count(), static_cast<int64_t>(end - begin));
    EXPECT_DOUBLE_EQ(outcome.train_loss(), loss / static_cast<double>(end - begin));
    EXPECT_GT(outcome.step_seconds(), 0);
    EXPECT_GT(outcome.peak_memory_bytes(), 0);
    EXPECT_EQ(outcome.promised_loss_reduction(), rounds[i]["promised_loss_reduction"].get<double>());
    EXPECT_EQ(outcome.realised_loss_reduction(), rounds[i]["realised_loss_reduction"].get<double>());
    EXPECT_EQ(outcome.executed_backward_flops(), rounds[i]["predicted_backward_flops"].get<int64_t>());
  }
}

TEST_F(FinetuneTest, TellsThePlannerNothingOfARoundThatNoCheckpointHolds) {
  options.plan_every = 2;
  options.checkpoint_every = 4;
  // After a full disk within an epoch and at its end: the rounds that were over at the last checkpoint that was
  // written.
  const std::pair<int64_t, std::vector<int64_t>> cases[] = {{7, {0}}, {12, {0, 1, 2}}};
  for (const auto& [full_at, held] : cases) {
    SCOPED_TRACE(full_at);
    const auto planner = std::make_shared<LastingConnection>();
    options.output = root / ("out" + std::to_string(full_at));
    std::optional<ScopedFaults> faults;
    const FinetuneIo io{
        .out = out, .err = err, .connection = planner, .machine = machine, .after_step = [&](int64_t steps_done) {
          if (steps_done == full_at) faults.emplace(ScopedFaults::Plan{.fail_at = 1, .error = ENOSPC, .goes_on = true});
          return true;
        }};
    const absl::Status status = Finetune(options, io);
    faults.reset();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_EQ(RoundsToldTo(*planner), held);
  }
}

TEST_F(FinetuneTest, WhatThePlannerDidNotTakeIsSentAfterAResume) {
  const auto planner = std::make_shared<LastingConnection>();
  options.plan_every = 5;  // Of 24 steps in two epochs.
  options.output = root / "out";
  planner->answer_to_outcomes = absl::UnavailableError("gone");
  ASSERT_EQ(Run(planner, [](const EpochReport& epoch) { return epoch.epoch < 1; }), absl::OkStatus());
  EXPECT_EQ(RoundsToldTo(*planner), std::vector<int64_t>());
  planner->answer_to_outcomes = absl::OkStatus();
  options.resume = true;
  ASSERT_EQ(Run(planner), absl::OkStatus());
  EXPECT_EQ(RoundsToldTo(*planner), (std::vector<int64_t>{0, 1, 2, 3, 4}));
}

TEST_F(FinetuneTest, SaysOnceWhyThePlannerTakesNoOutcomes) {
  const auto planner = std::make_shared<LastingConnection>();
  planner->answer_to_outcomes = absl::PermissionDeniedError("not yours");
  ASSERT_EQ(Run(planner), absl::OkStatus());
  EXPECT_EQ(err.str(),
            "greenplan-finetune: the planner did not take what came of round 0 (not yours); training goes on\n");
}

TEST_F(FinetuneTest, NamesTheFlagOfAJobThatIsInUse) {
  for (const char* job : {"mine", ""}) {
    options.job = job;
    const absl::Status status = Run(std::make_shared<AwayConnection>(absl::AlreadyExistsError("jobs/mine differs")));
    EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(std::string(status.message()),
              std::string(options.job.empty() ? "" : "--job is mine, but ") +
                  "jobs/mine differs; allowed: a --job that is not in use, or the same run again");
  }
}

TEST_F(FinetuneTest, CrossFitsInTheStepWithinEpochsAndResumesBitForBit) {
  if (options.device != "cpu") GTEST_SKIP() << kCpuAlone;
  UseModel(kOpt);          // Has dropout.
  options.plan_every = 5;  // Of 12 steps an epoch: rounds are due at 0, 5, 10, 15, 20.
  options.probe = "in-step";
  options.importance_metric = v1::IMPORTANCE_METRIC_CROSS_FITTED;
  options.probe_batches = 3;
  options.checkpoint_every = 2;  // Also due while a round is measured.
  options.keep_checkpoints = 10;
  options.output = root / "straight";
  ASSERT_EQ(Run(), absl::OkStatus());
  const json straight = Report();
  EXPECT_EQ(err.str(), "");
  std::vector<int64_t> planned_at;
  for (int epoch : {1, 2}) {
    const json& row = straight["epochs"][epoch];
    EXPECT_EQ(row["mismatched_steps"], 0);
    EXPECT_EQ(row["executed_backward_flops_sum"], row["predicted_backward_flops_sum"]);
    if (epoch == 1) EXPECT_EQ(row["trainable"].size(), row["tensor_count"]) << "before the first plan";
    for (const json& round : row["rounds"]) {
      planned_at.push_back(round["step"]);
      EXPECT_TRUE(round["promised_loss_reduction"].is_number());
      EXPECT_TRUE(round["realised_loss_reduction"].is_number());
    }
    if (epoch == 1) continue;
    EXPECT_LT(row["expected_backward_flops"], row["full_backward_flops"]);
  }
  // Each two steps after it is due; the one at 10 would reach into the next epoch and begins there.
  EXPECT_THAT(planned_at, ::testing::ElementsAre(2, 7, 14, 17, 22));
  for (const char* folder : {"checkpoint-2", "checkpoint-6", "checkpoint-16"}) {
    EXPECT_FALSE(fs::exists(options.output + "/" + folder)) << "a round was being measured";
  }
  for (const char* folder : {"checkpoint-3", "checkpoint-15"}) {
    EXPECT_TRUE(fs::exists(options.output + "/" + folder)) << "the round was over";
  }

  options.output = root / "stopped";
  for (int64_t killed_at : {2, 7, 13, 16}) {
    ASSERT_EQ(RunUntil(killed_at), absl::OkStatus());
    options.resume = true;
  }
  ASSERT_EQ(Run(), absl::OkStatus());
  const json resumed = Report();
  EXPECT_EQ(resumed["steps"], straight["steps"]);
  for (int epoch : {1, 2}) {
    ASSERT_EQ(resumed["epochs"][epoch]["rounds"].size(), straight["epochs"][epoch]["rounds"].size());
    for (size_t round = 0; round < straight["epochs"][epoch]["rounds"].size(); ++round) {
      EXPECT_EQ(resumed["epochs"][epoch]["rounds"][round]["digest"],
                straight["epochs"][epoch]["rounds"][round]["digest"]);
    }
  }
}

TEST_F(FinetuneTest, PlansInThisProcessIfThePlannerIsAwayAtTheStartAndThatIsAllowed) {
  options.planner = "planner:1";
  options.planner_away = "local";
  for (const absl::Status& away : {absl::UnavailableError("gone"), absl::DeadlineExceededError("gone")}) {
    ASSERT_EQ(Run(std::make_shared<AwayConnection>(away)), absl::OkStatus());
    EXPECT_THAT(err.str(), HasSubstr("--planner is planner:1, which does not answer (gone); plans are made in this"));
    EXPECT_EQ(Report()["epochs"][2]["rounds"].size(), 1u);
  }
}

TEST_F(FinetuneTest, ByDriftTheStepsOfAllMicroBatchesPayForAProbe) {
  options.plans_by_drift = true;
  std::vector<int64_t> second_rounds;
  for (int64_t grad_accum : {1, 2}) {
    options.grad_accum = grad_accum;
    ASSERT_EQ(Run(), absl::OkStatus());
    const json report = Report();
    std::vector<int64_t> steps;
    for (const json& epoch : report["epochs"]) {
      for (const json& round : epoch["rounds"]) steps.push_back(round["step"]);
    }
    ASSERT_GE(steps.size(), 2u);
    EXPECT_EQ(steps[0], 0);
    second_rounds.push_back(steps[1]);
  }
  EXPECT_EQ(second_rounds[1], (second_rounds[0] + 1) / 2) << "its price in steps is half as high";
}

TEST_F(FinetuneTest, KeepsTheLatestCheckpointsAloneAndNothingUnfinished) {
  options.epochs = 1;  // 12 steps.
  options.checkpoint_every = 2;
  options.keep_checkpoints = 3;
  options.output = root / "out";
  fs::create_directories(root / "out" / ".checkpoint-7");  // As a kill would leave it.
  options.resume = true;
  ASSERT_EQ(Run(), absl::OkStatus());
  std::set<std::string> folders;
  for (const auto& entry : fs::directory_iterator(options.output)) {
    if (entry.is_directory()) folders.insert(entry.path().filename());
  }
  EXPECT_THAT(folders, ::testing::ElementsAre("checkpoint-10", "checkpoint-6", "checkpoint-8"));
  EXPECT_TRUE(LoadCheckpoint(options.output + "/checkpoint-8", Attention::kSdpa).ok());
}

TEST_F(FinetuneTest, CheckpointsWithinAnEpochHoldTheCompanionsOfTheBase) {
  UseSavedBase();
  options.epochs = 1;
  options.checkpoint_every = 8;
  options.output = root / "out";
  ASSERT_EQ(Run(), absl::OkStatus());
  for (const char* name : {"tokenizer.model", "generation_config.json"}) {
    EXPECT_TRUE(fs::exists(root / "out" / "checkpoint-8" / name)) << name;
    EXPECT_TRUE(fs::exists(root / "out" / name)) << name;
  }
}

TEST_F(FinetuneTest, RefusesADeviceThatIsNotThere) {
  options.device = "cuda:99";
  const absl::Status status = Run();
  EXPECT_EQ(ExitCode(status), 2) << status;
  EXPECT_THAT(status.message(), HasSubstr("--device is cuda:99; allowed: auto, cpu"));
}

TEST_F(FinetuneTest, ResumeBeginsAnewWhereThereIsNoRunYetAndRefusesAnotherRun) {
  options.output = root / "out";
  options.resume = true;
  ASSERT_EQ(Run(nullptr, [](const EpochReport&) { return false; }), absl::OkStatus());
  options.seed = 2;
  const absl::Status status = Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("--seed is 2; allowed with --resume: 1"));
}

TEST_F(FinetuneTest, ResumeStartsOverWhatHadNotReachedACheckpoint) {
  options.output = root / "straight";
  ASSERT_EQ(Run(), absl::OkStatus());
  const json straight = Report();
  // What a kill within the first checkpoint leaves: all but the weights.
  options.output = root / "out";
  ASSERT_EQ(Run(nullptr, [](const EpochReport&) { return false; }), absl::OkStatus());
  fs::rename(root / "out" / "model.safetensors", root / "out" / "model.safetensors.tmp.17.3");
  options.resume = true;
  ASSERT_EQ(Run(), absl::OkStatus());
  EXPECT_EQ(Report()["steps"], straight["steps"]);
  for (const auto& file : fs::directory_iterator(root / "out")) {
    EXPECT_EQ(file.path().string().find(".tmp."), std::string::npos) << file.path();
  }
}

TEST_F(FinetuneTest, PlansEveryNStepsAndReportsEachRound) {
  options.plan_every = 5;
  ASSERT_EQ(Run(), absl::OkStatus());
  const json report = Report();
  std::vector<int64_t> steps;
  for (const json& epoch : report["epochs"]) {
    std::set<std::string> trainable;
    for (const json& round : epoch["rounds"]) {
      steps.push_back(round["step"]);
      trainable.insert(round["trainable"].begin(), round["trainable"].end());
    }
    for (const std::string& name : trainable) EXPECT_THAT(epoch["trainable"], ::testing::Contains(json(name)));
    EXPECT_EQ(epoch["executed_backward_flops"], epoch["predicted_backward_flops"]);
  }
  EXPECT_THAT(steps, ::testing::ElementsAre(0, 5, 10, 15, 20));
}

TEST_F(FinetuneTest, AllocatesRatesOnceTheWholeShareOfUniformStepsIsDone) {
  options.plan.set_method(v1::METHOD_DROP);
  options.uniform_until = 0.1;  // Of 24 steps.
  ASSERT_EQ(Run(), absl::OkStatus());
  const json rounds = Report()["epochs"][1]["rounds"];
  ASSERT_EQ(rounds.size(), 2u);
  EXPECT_EQ(rounds[1]["step"], 3);
}

TEST_F(FinetuneTest, SkipsBackwardWhenNothingFitsAndSaysSo) {
  SetBudget(1e-9);
  ASSERT_EQ(Run(), absl::OkStatus());
  const json report = Report();
  for (int epoch : {1, 2}) {
    EXPECT_EQ(report["epochs"][epoch]["executed_backward_flops"], 0);
    EXPECT_EQ(report["epochs"][epoch]["validation_loss"], report["epochs"][0]["validation_loss"]);
    EXPECT_EQ(report["epochs"][epoch]["rounds"][0]["status"], "EMPTY");
  }
  EXPECT_THAT(err.str(), HasSubstr("nothing trains from step 0 on"));
}

TEST_F(FinetuneTest, TrainsOnWhenThePlannerGoesAwayAndSaysSo) {
  options.planner = "planner:1";
  options.epochs = 3;
  ASSERT_EQ(Run(std::make_shared<OneRoundConnection>()), absl::OkStatus());
  EXPECT_THAT(err.str(), HasSubstr("training goes on with the plan of round 0"));
  const json report = Report();
  EXPECT_EQ(report["planner"], "planner:1");
  EXPECT_EQ(report["epochs"][3]["trainable"], report["epochs"][1]["trainable"]);
  EXPECT_EQ(report["epochs"][3]["executed_backward_flops"], report["epochs"][3]["predicted_backward_flops"]);
}

TEST_F(FinetuneTest, FailsWithoutAPlannerAndLeavesNothingBehind) {
  options.planner = "planner:1";
  options.output = root / "out";
  const absl::Status status = Run(std::make_shared<AwayConnection>());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("--planner is planner:1"));
  EXPECT_FALSE(fs::exists(options.output));
  EXPECT_FALSE(fs::exists(options.report));
}

TEST_F(FinetuneTest, MeasuresImportanceOnTheOneBatchThatThereIs) {
  WriteTokens(root / "one.npy", 16 * 8, 32);  // 8 rows.
  options.train = root / "one.npy";
  options.importance_metric = v1::IMPORTANCE_METRIC_CROSS_FITTED;
  options.probe_batches = 2;
  const absl::Status asked_for = Run();
  EXPECT_EQ(ExitCode(asked_for), 2) << asked_for;
  EXPECT_THAT(asked_for.message(), HasSubstr("--probe-batches is 2; allowed: at most 1, the batches of an epoch"));
  options.chooses_probe = true;
  ASSERT_EQ(Run(), absl::OkStatus());
  EXPECT_THAT(err.str(), HasSubstr("an epoch has one batch, so importance is gradient_times_update"));
}

TEST_F(FinetuneTest, EachFlagOfTrainingChangesWhatIsTrained) {
  const auto trained = [&] {
    EXPECT_EQ(Run(), absl::OkStatus());
    const json report = Report();
    json result = {{"steps", report["steps"]}, {"flops", report["epochs"][1]["executed_backward_flops"]}};
    for (const json& round : report["epochs"][1]["rounds"]) {
      result["rounds"].push_back({round["step"], round["digest"], round["value"]});
    }
    return result;
  };
  options.epochs = 1;
  options.grad_accum = 2;  // Six steps.
  options.plan_every = 2;
  options.uniform_until = 0;
  const struct {
    v1::Method method;
    const char* flag;
    std::function<void(FinetuneOptions&)> change;
  } cases[] = {
      {v1::METHOD_SELECTION, "nothing", [](auto&) {}},
      {v1::METHOD_SELECTION, "--seed", [](auto& o) { o.seed = 2; }},
      {v1::METHOD_SELECTION, "--lr", [](auto& o) { o.learning_rate = 2e-2; }},
      {v1::METHOD_SELECTION, "--warmup-steps", [](auto& o) { o.warmup_steps = 3; }},
      {v1::METHOD_SELECTION, "--weight-decay", [](auto& o) { o.weight_decay = 1; }},
      {v1::METHOD_SELECTION, "--clip-norm", [](auto& o) { o.clip_norm = 0.01; }},
      {v1::METHOD_SELECTION, "--dtype", [](auto& o) { o.dtype = "bfloat16"; }},
      {v1::METHOD_SELECTION, "--attention", [](auto& o) { o.attention = "eager"; }},
      {v1::METHOD_SELECTION, "--checkpoint-activations", [](auto& o) { o.checkpoint_activations = true; }},
      {v1::METHOD_SELECTION, "--grad-accum", [](auto& o) { o.grad_accum = 1; }},
      {v1::METHOD_SELECTION, "--plan-every", [](auto& o) { o.plan_every = 0; }},
      {v1::METHOD_SELECTION, "--warmup-rounds", [](auto& o) { o.warmup_rounds = 1; }},
      {v1::METHOD_SELECTION, "--probe-batches", [](auto& o) { o.probe_batches = 2; }},
      {v1::METHOD_SELECTION, "--importance", [](auto& o) { o.importance_metric = v1::IMPORTANCE_METRIC_FISHER; }},
      {v1::METHOD_DROP, "nothing", [](auto&) {}},
      {v1::METHOD_DROP, "--sensitivity", [](auto& o) { o.sensitivity = "norm_difference"; }},
      {v1::METHOD_DROP, "--uniform-until", [](auto& o) { o.uniform_until = 0.9; }},
      {v1::METHOD_JOINT, "--uniform-until", [](auto& o) { o.uniform_until = 0.5; }},
  };
  const FinetuneOptions plain = options;
  std::map<v1::Method, json> expected;
  for (const auto& [method, flag, change] : cases) {
    options = plain;
    options.plan.set_method(method);
    if (!expected.contains(method)) expected[method] = trained();
    change(options);
    EXPECT_EQ(trained() == expected[method], flag == std::string("nothing")) << flag;
  }
}

// Under equal rates, since most of those that are allocated are 0 or 1, for which all draws are the same.
TEST_F(FinetuneTest, DrawsBlocksForEachMicroBatchWhereAsked) {
  options.plan.set_method(v1::METHOD_DROP);
  options.grad_accum = 2;
  options.uniform_until = 0.9;
  ASSERT_EQ(Run(), absl::OkStatus());
  const json losses = Report()["steps"];
  options.draw_per = "micro-batch";
  ASSERT_EQ(Run(), absl::OkStatus());
  EXPECT_NE(Report()["steps"], losses);
}

TEST_F(FinetuneTest, ValidatesInTheTypeThatItTrainsIn) {
  options.epochs = 0;
  ASSERT_EQ(Run(), absl::OkStatus());
  const double in_float32 = Report()["epochs"][0]["validation_loss"];
  options.dtype = "bfloat16";
  ASSERT_EQ(Run(), absl::OkStatus());
  const double in_bfloat16 = Report()["epochs"][0]["validation_loss"];
  EXPECT_NE(in_bfloat16, in_float32);
  EXPECT_NEAR(in_bfloat16, in_float32, 0.01 * in_float32);
}

TEST_F(FinetuneTest, EvaluatesAloneWithoutEpochsAndWithoutAPlanner) {
  options.epochs = 0;
  options.train = "";
  ASSERT_EQ(Run(std::make_shared<AwayConnection>()), absl::OkStatus());
  const json report = Report();
  ASSERT_EQ(report["epochs"].size(), 1u);
  EXPECT_GT(report["epochs"][0]["validation_loss"], 0);
  EXPECT_TRUE(report["epochs"][0]["train_loss"].is_null());
}

TEST_F(FinetuneTest, RefusesBadInputNamingItAndLeavesNothingBehind) {
  WriteText(root / "empty.txt", "");
  WriteTokens(root / "short.npy", 15, 32);
  WriteTokens(root / "foreign.npy", 400, 64);
  WriteText(root / "not_json.json", "{");
  fs::create_directories(root / "full");
  WriteText(root / "full" / "file", "x");
  const FinetuneOptions good = options;
  const struct {
    const char* name;
    std::function<void(FinetuneOptions&)> spoil;
    std::vector<std::string> said;
  } cases[] = {
      {"missing train", [&](auto& o) { o.train = root / "none.npy"; }, {"--train is", "none.npy", "does not exist"}},
      {"missing valid", [&](auto& o) { o.valid = root / "none.npy"; }, {"--valid is", "none.npy"}},
      {"folder as train", [&](auto& o) { o.train = root; }, {"--train is", "another kind of file"}},
      {"device as train", [&](auto& o) { o.train = "/dev/zero"; }, {"--train is /dev/zero", "another kind of file"}},
      {"missing base", [&](auto& o) { o.config = "", o.base = root / "none"; }, {"--base is", "none"}},
      {"base is no checkpoint", [&](auto& o) { o.config = "", o.base = root / "full"; }, {"--base", "config.json"}},
      {"config is not JSON",
       [&](auto& o) { o.config = root / "not_json.json"; },
       {"--model-config: ", "not_json.json is not JSON"}},
      {"missing tokenizer", [&](auto& o) { o.tokenizer = root / "none"; }, {"--tokenizer is"}},
      {"text without tokenizer", [&](auto& o) { o.train = root / "empty.txt"; }, {"--train", "empty.txt"}},
      {"too short", [&](auto& o) { o.train = root / "short.npy"; }, {"--train", "short.npy"}},
      {"ids outside", [&](auto& o) { o.train = root / "foreign.npy"; }, {"--train", "foreign.npy"}},
      {"long rows", [&](auto& o) { o.seq_len = 17; }, {"--seq-len is 17", "to 16"}},
      {"large batch", [&](auto& o) { o.batch_size = 1000; }, {"--batch-size is 1000", "at most 96"}},
      {"full output", [&](auto& o) { o.output = root / "full"; }, {"--output is", "not empty"}},
      {"nothing to resume", [&](auto& o) { o.config = "", o.resume = true; }, {"no run to resume"}},
      {"no run", [&](auto& o) { o.output = root / "full", o.resume = true; }, {"no run to resume"}},
      {"report", [&](auto& o) { o.report = root / "none" / "r.json"; }, {"--report is"}},
      {"folder as report", [&](auto& o) { o.report = root / "full"; }, {"--report is", "a file in a folder"}},
      {"folder as time profile", [&](auto& o) { o.time_profile = root / "full"; }, {"--time-profile is"}},
      {"time profile", [&](auto& o) { o.time_profile = root / "none" / "t.json"; }, {"--time-profile is"}},
      {"as many probe batches as there are",
       [&](auto& o) { o.probe_batches = 13; },
       {"--probe-batches is 13", "at most 12"}},
      {"more steps of a probe than there are",
       [&](auto& o) {
         o.probe = "in-step";
         o.importance_metric = v1::IMPORTANCE_METRIC_CROSS_FITTED;
         o.grad_accum = 2;
         o.probe_batches = 7;
       },
       {"--probe-batches is 7", "with --probe in-step: at most 6"}},
      {"planner", [&](auto& o) { o.planner = "nowhere"; }, {"--planner is nowhere", "HOST:PORT"}},
      {"pin", [&](auto& o) { o.plan.add_never("no.such.tensor"); }, {"--never", "no.such.tensor"}},
      {"block",
       [&](auto& o) {
         o.plan.set_method(v1::METHOD_DROP);
         o.plan.add_drop_rate_bounds()->set_block("no.such.block");
       },
       {"--drop-rate-bounds", "no.such.block"}},
  };
  for (const auto& [name, spoil, said] : cases) {
    SCOPED_TRACE(name);
    options = good;
    options.output = root / "out";
    spoil(options);
    const absl::Status status = Run();
    EXPECT_EQ(ExitCode(status), 2) << status;
    for (const std::string& part : said) EXPECT_THAT(status.message(), HasSubstr(part));
    EXPECT_FALSE(fs::exists(root / "out"));
    EXPECT_FALSE(fs::exists(good.report));
    EXPECT_EQ(err.str(), "");
  }
}

TEST_F(FinetuneTest, SaysWhyTheReportCannotBeWritten) {
  options.report = root / "full.json";
  fs::create_symlink("/dev/full", options.report);
  options.epochs = 0;
  const absl::Status status = Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), options.report + " cannot be written: No space left on device");
}

TEST_F(FinetuneTest, ARunThatCannotBeSavedOnceLeavesNothingBehind) {
  UseSavedBase();
  options.output = root / "out";
  options.epochs = 1;
  absl::Status status;
  {
    const ScopedFaults faults({.fail_at = 40, .error = ENOSPC, .goes_on = true});
    status = Run();
    ASSERT_TRUE(faults.has_failed());
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot be written: No space left on device"));
  EXPECT_FALSE(fs::exists(options.output));
  EXPECT_FALSE(fs::exists(options.report));
}

TEST_F(FinetuneTest, GoesOnAfterAFullDiskFromTheLastEpochThatWasSaved) {
  options.output = root / "straight";
  options.epochs = 3;
  ASSERT_EQ(Run(), absl::OkStatus());
  const json straight = Report();

  options.output = root / "out";
  std::optional<ScopedFaults> faults;
  const absl::Status status = Run(nullptr, [&](const EpochReport& epoch) {
    if (epoch.epoch == 1) faults.emplace(ScopedFaults::Plan{.fail_at = 30, .error = ENOSPC, .goes_on = true});
    return true;
  });
  faults.reset();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("out/"));
  options.resume = true;
  ASSERT_EQ(Run(), absl::OkStatus());
  EXPECT_EQ(Report()["steps"], straight["steps"]);
}

TEST_F(FinetuneTest, StopsWhenTrainingDiverges) {
  options.learning_rate = 1e30;
  options.output = root / "out";
  const absl::Status status = Run();
  EXPECT_EQ(ExitCode(status), 1) << status;
  EXPECT_THAT(status.message(), HasSubstr("diverged"));
  EXPECT_FALSE(fs::exists(options.output));
}

}  // namespace
}  // namespace greenplan::trainer
