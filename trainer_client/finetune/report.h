#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_REPORT_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_REPORT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "profiler/energy/energy_total.h"
#include "trainer_client/finetune/round_sums.h"

namespace greenplan::trainer {

// What a run reports (--report FILE.json): plain values and their JSON. FLOPs are counts of executed operations.

// A sum over steps whose mean is reported. It is kept as a whole number, so it is exact.
struct PerStep {
  int64_t sum = 0;
  int64_t steps = 0;

  void Add(int64_t value) {
    sum += value;
    ++steps;
  }
  double mean() const { return steps == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(steps); }
};

using DropRates = std::map<std::string, double>;  // By block.

// What is reported of one round.
struct RoundReport {
  int64_t round = 0;

  // The first step under the round's plan, counted from 0 over the whole run.
  int64_t step = 0;

  // Names of the tensors that the plan trains, and drop rates by block.
  std::vector<std::string> trainable = {};
  DropRates drop_rates = {};

  // "OPTIMAL", "FEASIBLE" or "EMPTY".
  std::string status = {};

  // The plan's message, or why the last plan was kept. Usually empty.
  std::string message = {};

  // The plan's digest, equal on all ranks.
  std::string digest = {};

  // Per optimizer step. If blocks are dropped, this is the expectation.
  int64_t predicted_backward_flops = 0;

  // The plan's value, and the proved bound on the best possible one.
  double value = 0;
  double upper_bound = 0;

  // Round::drift of the session.
  std::optional<double> drift = {};

  // What measuring and planning took.
  double probe_seconds = 0;
  double plan_seconds = 0;

  // Of its first step, on the batches that importance was measured on: the sum of the trained tensors' importance, and
  // by how much the loss fell. Absent if no importance was measured.
  std::optional<double> promised_loss_reduction = {};
  std::optional<double> realised_loss_reduction = {};
};

// What is reported of one epoch. Epoch 0 is the model as it was loaded.
struct EpochReport {
  int64_t epoch = 0;

  // The tensors that trained in any of the epoch's rounds, in the model's order.
  std::vector<std::string> trainable = {};

  // All tensors that the run may train.
  int64_t tensor_count = 0;

  // Those of the epoch's last round.
  DropRates drop_rates = {};

  // Exact: of the mask and of the blocks that each step drops.
  PerStep predicted_backward_flops = {};

  // By the mask and the drop rates.
  PerStep expected_backward_flops = {};

  // As counted, without what an in-step probe runs beyond the plan.
  PerStep executed_backward_flops = {};

  // Bytes of the gradients that the ranks averaged. 0 if there is only one rank.
  PerStep reduced_bytes = {};

  // Steps whose executed FLOPs differ from the predicted ones.
  int64_t mismatched_steps = 0;

  // Backward of full fine-tuning, per step.
  int64_t full_backward_flops = 0;

  // Means per optimizer step.
  double step_seconds = 0;
  double forward_seconds = 0;
  double backward_seconds = 0;
  double optimizer_seconds = 0;

  // The mean per step. Absent without --time-profile.
  std::optional<double> predicted_backward_seconds = {};

  // Sums over the epoch.
  double probe_seconds = 0;
  double plan_seconds = 0;

  // The mean, and whether any part of it is an estimate.
  double joules_per_step = 0;
  bool energy_is_estimate = false;

  // The largest resident size of the process in the epoch.
  int64_t peak_memory_bytes = 0;

  // The mean over the steps. Absent in epoch 0.
  std::optional<double> train_loss = {};

  // The loss after the epoch. Absent without --valid.
  std::optional<double> validation_loss = {};
  std::vector<RoundReport> rounds = {};
};

// What the steps of an epoch add up to so far.
struct EpochSums {
  double step_seconds = 0;
  double forward_seconds = 0;
  double backward_seconds = 0;
  double optimizer_seconds = 0;
  double predicted_backward_seconds = 0;
  double loss = 0;
  profiler::EnergyTotal energy = {};
};

// An epoch that has begun; report.executed_backward_flops.steps says how many steps are done. The report's means are
// filled in at the end.
struct PartialEpoch {
  EpochReport report;
  EpochSums sums = {};
};

// What the steps of a run add up to.
struct TrainingProgress {
  // The losses of step 0, 1, ... over the whole run.
  std::vector<double> step_losses = {};

  // Forward and backward of all steps and probes. Validation is not counted.
  int64_t executed_flops = 0;

  // The part of executed_flops that probes ran.
  int64_t probe_flops = 0;
  profiler::EnergyTotal energy = {};  // Of all steps, probes and plans; validation is not counted.

  // The sums over the steps under the plan in force. Absent before the first plan.
  std::optional<RoundSums> round = {};
};

// What is reported of a run.
struct RunReport {
  std::string model;
  int64_t parameter_count = 0;

  // The v1.PlanOptions of the run.
  nlohmann::json options;
  std::string planner;
  uint64_t seed = 0;
  std::vector<EpochReport> epochs;
  TrainingProgress progress;

  // Of the whole run, including what was done before a resume.
  double seconds = 0;

  // Grams of CO2 equivalent per kWh. Absent: emissions are not reported.
  std::optional<double> grid_grams_per_kwh = {};
};

// Returns the report as JSON in which every key of the format is present. A loss that was not measured is null, and so
// are the emissions if the grid is unknown.
nlohmann::json ToJson(const RunReport& report);

nlohmann::json ToJson(const EpochReport& epoch);
// Returns the report in the JSON of an epoch. InvalidArgument names the key, with `place` before it, the value and what
// is allowed.
absl::StatusOr<EpochReport> EpochReportFromJson(const nlohmann::json& json, const std::string& place = "");

// Return an epoch that has begun as JSON, and the reverse with the same errors.
nlohmann::json ToJson(const PartialEpoch& epoch);
absl::StatusOr<PartialEpoch> PartialEpochFromJson(const nlohmann::json& json, const std::string& place = "");

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_REPORT_H_
