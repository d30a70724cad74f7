#include "trainer_client/session/training_session.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <random>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "planner/convert/convert.h"
#include "planner/convert/names.h"
#include "planner/core/cost.h"
#include "profiler/autograd/executed_flops.h"
#include "trainer_client/optimizer/distinct_parameters.h"
#include "trainer_client/parallel/rank_group.h"
#include "trainer_client/session/in_step_importance.h"
#include "trainer_client/session/plan_drift.h"
#include "trainer_client/session/without_exceptions.h"

namespace greenplan::trainer {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

std::string UniqueJob() {
  std::random_device random;
  return absl::StrCat("job-", absl::Hex(random(), absl::kZeroPad8), absl::Hex(random(), absl::kZeroPad8));
}

// Returns the first name that comes twice, or an empty text.
template <typename Entries, typename NameOf>
std::string FirstRepeated(const Entries& entries, const NameOf& name_of) {
  std::set<std::string> seen;
  for (const auto& entry : entries) {
    if (!seen.insert(name_of(entry)).second) return name_of(entry);
  }
  return "";
}

}  // namespace

struct TrainingSession::InStepProbe {
  RoundOptions options;
  std::vector<bool> measured;                  // [num_tensors]
  std::optional<InStepImportance> importance;  // If the method plans by it, once the first step has run backward.
  bool has_measured_step = false;              // The current one.
  int64_t backward_cost = 0;                   // Beyond the plan in force, of the steps before the last.
  double seconds = 0;
  std::unique_ptr<const profiler::ExecutedFlopsCounter> forward;  // Of the forward pass that is profiled.
  std::unique_ptr<const BranchOutputs> outputs;                   // Of the one that sensitivity is measured from.
  std::vector<double> sensitivity;
  int64_t sensitivity_flops = 0;  // Executed in backward to measure it.

  // Forgets a forward pass of which no backward pass has come.
  void LetGoOfForward() {
    forward.reset();
    outputs.reset();
  }
};

TrainingSession::TrainingSession(std::shared_ptr<Connection> connection, SessionOptions options,
                                 NamedParameters parameters)
    : options_(std::move(options)),
      rounds_(std::move(connection), absl::StrCat("jobs/", options_.job)),
      execution_(DistinctParameters(std::move(parameters)), options_.branches, options_.draw_per),
      round_probe_(options_, execution_.parameters(), profile_) {}

TrainingSession::~TrainingSession() = default;

absl::StatusOr<std::unique_ptr<TrainingSession>> TrainingSession::Create(std::shared_ptr<Connection> connection,
                                                                         SessionOptions options,
                                                                         NamedParameters parameters) {
  if (parameters.empty()) return absl::InvalidArgumentError("parameters is empty; at least one is needed");
  options.plan.set_method(EffectiveMethod(options.plan));
  if (options.job.empty()) options.job = UniqueJob();
  if (options.ranks != nullptr) {
    absl::StatusOr<std::string> job = options.ranks->Broadcast(options.job);
    if (!job.ok()) return job.status();
    options.job = *std::move(job);
  }
  if (options.importance.update_rule == nullptr) options.importance.update_rule = options.optimizer;
  std::unique_ptr<TrainingSession> session(
      new TrainingSession(std::move(connection), std::move(options), std::move(parameters)));
  if (absl::Status status = session->CheckOptions(); !status.ok()) return status;
  if (SelectsTensors(session->options_.plan)) {
    if (absl::Status status = ValidateImportanceOptions(session->options_.importance); !status.ok()) return status;
  }
  return session;
}

absl::Status TrainingSession::CheckOptions() const {
  const std::string tensor = FirstRepeated(parameters(), [](const auto& entry) { return entry.first; });
  if (!tensor.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("parameters holds two tensors with the name ", tensor,
                                                   "; allowed: a name of its own for each tensor"));
  }
  const std::string branch = FirstRepeated(options_.branches, [](const auto& entry) { return entry.name(); });
  if (!branch.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("options.branches holds two branches with the name ", branch,
                                                   "; allowed: a name of its own for each residual block"));
  }
  if (options_.optimizer == nullptr) return absl::OkStatus();
  const std::set<std::string> never(options_.plan.never().begin(), options_.plan.never().end());
  for (size_t i = 0; i < parameters().size(); ++i) {
    const auto& [name, parameter] = parameters()[i];
    if (!execution_.candidates()[i] || never.contains(name) || options_.optimizer->Owns(parameter)) continue;
    return absl::InvalidArgumentError(absl::StrCat("options.optimizer does not step ", name,
                                                   ", which requires grad; give the tensor to the optimizer, name it ",
                                                   "in options.plan.never, or freeze it"));
  }
  return absl::OkStatus();
}

StepProfileOptions TrainingSession::ProfileOptions() const {
  return {.model = options_.model, .plan = options_.plan, .branches = options_.branches, .buffers = options_.buffers};
}

absl::Status TrainingSession::CreateJob(const LossFunction& loss) {
  if (rounds_.has_job()) return absl::OkStatus();
  return CreateJobFrom(ProfileStep(loss, parameters(), execution_.candidates(), ProfileOptions()));
}

absl::Status TrainingSession::CreateJobFrom(absl::StatusOr<ModelProfile> profile) {
  if (!profile.ok()) return profile.status();
  if (absl::Status status = rounds_.CreateJob(ModelProfileToProto(*profile), options_.plan); !status.ok()) {
    return status;
  }
  profile_ = *std::move(profile);
  return absl::OkStatus();
}

std::vector<bool> TrainingSession::TensorsThatTrain() const {
  std::vector<bool> trains = round_probe_.MeasuredTensors();
  for (size_t i = 0; i < trains.size(); ++i) trains[i] = trains[i] && execution_.mask()[i];
  return trains;
}

absl::StatusOr<Round> TrainingSession::BeginRound(const LossFunction& loss, const RoundOptions& options) {
  EndStep();
  const Stopwatch probe;
  if (absl::Status status = CreateJob(loss); !status.ok()) return status;
  if (!rounds_.AsksPlanner()) return KeepPlan();
  const profiler::ExecutedFlopsCounter counter;
  absl::StatusOr<v1::ImportanceReport> report = round_probe_.Measure(loss, options);
  if (!report.ok()) return report.status();
  const int64_t probe_flops = counter.forward_flops() + counter.backward_flops();
  const double probe_seconds = probe.seconds();
  absl::StatusOr<Round> round = PlanRound(*std::move(report));
  if (!round.ok()) return round.status();
  in_step_probe_.reset();
  execution_.UndefineFrozenGradients();
  round->probe_seconds = probe_seconds;
  if (absl::Status status = ScheduleNextRound(*round, probe_flops); !status.ok()) return status;
  return round;
}

absl::StatusOr<Round> TrainingSession::PlanRound(v1::ImportanceReport report) {
  const Stopwatch planning;
  absl::StatusOr<JobRounds::Answer> answer = rounds_.PlanNextRound(report);
  if (!answer.ok()) return answer.status();
  std::optional<double> drift;
  if (rounds_.plan().has_value() && answer->is_new) {
    drift = Drift(report, *rounds_.plan(), answer->plan);
    if (absl::Status status = AgreeOn(drift); !status.ok()) return status;
  }
  absl::StatusOr<Round> applied = Apply(answer->plan);
  if (!applied.ok()) return applied.status();
  applied->drift = drift;
  rounds_.TakeOver(*answer);
  for (size_t i = 0; i < execution_.mask().size(); ++i) {
    if (execution_.mask()[i]) applied->importance_sum += report.importance(static_cast<int>(i));
  }
  applied->notice = std::move(answer->notice);
  applied->plan_seconds = planning.seconds();
  return applied;
}

absl::StatusOr<Round> TrainingSession::KeepPlan() {
  drift_schedule_.PassOver(execution_.steps());
  absl::StatusOr<Round> round = Apply(rounds_.KeepPlan().plan);
  if (round.ok()) round->is_measured = false;
  return round;
}

// All ranks go by what rank 0 measured, so that the next round is due at the same step on each.
absl::Status TrainingSession::AgreeOn(std::optional<double>& measured) const {
  if (options_.ranks == nullptr) return absl::OkStatus();
  const absl::StatusOr<std::string> agreed =
      options_.ranks->Broadcast(measured.has_value() ? absl::StrCat(*measured) : "");
  if (!agreed.ok()) return agreed.status();
  double value = 0;
  measured = absl::SimpleAtod(*agreed, &value) ? std::optional<double>(value) : std::nullopt;
  return absl::OkStatus();
}

std::optional<double> TrainingSession::Drift(const v1::ImportanceReport& report, const v1::Plan& before,
                                             const v1::Plan& after) const {
  if (!SelectsTensors(options_.plan)) return std::nullopt;
  const absl::StatusOr<Plan> old_plan = PlanFromProto(before, profile_), new_plan = PlanFromProto(after, profile_);
  if (!old_plan.ok() || !new_plan.ok()) return std::nullopt;
  return PlanDrift(profile_, report, *old_plan, *new_plan);
}

absl::Status TrainingSession::ScheduleNextRound(const Round& round, int64_t probe_flops) {
  const double step_flops = static_cast<double>(profile_.forward_cost + round.predicted_backward_cost) *
                            static_cast<double>(options_.micro_batches);
  std::optional<double> price = step_flops > 0 ? static_cast<double>(probe_flops) / step_flops : 0;
  if (absl::Status status = AgreeOn(price); !status.ok()) return status;
  drift_schedule_.AddRound(execution_.steps(), *price, round.drift);
  return absl::OkStatus();
}

absl::StatusOr<Round> TrainingSession::Apply(const v1::Plan& message) {
  absl::StatusOr<Plan> plan = PlanFromProto(message, profile_);
  if (!plan.ok()) return plan.status();
  if (absl::Status status = Enforce(*plan); !status.ok()) return status;
  Round round{.plan = message,
              .predicted_backward_cost = plan->predicted_backward_cost,
              .full_backward_cost = plan->full_cost - profile_.forward_cost};
  for (size_t i = 0; i < parameters().size(); ++i) {
    if (execution_.mask()[i]) round.trainable.push_back(parameters()[i].first);
  }
  for (size_t b = 0; b < plan->drop_rates.size(); ++b) {
    round.drop_rates.emplace_back(profile_.blocks[b], plan->drop_rates[b]);
  }
  return round;
}

absl::Status TrainingSession::Enforce(const Plan& plan) {
  std::vector<at::Tensor> frozen;
  for (size_t i = 0; i < plan.trainable.size(); ++i) {
    if (!plan.trainable[i]) frozen.push_back(parameters()[i].second);
  }
  return WithoutExceptions("applying a plan", [&] {
    if (options_.optimizer != nullptr) options_.optimizer->PlaceState(frozen, options_.frozen_state);
    execution_.Enforce(profile_, plan);
    return absl::OkStatus();
  });
}

absl::Status TrainingSession::TrainEverything(const LossFunction& loss) {
  EndStep();
  if (absl::Status status = CreateJob(loss); !status.ok()) return status;
  in_step_probe_.reset();
  return Enforce({.method = Method::kFull, .trainable = round_probe_.MeasuredTensors()});
}

absl::StatusOr<std::optional<Round>> TrainingSession::Continue(const LossFunction& loss, const SessionState& state) {
  if (absl::Status status = CreateJob(loss); !status.ok()) return status;
  std::optional<Round> round;
  if (state.plan.has_value()) {
    if (absl::Status status = rounds_.CheckProfile(*state.plan); !status.ok()) return status;
    absl::StatusOr<Round> applied = Apply(*state.plan);
    if (!applied.ok()) return applied.status();
    if (absl::Status status = rounds_.Continue(*state.plan, state.next_round); !status.ok()) return status;
    round = *std::move(applied);
  }
  execution_.set_steps(state.next_step);
  drift_schedule_.set_state(state.drift);
  rounds_.set_outcomes(state.outcomes);
  return round;
}

SessionState TrainingSession::state() const {
  return {.plan = rounds_.plan(),
          .next_round = rounds_.next_round(),
          .next_step = execution_.steps(),
          .drift = drift_schedule_.state(),
          .outcomes = rounds_.outcomes()};
}

void TrainingSession::SendOutcomes() {
  std::string notice = rounds_.SendOutcomes();
  if (!notice.empty()) notices_.push_back(std::move(notice));
}

absl::Status TrainingSession::BeginRoundInStep(const RoundOptions& options) {
  EndStep();
  if (!rounds_.AsksPlanner()) return KeepPlan().status();
  in_step_probe_ = std::make_unique<InStepProbe>(InStepProbe{
      .options = options, .measured = rounds_.has_job() ? round_probe_.MeasuredTensors() : execution_.candidates()});
  return absl::OkStatus();
}

absl::Status TrainingSession::BeginStep() {
  EndStep();
  if (!execution_.has_plan() && in_step_probe_ == nullptr) {
    return absl::FailedPreconditionError("BeginStep() came before the first BeginRound() or BeginRoundInStep()");
  }
  is_averaged_ = false;
  step_probe_ = {};
  if (in_step_probe_ == nullptr) {
    execution_.BeginStep();
  } else {
    BeginMeasuringStep(*in_step_probe_);
  }
  return absl::OkStatus();
}

void TrainingSession::BeginMeasuringStep(InStepProbe& probe) {
  probe.has_measured_step = false;
  execution_.BeginOpenStep(MeasuringStep(probe.measured));
  if (!rounds_.has_job()) probe.forward = std::make_unique<const profiler::ExecutedFlopsCounter>();
  // Of the first step, if there are several.
  if (probe.sensitivity.empty() && round_probe_.MeasuresSensitivity(probe.options)) {
    probe.outputs = std::make_unique<const BranchOutputs>(options_.branches);
  }
}

StepPlan TrainingSession::MeasuringStep(const std::vector<bool>& measured) const {
  StepPlan everything{.reached = measured};
  if (rounds_.has_job()) everything.predicted_backward_cost = EvaluateMask(profile_, measured).backward_cost;
  return everything;
}

absl::StatusOr<bool> TrainingSession::Backward(const at::Tensor& loss) {
  if (in_step_probe_ != nullptr && execution_.is_open()) {
    if (absl::Status status = PrepareInStepProbe(loss); !status.ok()) return status;
  }
  return execution_.Backward(loss);
}

std::vector<std::string> TrainingSession::TakeNotices() {
  std::vector<std::string> notices = execution_.TakeNotices();
  std::move(notices_.begin(), notices_.end(), std::back_inserter(notices));
  notices_.clear();
  return notices;
}

void TrainingSession::EndStep() {
  if (in_step_probe_ != nullptr) in_step_probe_->LetGoOfForward();
  execution_.EndStep();
}

absl::Status TrainingSession::AverageGradients() {
  if (options_.ranks == nullptr) return absl::OkStatus();
  if (absl::Status status = execution_.CheckIsInStep("AverageGradients()"); !status.ok()) return status;
  if (std::exchange(is_averaged_, true)) return absl::OkStatus();
  return WithoutExceptions("averaging gradients",
                           [&] { return options_.ranks->Average(execution_.GradientsOfStep()); });
}

absl::Status TrainingSession::PrepareInStepProbe(const at::Tensor& loss) {
  InStepProbe& probe = *in_step_probe_;
  if (!rounds_.has_job()) {
    const std::unique_ptr<const profiler::ExecutedFlopsCounter> forward = std::move(probe.forward);
    const int64_t executed = forward == nullptr ? 0 : forward->forward_flops();
    const absl::Status created = CreateJobFrom(ProfileLoss(loss, parameters(), ProfileOptions(), executed));
    if (!created.ok()) return created;
    // The profile had to see tensors that never train. Autograd leaves out a leaf that no longer requires grad.
    probe.measured = round_probe_.MeasuredTensors();
    execution_.SetOpenStep({.reached = probe.measured,
                            .predicted_backward_cost = EvaluateMask(profile_, FullMask(profile_)).backward_cost});
  }
  if (probe.outputs == nullptr) return absl::OkStatus();
  const std::unique_ptr<const BranchOutputs> outputs = std::move(probe.outputs);
  const profiler::ExecutedFlopsCounter counter;
  absl::StatusOr<std::vector<double>> sensitivity = round_probe_.SensitivityOf(*outputs, loss);
  if (!sensitivity.ok()) return sensitivity.status();
  probe.sensitivity = *std::move(sensitivity);
  probe.sensitivity_flops = counter.backward_flops();
  step_probe_.sensitivity_flops = probe.sensitivity_flops;
  return absl::OkStatus();
}

absl::Status TrainingSession::MeasureStep() {
  const Stopwatch stopwatch;
  InStepProbe& probe = *in_step_probe_;
  probe.has_measured_step = true;
  if (SelectsTensors(options_.plan)) {
    if (!probe.importance.has_value()) probe.importance.emplace(parameters(), options_.importance);
    if (absl::Status status = probe.importance->AddStep(round_probe_.MeasuredTensors(), execution_.mask());
        !status.ok()) {
      probe.importance.reset();  // The next step measures from the beginning.
      return status;
    }
  }
  probe.seconds += stopwatch.seconds();
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Round>> TrainingSession::PlanFromGradients() {
  if (in_step_probe_ == nullptr || !execution_.is_open() || in_step_probe_->has_measured_step) return std::nullopt;
  if (execution_.micro_batches() == 0) {
    return absl::FailedPreconditionError(
        "no Backward() has run in the step that measures; a step that passes over its batch ends with EndStep()");
  }
  if (absl::Status status = MeasureStep(); !status.ok()) return status;
  const int64_t executed = step_plan().predicted_backward_cost;
  if (in_step_probe_->importance.has_value() && !in_step_probe_->importance->is_complete()) {
    step_probe_.backward_cost = executed - EvaluateMask(profile_, TensorsThatTrain()).backward_cost;
    in_step_probe_->backward_cost += step_probe_.backward_cost;
    execution_.UndefineFrozenGradients();
    return std::nullopt;
  }
  const std::unique_ptr<InStepProbe> probe = std::move(in_step_probe_);
  const Importance* importance = probe->importance.has_value() ? &probe->importance->result() : nullptr;
  absl::StatusOr<Round> round = PlanRound(round_probe_.Report(probe->options, importance, probe->sensitivity));
  if (!round.ok()) return round.status();
  execution_.UndefineFrozenGradients();
  step_probe_.backward_cost = executed - step_plan().predicted_backward_cost;
  round->probe_seconds = probe->seconds;
  round->sensitivity_flops = probe->sensitivity_flops;
  round->probe_backward_cost = probe->backward_cost + step_probe_.backward_cost;
  const int64_t probe_flops = round->probe_backward_cost * options_.micro_batches + round->sensitivity_flops;
  if (absl::Status status = ScheduleNextRound(*round, probe_flops); !status.ok()) return status;
  return std::optional<Round>(*std::move(round));
}

absl::StatusOr<std::optional<Round>> TrainingSession::Step() {
  if (options_.optimizer == nullptr) {
    return absl::FailedPreconditionError(
        "options.optimizer is null; give the optimizer, or step it and call EndStep()");
  }
  if (absl::Status status = execution_.CheckIsInStep("Step()"); !status.ok()) return status;
  absl::StatusOr<std::optional<Round>> round = PlanFromGradients();
  if (!round.ok()) return round.status();
  if (absl::Status status = AverageGradients(); !status.ok()) return status;
  const absl::Status stepped = WithoutExceptions("the optimizer's step", [&] {
    options_.optimizer->Step();
    options_.optimizer->ClearGradients();
    return absl::OkStatus();
  });
  if (!stepped.ok()) return stepped;
  EndStep();
  return round;
}

}  // namespace greenplan::trainer
