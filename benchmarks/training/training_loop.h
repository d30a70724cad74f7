#ifndef GREENPLAN_BENCHMARKS_TRAINING_TRAINING_LOOP_H_
#define GREENPLAN_BENCHMARKS_TRAINING_TRAINING_LOOP_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "c10/core/Device.h"
#include "c10/core/ScalarType.h"
#include "planner/client/connection.h"
#include "trainer_client/models/causal_lm.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/session/training_session.h"

namespace greenplan::trainer {

// For benchmarks: end the program with the error unless the status is OK.
void Must(const absl::Status& status);
template <typename Result>
Result Must(absl::StatusOr<Result> result) {
  Must(result.status());
  return *std::move(result);
}

struct StepSeconds {
  double forward = 0;
  double backward = 0;
  double optimizer = 0;

  double sum() const { return forward + backward + optimizer; }
};

struct LoopOptions {
  std::string config_file;  // A config.json.
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;  // Of weights, gradients and the optimizer's state.
  int64_t batch_size = 4, seq_len = 64;
};

// A model with random weights, its optimizer, one batch of random tokens, and sessions with a plan each that take turns
// on them. Only one session may be in a step at a time. Not thread-safe.
class TrainingLoop {
 public:
  explicit TrainingLoop(const LoopOptions& options);

  // Adds a session without a plan. Add all of them before the first BeginRound.
  TrainingSession& AddSession(v1::PlanOptions plan, FrozenState frozen_state = FrozenState::kKeep);
  // What the forward pass of full fine-tuning keeps for backward, as the profile has it. `session` is any of them.
  int64_t FullSavedBytes(TrainingSession& session) const;
  // Measures and plans. Blocks get one drop rate, so that no sensitivity is measured.
  Round BeginRound(TrainingSession& session);

  // Returns the loss of the batch.
  at::Tensor Loss() const;
  // Makes one optimizer step under the session's plan, and returns where its time went.
  StepSeconds Step(TrainingSession& session) const;
  // Makes one full step in a loop without a session.
  void BareStep();

  // Waits until the device has done all that it was given.
  void Finish() const;

  // Makes the session's next step. Returns the most bytes of tensors in it beyond those that exist between steps.
  // REQUIRES: the device is not the CPU.
  int64_t PeakBytes(TrainingSession& session) const;
  // Returns the bytes that the forward pass leaves for backward under the session's next draw, which is used up.
  int64_t SavedBytes(TrainingSession& session) const;
  // Returns the same of a full step without a session.
  int64_t BareSavedBytes() const;
  // Returns the bytes of tensors on the device. On the CPU it counts those made since InstallCountingAllocator().
  int64_t AllocatedBytes() const;
  const at::Device& device() const { return device_; }

 private:
  int64_t BytesLeftBy(absl::FunctionRef<at::Tensor()> forward) const;

  const at::Device device_;
  std::shared_ptr<CausalLm> model_;
  at::Tensor ids_;
  NamedParameters parameters_;
  std::unique_ptr<AdamW> optimizer_;
  std::shared_ptr<Connection> connection_;
  std::vector<std::unique_ptr<TrainingSession>> sessions_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_BENCHMARKS_TRAINING_TRAINING_LOOP_H_
