#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_TRAINING_SESSION_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_TRAINING_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/client/connection.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"
#include "trainer_client/optimizer/optimizer.h"
#include "trainer_client/session/drift_schedule.h"
#include "trainer_client/session/importance.h"
#include "trainer_client/session/job_rounds.h"
#include "trainer_client/session/plan_execution.h"
#include "trainer_client/session/residual_branch.h"
#include "trainer_client/session/round_probe.h"
#include "trainer_client/session/sensitivity.h"
#include "trainer_client/session/step_plan.h"
#include "trainer_client/session/step_profile.h"

namespace greenplan::trainer {

class RankGroup;

// What a session plans, and what it works on.
struct SessionOptions {
  // The {job} of "jobs/{job}". Empty: a new unique one.
  std::string job;

  // A label for the profile. May be empty.
  std::string model;

  // What to plan.
  v1::PlanOptions plan;

  // The optimizer that Step() steps. Null: the loop steps it by itself and calls EndStep().
  Optimizer* optimizer = nullptr;

  // How to measure importance. If its update_rule is null, `optimizer` is used.
  ImportanceOptions importance;

  // The branches of the model. The methods drop and joint require them.
  std::vector<ResidualBranch> branches;

  // How sensitivity is defined, and how often the blocks to drop are drawn.
  SensitivityDefinition sensitivity = SensitivityDefinition::kGradientDifference;
  DrawPer draw_per = DrawPer::kStep;

  // What becomes of the optimizer's state of tensors that a plan freezes.
  FrozenState frozen_state = FrozenState::kKeep;

  // The ranks of a data-parallel run (parallel/rank_group.h); null: this process trains alone. The connection must then
  // be one of ShareConnection. All ranks call the same methods of their sessions in the same order.
  RankGroup* ranks = nullptr;

  // The micro-batches of a step, >= 1. IsRoundDue() compares the cost of a probe with that of a step.
  int micro_batches = 1;

  // Tensors that a forward pass changes without autograd, such as the running statistics of a norm: module->buffers().
  // Passes that only measure leave them as they were.
  std::vector<at::Tensor> buffers = {};
};

// About one round. The first three are labels for people who read the planner's history.
struct RoundOptions {
  int64_t epoch = 0;
  int64_t step = 0;

  // Samples that importance is measured on. It is the weight of this report among those of other ranks.
  int64_t sample_count = 0;

  // Measures no sensitivity, so that all blocks get one drop rate: early in training, while gradients change quickly.
  bool uniform_rates = false;
};

// What a round decided. Costs in FLOPs per forward and backward pass.
struct Round {
  v1::Plan plan;

  // The tensors that train, in the order of the parameters. Empty: nothing trains, and plan.message says why.
  std::vector<std::string> trainable;

  // Drop rates by block. Empty if the method drops nothing.
  std::vector<std::pair<std::string, double>> drop_rates;

  // If blocks are dropped, this is the expectation, rounded up.
  int64_t predicted_backward_cost = 0;

  // The backward cost of full fine-tuning.
  int64_t full_backward_cost = 0;

  // False if the planner was not asked this time, because it has been away for a while.
  bool is_measured = true;

  // The importance of the measured tensors that train: the loss reduction that the plan promises for a step.
  double importance_sum = 0;

  // For an in-step probe: what the passes that measure sensitivity executed in backward.
  int64_t sensitivity_flops = 0;

  // For an in-step probe: what backward of its steps executes beyond the plan, in each micro-batch.
  int64_t probe_backward_cost = 0;

  // The share of importance_sum that the plan so far in force would miss, by this round's measurements and less their
  // standard error, in [0, 1]. Absent without such a plan, without a new one, and if no importance is measured.
  std::optional<double> drift = {};

  // What measuring and planning took.
  double probe_seconds = 0;
  double plan_seconds = 0;

  // One line worth telling, such as that the planner has gone and the last plan stays. Usually empty.
  std::string notice;
};

// What a step that measures runs in backward beyond its plan.
struct StepProbe {
  // FLOPs of backward in each micro-batch.
  int64_t backward_cost = 0;

  // FLOPs of backward in the whole step.
  int64_t sensitivity_flops = 0;
};

// What a run needs to go on where it stopped.
struct SessionState {
  std::optional<v1::Plan> plan = {};  // In force; none before the first round.
  int64_t next_round = 0;
  int64_t next_step = 0;  // Optimizer steps ended. Draws depend on it.
  DriftSchedule::State drift = {};
  std::vector<v1::Outcome> outcomes = {};  // Those that have not been sent.
};

// What a training loop adopts. It decides at the start of each round which tensors train and how often blocks are
// dropped, sets requires_grad and the branches accordingly, so that backward skips the rest, and steps the optimizer:
//
//   auto connection = Connect({.planner = "local"});  // Or HOST:PORT of a greenpland.
//   SessionOptions options{.optimizer = &optimizer};
//   options.plan.mutable_budget()->set_fraction_of_backward(0.5);
//   auto session = TrainingSession::Create(*std::move(connection), options, model->named_parameters().pairs());
//   for (Epoch& epoch : epochs) {
//     auto round = (*session)->BeginRound([&](int) { return Loss(model, epoch.batch(0)); });
//     for (Batch& batch : epoch) {
//       (*session)->BeginStep();                     // Draws the blocks to drop.
//       (*session)->Backward(Loss(model, batch));    // In place of loss.backward(); once for each micro-batch.
//       (*session)->Step();                          // In place of optimizer.step() and zero_grad().
//     }
//   }
//
// Each returns a status, which a real loop looks at; trainer_client/examples holds a whole one. Two ways to measure
// importance: BeginRound() runs a probe of its own on batches that it asks for; BeginRoundInStep() measures in the next
// step, from the gradients of its own loss, which costs only the backward work that the plan would have skipped.
//
// Frozen tensors, and tensors of a dropped block in that step, do not change by one bit as long as the optimizer passes
// over undefined gradients, as AdamW here and all of torch::optim do; clear gradients by making them undefined.
// Parameters that did not require grad at Create stay frozen for ever; a tensor listed twice counts once. Outside of
// steps nothing is dropped, so evaluation always runs the whole model.
//
// A planner that cannot be reached before the first plan is an error; later, training goes on with the last plan.
// No method throws: what LibTorch or the loss function throws is returned as Internal, with its message.
// Not thread-safe. Outlived by connection, optimizer and the model's tensors (shared or referenced).
class TrainingSession {
 public:
  // Makes a session for `parameters`, which are [num_tensors] names and tensors in forward order. Talks to no planner
  // yet. InvalidArgument if there is no parameter, if two tensors or two branches have one name, if options.optimizer
  // does not step a tensor that may train, or if options contradict each other.
  static absl::StatusOr<std::unique_ptr<TrainingSession>> Create(std::shared_ptr<Connection> connection,
                                                                 SessionOptions options, NamedParameters parameters);
  // Ends the step and puts requires_grad back to what it was at Create.
  ~TrainingSession();

  // Profiles the step from one forward pass of probe batch 0, whose shapes must be those of a training step, and
  // creates the job. BeginRound does so by itself; call this to learn early that the planner is away or the job is
  // refused. FailedPrecondition: blocks are to be dropped, but no branch of the model is declared as one.
  // Unimplemented: the step runs an operator that has no cost rule (profiler/autograd/node_cost.h), or one of which
  // LibTorch would run another form if something were frozen (profiler/autograd/kernel_choice.h).
  absl::Status CreateJob(const LossFunction& loss);

  // Measures, plans, applies: sets requires_grad to the plan and undefines the gradients of the tensors that it
  // freezes. All else is untouched: weights, buffers (options.buffers), other gradients, the optimizer, random
  // generators. On an error nothing has changed. Call it between steps.
  // If the planner has failed several rounds in a row, it is not asked at some rounds (JobRounds::AsksPlanner): nothing
  // is measured then, and the plan in force stays. The errors of CreateJob, PlanRound (JobRounds::PlanNextRound),
  // MeasureImportance and MeasureSensitivity.
  absl::StatusOr<Round> BeginRound(const LossFunction& loss, const RoundOptions& options = {});

  // The same without a loss function: the next step runs its backward with every candidate live and nothing dropped.
  // Once its gradients are complete, importance is reduced from them, and the plan holds from that step's optimizer
  // step on. PlanFromGradients() or Step() returns the round. Tensors that never train are not measured.
  // With the CROSS_FITTED metric the next importance.probe_batches steps run so, two or more; until the last of them
  // the optimizer steps what the plan in force trains, everything before the first plan.
  // A loop that scales its loss unscales the gradients before PlanFromGradients(). Sensitivity is that of the scaled
  // loss: all blocks' by one factor, which matters to options.plan.mu alone.
  absl::Status BeginRoundInStep(const RoundOptions& options = {});

  // Whether the drift of importance, as measured at the last rounds, repays a round before the next step;
  // drift_schedule.h has the rule. True before the first round, false while one is measured in steps. For a loop that
  // leaves it to the session when to plan:
  //   if (session->IsRoundDue()) session->BeginRound(loss);
  // REQUIRES: the method is selection or joint; others measure no importance.
  bool IsRoundDue() const { return !is_measuring() && drift_schedule_.IsRoundDue(execution_.steps()); }

  // Returns whether a round that began with BeginRoundInStep has not planned yet. What it has measured so far is not
  // part of state(), so do not stop for a resume meanwhile.
  bool is_measuring() const { return in_step_probe_ != nullptr; }

  // Trains every tensor that may train, with nothing dropped, until the next round, for warm-up. Asks no planner and
  // counts as no round. The errors of CreateJob.
  absl::Status TrainEverything(const LossFunction& loss);

  // Begins an optimizer step: draws the blocks that it drops and puts requires_grad right if someone else has changed
  // it, which TakeNotices() then names. Undefines gradients of tensors that the step does not reach, which a loop may
  // have filled with zeros. FailedPrecondition before the first round.
  absl::Status BeginStep();

  // Returns what the next forward and backward pass runs. Before the first plan of an in-step probe its cost is 0.
  const StepPlan& step_plan() const { return execution_.step_plan(); }

  // Runs loss.backward(), unless nothing is left to train. Returns whether it ran. Call it for each micro-batch of the
  // step. Gradients add up, so divide the loss by the number of micro-batches for a mean. FailedPrecondition outside of
  // a step. Internal if backward threw; gradients may then be incomplete.
  absl::StatusOr<bool> Backward(const at::Tensor& loss);

  // Measures, plans, applies the plan, and undefines the gradients of tensors that do not train, after the last
  // Backward of a step that measures. Returns nullopt in other steps, and until the last step that the metric needs.
  // Call it before gradients are clipped or reduced among ranks; Step() calls it otherwise.
  absl::StatusOr<std::optional<Round>> PlanFromGradients();

  // Replaces the gradients of this step by their means over the ranks: of the tensors that the plan trains in it alone.
  // Does nothing without ranks, and once in a step. Step() calls it otherwise; call it before gradients are clipped. A
  // tensor that this rank's loss did not reach takes part with zeros. The errors of RankGroup; FailedPrecondition
  // outside of a step.
  absl::Status AverageGradients();

  // Calls PlanFromGradients(), AverageGradients(), the optimizer's step, ClearGradients() and EndStep().
  // FailedPrecondition outside of a step, and if no optimizer was given.
  absl::StatusOr<std::optional<Round>> Step();

  // Ends the step for a loop that steps its optimizer by itself. Nothing is dropped until the next one begins.
  // Does nothing outside of a step.
  void EndStep();

  // What backward ran beyond the plan in the current step, once PlanFromGradients() has been called in it. 0 if the
  // step does not measure.
  const StepProbe& step_probe() const { return step_probe_; }

  // Takes up a run where it stopped: goes on with its numbers, and applies the plan that was in force. Returns nullopt
  // if there was none.
  absl::StatusOr<std::optional<Round>> Continue(const LossFunction& loss, const SessionState& state);
  // Returns what Continue needs. Call it between steps.
  SessionState state() const;

  // Keeps what came of the plan of round `outcome.round` on this rank until SendOutcomes() sends it to the planner,
  // which adds it to the job's history. The rank is filled in. job.proto says what an outcome holds.
  void AddOutcome(v1::Outcome outcome) { rounds_.AddOutcome(std::move(outcome)); }

  // Sends what AddOutcome() was given. A run that keeps checkpoints calls it once state(), which holds the outcomes
  // that have not been sent, is written: if it is killed and goes on, it then never sends other figures for a round
  // that it has reported. What the planner refuses is never an error; JobRounds::SendOutcomes has the rules.
  void SendOutcomes();

  // Returns the lines worth telling since the last call: requires_grad that someone else changed, executed FLOPs that
  // differ from predicted ones at the first step of a round, and the first outcome that the planner did not take.
  std::vector<std::string> TakeNotices();

  const std::string& job() const { return options_.job; }
  int64_t next_round() const { return rounds_.next_round(); }
  const std::optional<v1::Plan>& plan() const { return rounds_.plan(); }  // In force; none before the first round.
  const ModelProfile& profile() const { return profile_; }                // Empty before the job is created.

 private:
  struct InStepProbe;

  TrainingSession(std::shared_ptr<Connection> connection, SessionOptions options, NamedParameters parameters);

  const NamedParameters& parameters() const { return execution_.parameters(); }

  // Returns InvalidArgument if options contradict each other or do not fit the parameters.
  absl::Status CheckOptions() const;
  StepProfileOptions ProfileOptions() const;
  // Creates the job with the profile, and keeps it as profile_.
  absl::Status CreateJobFrom(absl::StatusOr<ModelProfile> profile);
  std::vector<bool> TensorsThatTrain() const;  // Under the plan in force; before the first, all that are measured.
  // Asks the planner, applies the plan and puts it in force.
  absl::StatusOr<Round> PlanRound(v1::ImportanceReport report);
  // Counts a round in which the planner is not asked.
  absl::StatusOr<Round> KeepPlan();
  // Reads a plan against the profile, enforces it, and describes it as a Round.
  absl::StatusOr<Round> Apply(const v1::Plan& plan);
  // Executes `plan` from now on, and places the optimizer's state of the tensors that it freezes.
  absl::Status Enforce(const Plan& plan);
  // Returns Round::drift for the plans `before` and `after` by the importance in `report`.
  std::optional<double> Drift(const v1::ImportanceReport& report, const v1::Plan& before, const v1::Plan& after) const;
  // Tells the drift schedule what the round cost and found.
  absl::Status ScheduleNextRound(const Round& round, int64_t probe_flops);
  // Begins a step from whose gradients `probe` measures.
  void BeginMeasuringStep(InStepProbe& probe);
  // Returns what a step that measures these tensors ([num_tensors]) runs. Before there is a job its cost is 0.
  StepPlan MeasuringStep(const std::vector<bool>& measured) const;
  // Creates the job from the graph of `loss` if there is none yet, and measures sensitivity if that is due.
  absl::Status PrepareInStepProbe(const at::Tensor& loss);
  // Measures importance from the gradients of the current step, if the method plans by it.
  absl::Status MeasureStep();
  // Gives all ranks what rank 0 measured.
  absl::Status AgreeOn(std::optional<double>& measured) const;

  const SessionOptions options_;
  JobRounds rounds_;
  ModelProfile profile_;
  PlanExecution execution_;
  const RoundProbe round_probe_;

  DriftSchedule drift_schedule_;
  StepProbe step_probe_;
  bool is_averaged_ = false;  // Whether this step's gradients are.
  std::vector<std::string> notices_;

  std::unique_ptr<InStepProbe> in_step_probe_;  // One that has begun.
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_TRAINING_SESSION_H_
