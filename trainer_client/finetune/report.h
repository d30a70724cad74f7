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

// A sum over steps of which the mean is told: exact where it is a whole number.
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

struct RoundReport {
  int64_t round = 0;
  int64_t step = 0;  // The first step under its plan, counted from 0 over the whole run.
  std::vector<std::string> trainable = {};
  DropRates drop_rates = {};
  std::string status = {};   // "OPTIMAL", "FEASIBLE", "EMPTY".
  std::string message = {};  // The plan's, or why the last plan was kept. Usually empty.
  std::string digest = {};
  int64_t predicted_backward_flops = 0;  // Per step; the expectation if blocks are dropped.
  double value = 0;
  double upper_bound = 0;
  std::optional<double> drift = {};  // Round::drift of the session.
  double probe_seconds = 0;
  double plan_seconds = 0;
  // Of its first step, on the batches that importance was measured on: the sum of the trained tensors' importance, and
  // by how much the loss fell. Absent if no importance was measured.
  std::optional<double> promised_loss_reduction = {};
  std::optional<double> realised_loss_reduction = {};
};

struct EpochReport {
  int64_t epoch = 0;
  std::vector<std::string> trainable = {};  // The union over its rounds, in the model's order.
  int64_t tensor_count = 0;
  DropRates drop_rates = {};              // Of its last round.
  PerStep predicted_backward_flops = {};  // Of the mask and the blocks that each step drops.
  PerStep expected_backward_flops = {};   // Of the mask and the rates.
  PerStep executed_backward_flops = {};   // Without what an in-step probe runs beyond the plan.
  PerStep reduced_bytes = {};             // Gradients that the ranks averaged. No steps: there is one rank.
  int64_t mismatched_steps = 0;           // Steps whose executed FLOPs differ from the predicted ones.
  int64_t full_backward_flops = 0;        // Per step.
  double step_seconds = 0;                // These four: means per step.
  double forward_seconds = 0;
  double backward_seconds = 0;
  double optimizer_seconds = 0;
  std::optional<double> predicted_backward_seconds = {};  // Mean per step. Absent without --time-profile.
  double probe_seconds = 0;                               // These two: sums.
  double plan_seconds = 0;
  double joules_per_step = 0;  // Mean.
  bool energy_is_estimate = false;
  int64_t peak_memory_bytes = 0;
  std::optional<double> train_loss = {};       // Absent in epoch 0.
  std::optional<double> validation_loss = {};  // Absent without --valid.
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
  std::vector<double> step_losses = {};  // Of step 0, 1, ...
  int64_t executed_flops = 0;            // Forward and backward of all steps and probes; validation is not counted.
  int64_t probe_flops = 0;               // The probes' part.
  profiler::EnergyTotal energy = {};     // Of all steps, probes and plans; validation is not counted.
  std::optional<RoundSums> round = {};   // Of the steps under the plan in force; none before the first.
};

struct RunReport {
  std::string model;
  int64_t parameter_count = 0;
  nlohmann::json options;  // v1.PlanOptions
  std::string planner;
  uint64_t seed = 0;
  std::vector<EpochReport> epochs;
  TrainingProgress progress;
  double seconds = 0;
  std::optional<double> grid_grams_per_kwh = {};  // CO2 equivalent.
};

// Every key of the contract, always. A loss that was not measured is null, so are emissions of an unknown grid.
nlohmann::json ToJson(const RunReport& report);

nlohmann::json ToJson(const EpochReport& epoch);
// The inverse. InvalidArgument: not such JSON; names the key, with `place` before it, the value and what is allowed.
absl::StatusOr<EpochReport> EpochReportFromJson(const nlohmann::json& json, const std::string& place = "");

nlohmann::json ToJson(const PartialEpoch& epoch);
absl::StatusOr<PartialEpoch> PartialEpochFromJson(const nlohmann::json& json, const std::string& place = "");

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_REPORT_H_
