#ifndef GREENPLAN_PLANNER_CORE_PLAN_H_
#define GREENPLAN_PLANNER_CORE_PLAN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace greenplan {

// What is planned: nothing (kFull: everything trains), which tensors train (kSelection), which blocks are dropped how
// often (kDrop, of the DropBP paper), or both (kJoint).
enum class Method { kFull, kSelection, kDrop, kJoint };
// Returns whether the method chooses the tensors that train, for which it needs their importance.
constexpr bool SelectsTensors(Method method) { return method == Method::kSelection || method == Method::kJoint; }
// Returns whether the method drops blocks.
constexpr bool DropsBlocks(Method method) { return method == Method::kDrop || method == Method::kJoint; }

// How a selection is found: by the exact search, or by the dynamic program over cost steps of the GreenTrainer paper.
enum class Algorithm { kExact, kDownscaled };
// How the methods drop and joint distribute drop rates over blocks. kSensitivity: each block has a rate of its own.
// kUniform: all blocks have one rate, clamped to each block's bounds.
enum class Allocation { kSensitivity, kUniform };
// What method drop minimises over blocks b with sensitivity S_b and rate p_b: the sum of S_b * p_b^2 (kQuadratic) or of
// S_b * p_b (kLinear).
enum class DropObjective { kQuadratic, kLinear };

// What a step may cost. `kind` says which of the numbers counts.
struct Budget {
  enum class Kind {
    kNone,                // Method full only.
    kFractionOfFull,      // fraction, in (0, 1], of full fine-tuning's forward + backward.
    kFractionOfBackward,  // fraction, in (0, 1], of full fine-tuning's backward.
    kAbsolute,            // absolute: forward + backward, > 0, in the profile's cost unit.
    kMeanDropRate,        // fraction, in [0, 1): the share of the blocks' cost to skip. Method drop only.
    kBestValuePerCost,    // No number: the highest value / (forward + backward cost), value > 0. Method selection only.
  };

  // Says which of the two numbers counts, and what it is.
  Kind kind = Kind::kNone;
  double fraction = 0;
  int64_t absolute = 0;

  // A second limit, on the bytes of activations kept for backward, >= 0. Absent: none.
  std::optional<int64_t> max_saved_bytes = {};
};

// Bounds on the drop rate of one block. They replace PlanOptions::min_drop_rate and max_drop_rate for that block.
struct DropRateBounds {
  // Index into ModelProfile::blocks.
  int block = 0;
  double min_drop_rate = 0;
  double max_drop_rate = 1;
};

// What to plan. PlanOptionsFromProto (planner/convert) returns valid options; code behind it relies on the ranges
// stated here.
struct PlanOptions {
  Method method = Method::kSelection;
  Budget budget;
  Algorithm algorithm = Algorithm::kExact;

  // Cost steps of Algorithm::kDownscaled, >= 1. The exact search ignores it.
  int resolution = 1000;

  // How the methods drop and joint distribute drop rates over blocks.
  Allocation allocation = Allocation::kSensitivity;

  // What method drop minimises.
  DropObjective drop_objective = DropObjective::kQuadratic;

  // Bounds on the drop rate of every block, in [0, 1].
  double min_drop_rate = 0;
  double max_drop_rate = 1;

  // Bounds of single blocks, in place of those above.
  std::vector<DropRateBounds> drop_rate_bounds;

  // The weight of the harm of dropping against importance in method joint, >= 0.
  double mu = 0;

  // Tensors that train in every plan, by index, ascending. Each has an op.
  std::vector<int> always;

  // Tensors that train in no plan, by index, ascending.
  std::vector<int> never;

  // The share of its value by which a new plan must be better to replace PlanRequest::previous, >= 0.
  double churn_threshold = 0;

  // Seeds the draws of dropped blocks (drop/block_sampler.h). It does not affect the plan itself.
  uint64_t seed = 0;

  // How long one planning may take, > 0. planner/job, which has a clock, keeps it; Planner looks at
  // PlanRequest::should_stop alone.
  absl::Duration time_limit = absl::InfiniteDuration();
};

// What was measured on the model, in the order of the profile's tensors and blocks.
struct Measurements {
  // What training each tensor is worth, [num_tensors], finite. May be negative.
  std::vector<double> importance = {};

  // Tensors that were not probed, by index, ascending. Selection and joint never select them; their importance is 0.
  std::vector<int> unmeasured = {};

  // What dropping each block harms, [num_blocks], finite, >= 0. Empty: 0 for every block.
  std::vector<double> sensitivity = {};
};

// What is known about how good a plan is.
enum class PlanStatus {
  kOptimal,   // Proved: no feasible plan has a higher value.
  kFeasible,  // Stopped early; upper_bound - value bounds what is missing.
  kEmpty,     // Nothing fits or nothing is worth training; message says why.
};

// Which tensors train, how often blocks are dropped, and what a step then costs. Costs are in the profile's cost unit.
struct Plan {
  Method method = Method::kSelection;
  Algorithm algorithm = Algorithm::kExact;
  PlanStatus status = PlanStatus::kEmpty;

  // Why the plan is empty or not proved. Empty otherwise.
  std::string message;

  // Whether each tensor trains, [num_tensors].
  std::vector<bool> trainable;

  // The probability with which a step drops each block, [num_blocks]. Empty if the method drops nothing.
  std::vector<double> drop_rates;

  // PlanOptions::seed, from which the steps' draws follow.
  uint64_t seed = 0;

  // Forward + backward of a step. If blocks are dropped, this is the expectation, rounded up.
  int64_t predicted_cost = 0;
  int64_t predicted_backward_cost = 0;

  // What forward + backward may cost. 0 for method full; predicted_cost itself for kBestValuePerCost.
  int64_t budget = 0;

  // Forward + backward of full fine-tuning.
  int64_t full_cost = 0;

  // The objective that the plan reaches: the sum of importance, minus the harm of dropping.
  double value = 0;

  // Proved bound on the best possible value, >= value. For kBestValuePerCost: no plan has a higher value per cost than
  // upper_bound / predicted_cost.
  double upper_bound = 0;

  // Bytes of activations kept from forward for backward.
  int64_t saved_bytes = 0;
};

// Asked now and then while a plan is searched for. Once it returns true, the search ends with the best plan found so
// far. It is called on the planning thread and must be cheap (about a microsecond).
using StopFunction = std::function<bool()>;

// What a planner is asked for. The request owns nothing: what it points to must outlive the call.
struct PlanRequest {
  // Method full ignores the measurements, which may then be null.
  const Measurements* measurements = nullptr;
  const PlanOptions* options = nullptr;  // Must outlive the call.
  // The plan in force; kept unless the new value exceeds its value, under the new measurements, by more than
  // options->churn_threshold times that value. Optional.
  const Plan* previous = nullptr;

  // Ends the search early. May be empty.
  StopFunction should_stop = {};
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_PLAN_H_
