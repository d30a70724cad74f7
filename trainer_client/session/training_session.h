#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_TRAINING_SESSION_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_TRAINING_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/client/connection.h"
#include "planner/core/model_profile.h"
#include "trainer_client/session/importance.h"
#include "trainer_client/session/job_rounds.h"

namespace greenplan::trainer {

struct SessionOptions {
  std::string job;       // {job} of "jobs/{job}". Empty: a new unique one.
  std::string model;     // A label in the profile. May be empty.
  v1::PlanOptions plan;  // What to plan. METHOD_FULL or METHOD_SELECTION.
  ImportanceOptions importance;
};

// Where in training a round begins, for people who read the planner's history.
struct RoundLabels {
  int64_t epoch = 0;
  int64_t step = 0;
  int64_t sample_count = 0;  // Samples in the probe batches.
};

// What a round decided. Costs in FLOPs per step.
struct Round {
  v1::Plan plan;
  std::vector<std::string> trainable;  // In the order of the parameters. Empty: nothing trains; plan.message says why.
  int64_t predicted_backward_cost = 0;
  int64_t full_backward_cost = 0;
  double probe_seconds = 0;
  double plan_seconds = 0;
  std::string notice;  // One line worth telling: the planner has gone and the last plan stays. Usually empty.
};

// What a training loop adopts: at the start of each round, measures importance, asks the planner which tensors to
// train, and sets requires_grad accordingly, so that backward skips the rest. With a model, an AdamW and a batch of
// data:
//
//   auto connection = Connect({.planner = "local"});
//   SessionOptions options;
//   options.plan.mutable_budget()->set_fraction_of_backward(0.5);
//   options.importance.update_rule = &optimizer;
//   auto session = TrainingSession::Create(*std::move(connection), options, model->named_parameters().pairs());
//   for (Epoch& epoch : epochs) {
//     auto round = (*session)->BeginRound([&](int) { return Loss(model, epoch.batch(0)); });
//     for (Batch& batch : epoch) {
//       auto ran = (*session)->Backward(Loss(model, batch));  // In place of loss.backward().
//       if (!ran.ok()) return ran.status();
//       optimizer.Step();
//       optimizer.ClearGradients();
//     }
//   }
//
// Frozen tensors do not change by one bit as long as the optimizer passes over undefined gradients, as AdamW here and
// all of torch::optim do; clear gradients by making them undefined (ClearGradients, zero_grad(set_to_none=true)).
// Parameters that did not require grad at Create stay frozen for ever; a tensor listed twice counts once.
//
// A planner that cannot be reached before the first plan is an error; later, training goes on with the last plan.
// No method throws: what LibTorch or the loss function throws is returned as Internal, with its message.
// Not thread-safe. Outlived by connection, update_rule and the model's tensors (shared or referenced).
class TrainingSession {
 public:
  // InvalidArgument: no parameter, or options that contradict each other. Unimplemented: the method, by name.
  static absl::StatusOr<std::unique_ptr<TrainingSession>> Create(std::shared_ptr<Connection> connection,
                                                                 SessionOptions options, NamedParameters parameters);

  // Profiles the step from one forward pass of probe batch 0, whose shapes must be those of a training step, and
  // creates the job. BeginRound does so by itself; call this to learn early that the planner is away or the job is
  // refused.
  absl::Status CreateJob(const LossFunction& loss);

  // Measures, plans, applies. Call it between steps: gradients are undefined afterwards, requires_grad is set to the
  // plan; all else is untouched (weights, optimizer, random generators). On an error nothing has changed.
  // The errors of CreateJob, PlanRound (JobRounds::PlanNextRound) and MeasureImportance.
  absl::StatusOr<Round> BeginRound(const LossFunction& loss, const RoundLabels& labels = {});

  // loss.backward(), unless nothing trains. Returns whether it ran. Internal: backward threw; gradients may then be
  // incomplete.
  absl::StatusOr<bool> Backward(const at::Tensor& loss) const;

  // Takes up a run where it stopped: applies the plan then in force. `next_round` is next_round() of that run.
  absl::StatusOr<Round> Continue(const LossFunction& loss, const v1::Plan& plan, int64_t next_round);

  const std::string& job() const { return options_.job; }
  int64_t next_round() const { return rounds_.next_round(); }
  const std::optional<v1::Plan>& plan() const { return rounds_.plan(); }  // In force; none before the first round.
  const ModelProfile& profile() const { return profile_; }                // Empty before the job is created.

 private:
  TrainingSession(std::shared_ptr<Connection> connection, SessionOptions options, NamedParameters parameters);

  absl::StatusOr<v1::ImportanceReport> Measure(const LossFunction& loss, const RoundLabels& labels) const;
  absl::StatusOr<Round> Apply(const v1::Plan& plan);

  const SessionOptions options_;
  const NamedParameters parameters_;
  const std::vector<bool> candidates_;  // [num_tensors]: required grad at Create.
  JobRounds rounds_;
  ModelProfile profile_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_TRAINING_SESSION_H_
