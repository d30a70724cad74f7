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
  // What must be the same before and after a resume: {flag: value}.
  nlohmann::json identity;
  std::string job;

  // The number of the round that comes next.
  int64_t next_round = 0;

  // The plan in force when the state was saved. Absent before the first plan.
  std::optional<v1::Plan> plan = {};
  DriftSchedule::State drift = {};

  // The outcomes that the planner has not been sent yet.
  std::vector<v1::Outcome> outcomes = {};

  // The bytes of the CPU's random generator, and of those of the devices in use.
  std::string random_state = {};
  std::vector<std::string> device_random_states = {};

  // What the run has taken so far.
  double seconds = 0;
  TrainingProgress progress = {};

  // Epoch 0 up to the last whole one.
  std::vector<EpochReport> epochs = {};

  // The epoch after them, if it has begun.
  std::optional<PartialEpoch> partial = {};

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
