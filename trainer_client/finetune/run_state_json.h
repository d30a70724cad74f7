#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_STATE_JSON_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_STATE_JSON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "nlohmann/json.hpp"
#include "trainer_client/finetune/report.h"
#include "trainer_client/session/drift_schedule.h"

namespace greenplan::trainer {

// What a run needs beside the weights to go on as if it had not stopped, after a whole epoch or within one.
struct RunState {
  nlohmann::json identity;  // What must be the same on both sides of a resume: {flag: value}.
  std::string job;
  int64_t next_round = 0;
  std::optional<v1::Plan> plan = {};  // In force at the end of the epoch.
  DriftSchedule::State drift = {};
  std::vector<v1::Outcome> outcomes = {};              // Those that the planner has not been sent.
  std::string random_state = {};                       // Of the CPU's generator; its bytes.
  std::vector<std::string> device_random_states = {};  // Of those of the devices in use.
  double seconds = 0;
  TrainingProgress progress = {};
  std::vector<EpochReport> epochs = {};      // 0 to the last whole one.
  std::optional<PartialEpoch> partial = {};  // The one after it, if it has begun.

  int64_t last_epoch() const { return epochs.empty() ? 0 : epochs.back().epoch; }
};

// Returns the object that a trainer_state file holds, except for the digest of its weights. The states of random
// generators are base64 in it.
nlohmann::json RunStateToJson(const RunState& state);

// Returns the state that such an object holds; other keys are ignored. InvalidArgument: the object is not a state; the
// message begins with `place` and names the key, its value and what is allowed.
absl::StatusOr<RunState> RunStateFromJson(const nlohmann::json& object, const std::string& place = "");

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_STATE_JSON_H_
