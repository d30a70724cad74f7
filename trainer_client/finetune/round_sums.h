#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_ROUND_SUMS_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_ROUND_SUMS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "greenplan/v1/job.pb.h"
#include "nlohmann/json.hpp"

namespace greenplan::trainer {

// What the steps under one round's plan add up to so far. Plain values.
struct RoundSums {
  int64_t round = 0;
  int64_t steps = 0;
  double step_seconds = 0;
  int64_t executed_backward_flops = 0;
  double joules = 0;
  double loss = 0;
  int64_t mismatched_steps = 0;
  int64_t peak_memory_bytes = 0;       // A maximum.
  double promised_loss_reduction = 0;  // These two: of the first step alone; 0 if no importance was measured.
  double realised_loss_reduction = 0;
};

// Returns what the planner is told of the round: means per step, FLOPs rounded to the nearest. The rank is 0.
// REQUIRES: sums.steps >= 1.
v1::Outcome OutcomeOf(const RoundSums& sums);

nlohmann::json ToJson(const RoundSums& sums);
// The inverse. InvalidArgument: not such JSON; names the key, with `place` before it, the value and what is allowed.
absl::StatusOr<RoundSums> RoundSumsFromJson(const nlohmann::json& json, const std::string& place = "");

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_ROUND_SUMS_H_
