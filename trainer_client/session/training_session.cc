#include "trainer_client/session/training_session.h"

#include <chrono>
#include <cstddef>
#include <exception>
#include <random>
#include <set>
#include <utility>

#include "ATen/core/grad_mode.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "c10/util/Exception.h"
#include "planner/convert/convert.h"
#include "planner/convert/names.h"
#include "trainer_client/session/random_state.h"
#include "trainer_client/session/trainable.h"

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

NamedParameters Distinct(NamedParameters parameters) {
  std::set<const at::TensorImpl*> seen;
  std::erase_if(parameters, [&](const auto& entry) { return !seen.insert(entry.second.unsafeGetTensorImpl()).second; });
  return parameters;
}

// `run()`, with whatever LibTorch or a loss function throws as Internal: "WHAT failed: ...".
template <typename Function>
auto WithoutExceptions(absl::string_view what, const Function& run) -> decltype(run()) {
  try {
    return run();
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat(what, " failed: ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(what, " failed: ", error.what()));
  }
}

// The cost model of the step that `loss` computes, read off its graph with every candidate requiring grad.
absl::StatusOr<ModelProfile> ProfileStep(const NamedParameters& parameters, const std::vector<bool>& candidates,
                                         const LossFunction& loss) {
  RandomStateGuard keep_random_state;
  TrainableGuard keep_trainable(parameters);
  SetTrainable(parameters, candidates);
  return WithoutExceptions("the profiled forward pass", [&]() -> absl::StatusOr<ModelProfile> {
    at::AutoGradMode record(true);
    return profiler::Profile(loss(0), parameters);
  });
}

}  // namespace

TrainingSession::TrainingSession(std::shared_ptr<Connection> connection, SessionOptions options,
                                 NamedParameters parameters)
    : options_(std::move(options)),
      parameters_(Distinct(std::move(parameters))),
      candidates_(GetTrainable(parameters_)),
      rounds_(std::move(connection), absl::StrCat("jobs/", options_.job)) {}

absl::StatusOr<std::unique_ptr<TrainingSession>> TrainingSession::Create(std::shared_ptr<Connection> connection,
                                                                         SessionOptions options,
                                                                         NamedParameters parameters) {
  const v1::Method method = EffectiveMethod(options.plan);
  if (method != v1::METHOD_FULL && method != v1::METHOD_SELECTION) {
    return absl::UnimplementedError(absl::StrCat(
        "method ", MethodName(method), " is not built into the training session yet; full and selection are"));
  }
  if (parameters.empty()) return absl::InvalidArgumentError("parameters is empty; at least one is needed");
  if (options.importance.probe_batches < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("importance.probe_batches is ", options.importance.probe_batches, "; it must be >= 1"));
  }
  options.plan.set_method(method);
  if (options.job.empty()) options.job = UniqueJob();
  return std::unique_ptr<TrainingSession>(
      new TrainingSession(std::move(connection), std::move(options), std::move(parameters)));
}

absl::Status TrainingSession::CreateJob(const LossFunction& loss) {
  if (rounds_.has_job()) return absl::OkStatus();
  absl::StatusOr<ModelProfile> profile = ProfileStep(parameters_, candidates_, loss);
  if (!profile.ok()) return profile.status();
  profile->model = options_.model;
  if (absl::Status status = rounds_.CreateJob(ModelProfileToProto(*profile), options_.plan); !status.ok()) {
    return status;
  }
  profile_ = *std::move(profile);
  return absl::OkStatus();
}

absl::StatusOr<v1::ImportanceReport> TrainingSession::Measure(const LossFunction& loss,
                                                              const RoundLabels& labels) const {
  v1::ImportanceReport report;
  report.set_epoch(labels.epoch);
  report.set_step(labels.step);
  report.set_sample_count(labels.sample_count);
  report.set_metric(options_.importance.metric);
  const std::set<std::string> never(options_.plan.never().begin(), options_.plan.never().end());
  const bool plan_needs_importance = options_.plan.method() != v1::METHOD_FULL;
  std::vector<bool> measured(parameters_.size());
  for (size_t i = 0; i < parameters_.size(); ++i) {
    measured[i] = plan_needs_importance && profile_.tensors[i].op != kNone && !never.contains(parameters_[i].first);
    if (!measured[i]) report.add_unmeasured(static_cast<int>(i));
  }
  std::vector<double> importance(parameters_.size(), 0.0);
  if (plan_needs_importance) {
    absl::StatusOr<std::vector<double>> result = MeasureImportance(parameters_, measured, options_.importance, loss);
    if (!result.ok()) return result.status();
    importance = *std::move(result);
  }
  report.mutable_importance()->Assign(importance.begin(), importance.end());
  return report;
}

absl::StatusOr<Round> TrainingSession::BeginRound(const LossFunction& loss, const RoundLabels& labels) {
  Round round;
  const Stopwatch probe;
  if (absl::Status status = CreateJob(loss); !status.ok()) return status;
  absl::StatusOr<v1::ImportanceReport> report = Measure(loss, labels);
  if (!report.ok()) return report.status();
  const double probe_seconds = probe.seconds();
  const Stopwatch planning;
  absl::StatusOr<JobRounds::Answer> answer = rounds_.PlanNextRound(*std::move(report));
  if (!answer.ok()) return answer.status();
  absl::StatusOr<Round> applied = Apply(answer->plan);
  if (!applied.ok()) return applied.status();
  rounds_.TakeOver(*answer);
  applied->notice = std::move(answer->notice);
  applied->probe_seconds = probe_seconds;
  applied->plan_seconds = planning.seconds();
  return applied;
}

absl::StatusOr<Round> TrainingSession::Continue(const LossFunction& loss, const v1::Plan& plan, int64_t next_round) {
  if (absl::Status status = CreateJob(loss); !status.ok()) return status;
  absl::StatusOr<Round> applied = Apply(plan);
  if (applied.ok()) rounds_.Continue(plan, next_round);
  return applied;
}

absl::StatusOr<Round> TrainingSession::Apply(const v1::Plan& message) {
  absl::StatusOr<Plan> plan = PlanFromProto(message, profile_);
  if (!plan.ok()) return plan.status();
  SetTrainable(parameters_, plan->trainable);
  Round round{.plan = message,
              .predicted_backward_cost = plan->predicted_backward_cost,
              .full_backward_cost = plan->full_cost - profile_.forward_cost};
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (plan->trainable[i]) round.trainable.push_back(parameters_[i].first);
  }
  return round;
}

absl::StatusOr<bool> TrainingSession::Backward(const at::Tensor& loss) const {
  return WithoutExceptions("backward", [&]() -> absl::StatusOr<bool> {
    if (!loss.requires_grad()) return false;
    loss.backward();
    return true;
  });
}

}  // namespace greenplan::trainer
