#include "trainer_client/finetune/finetune_run.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "ATen/Context.h"
#include "absl/strings/str_cat.h"
#include "planner/convert/convert.h"
#include "planner/convert/files.h"
#include "planner/convert/plan_json.h"
#include "planner/files/files.h"
#include "planner/files/json_reader.h"
#include "profiler/autograd/profile_time.h"
#include "trainer_client/finetune/batch_loss.h"
#include "trainer_client/finetune/epoch_table.h"
#include "trainer_client/finetune/evaluate.h"
#include "trainer_client/finetune/peak_memory.h"
#include "trainer_client/finetune/run_identity.h"
#include "trainer_client/finetune/run_ranks.h"
#include "trainer_client/finetune/saved_random_state.h"
#include "trainer_client/parallel/shared_connection.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

// InvalidArgument if the machine or LibTorch does not have it.
absl::StatusOr<at::Device> DeviceNamed(const std::string& name) {
  const bool has_gpu = at::hasCUDA() && at::getNumGPUs() > 0;
  if (name == "cpu" || (name == "auto" && !has_gpu)) return at::Device(at::kCPU);
  if (name == "auto") return at::Device(at::kCUDA, 0);
  const at::Device device(name == "cuda" ? "cuda:0" : name);
  if (has_gpu && static_cast<size_t>(device.index()) < static_cast<size_t>(at::getNumGPUs())) return device;
  return absl::InvalidArgumentError(absl::StrCat(
      "--device is ", name, "; allowed: auto, cpu",
      has_gpu ? absl::StrCat(", cuda:0 to cuda:", at::getNumGPUs() - 1) : ", because LibTorch sees no GPU here"));
}

std::optional<at::ScalarType> AutocastType(const FinetuneOptions& options) {
  return options.dtype == "bfloat16" ? std::optional<at::ScalarType>(at::kBFloat16) : std::nullopt;
}

int64_t ProbeSteps(const FinetuneOptions& options) {
  return SelectsTensors(options.plan) && options.probe == "in-step" ? options.probe_batches : 1;
}

// A batch that came twice would be fitted against itself.
absl::Status CheckProbeBatches(const FinetuneOptions& options, int64_t steps_per_epoch) {
  if (!SelectsTensors(options.plan)) return absl::OkStatus();
  const bool is_in_step = options.probe == "in-step";
  const int64_t limit = is_in_step ? steps_per_epoch : steps_per_epoch * options.grad_accum;
  if (options.probe_batches <= limit) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--probe-batches is ", options.probe_batches, "; allowed",
                                                 is_in_step ? " with --probe in-step" : "", ": at most ", limit,
                                                 is_in_step ? ", the steps of an epoch" : ", the batches of an epoch"));
}

// The parameters that the run may train: with adapters those of the adapters alone.
AdamW::NamedParameters TrainableParameters(const CausalLm& model) {
  AdamW::NamedParameters trainable;
  for (const auto& parameter : model.named_parameters().pairs()) {
    if (parameter.second.requires_grad()) trainable.push_back(parameter);
  }
  return trainable;
}

FrozenState FrozenStateOf(const FinetuneOptions& options) {
  if (options.optimizer_state == "offload") return FrozenState::kOffload;
  return options.optimizer_state == "drop" ? FrozenState::kDrop : FrozenState::kKeep;
}

}  // namespace

FinetuneRun::FinetuneRun(const FinetuneOptions& options, const FinetuneIo& io, Inputs inputs, OutputFolder* output,
                         RankGroup* ranks)
    : options_(options),
      io_(io),
      inputs_(std::move(inputs)),
      output_(output),
      ranks_(ranks),
      optimizer_(TrainableParameters(model()),
                 {.learning_rate = options.learning_rate, .weight_decay = options.weight_decay}),
      progress_bar_(io.err, io.show_progress && leads()) {}

absl::Status FinetuneRun::Run(std::shared_ptr<Connection> connection, const std::string& resume_from) {
  const bool resumes = !resume_from.empty();
  absl::StatusOr<at::Device> device = DeviceNamed(options_.device);
  if (!device.ok()) return device.status();
  if (!device->is_cpu()) model().to(*device);
  model().set_checkpoints_activations(options_.checkpoint_activations);
  if (resumes) {
    if (absl::Status status = LoadState(resume_from); !status.ok()) return status;
  }
  if (ranks_ != nullptr) {
    if (absl::Status status = CheckSameRun(Identity(), WeightsDigest(model()), *ranks_); !status.ok()) return status;
  }
  if (options_.epochs > state_.last_epoch()) {
    if (absl::Status status = StartTraining(std::move(connection)); !status.ok()) return status;
  }
  if (resumes) {
    if (absl::Status status = RestoreRandomState(state_, options_.output); !status.ok()) return status;
  }
  PrintLine(EpochTableHeader());
  for (const EpochReport& epoch : state_.epochs) PrintLine(EpochTableRow(epoch));
  if (state_.epochs.empty()) {
    FinishEpoch(EpochReport{.tensor_count = static_cast<int64_t>(TrainableParameters(model()).size())});
    if (options_.epochs == 0) {
      if (absl::Status status = Save(); !status.ok()) return status;
    }
  }
  return TrainEpochs();
}

absl::Status FinetuneRun::TrainEpochs() {
  for (int64_t epoch = state_.last_epoch() + 1; epoch <= options_.epochs; ++epoch) {
    absl::StatusOr<EpochReport> trained = trainer_->TrainEpoch(epoch, std::exchange(state_.partial, std::nullopt));
    progress_bar_.Clear();
    if (absl::IsCancelled(trained.status()) && io_.after_step) return absl::OkStatus();
    if (!trained.ok()) return trained.status();
    FinishEpoch(*std::move(trained));
    if (absl::Status status = Save(); !status.ok()) return status;
    SendOutcomes();
    if (io_.after_epoch && !io_.after_epoch(state_.epochs.back())) return absl::OkStatus();
  }
  const profiler::EnergyTotal& energy = state_.progress.energy;
  if (!energy.sources.empty()) PrintLine(EnergyLine(energy, options_.grid_grams_per_kwh));
  return WriteReport();
}

json FinetuneRun::Identity() const { return IdentityOfRun(options_, inputs_.train.seq_len, inputs_.train_rows.size()); }

absl::Status FinetuneRun::LoadState(const std::string& folder) {
  absl::StatusOr<RunState> state = LoadRun(folder, model(), optimizer_);
  if (!state.ok()) return state.status();
  state_ = *std::move(state);
  seconds_before_ = state_.seconds;
  // The learning rate of every step depends on the number of epochs, so a run has the number that it began with.
  const bool is_finished =
      state_.identity.is_object() && state_.identity.value("--epochs", json()) == state_.last_epoch();
  const bool trains = options_.epochs > 0 && !(is_finished && options_.epochs == state_.last_epoch());
  if (state_.identity.is_null() || !trains) return absl::OkStatus();
  return CheckSameIdentity(Identity(), state_.identity, options_.output);
}

TrainingSetup FinetuneRun::Setup() {
  const int64_t rows = static_cast<int64_t>(inputs_.train_rows.size());
  const int64_t rows_per_step = options_.batch_size * options_.grad_accum * options_.world_size;
  const int64_t total_steps = EpochTrainer::StepsPerEpoch(rows, rows_per_step) * options_.epochs;
  const bool allocates = DropsBlocks(options_.plan) && options_.plan.allocation() != v1::ALLOCATION_UNIFORM;
  return {
      .model = model(),
      .optimizer = optimizer_,
      .session = *session_,
      .energy_meter = *energy_meter_,
      .progress = state_.progress,
      .time_profile = time_profile_,
      .data = inputs_.train,
      .rows = inputs_.train_rows,
      .batch_size = options_.batch_size,
      .grad_accum = options_.grad_accum,
      .clip_norm = options_.clip_norm,
      .schedule = {.peak = options_.learning_rate,
                   .warmup_steps = std::min(options_.warmup_steps, total_steps),
                   .total_steps = total_steps},
      .seed = options_.seed,
      .plan_every = options_.plan_every,
      .plans_by_drift = options_.plans_by_drift,
      .probe = options_.probe == "in-step" ? Probe::kInStep : Probe::kSeparate,
      .probe_batches = options_.probe_batches,
      .probe_steps = ProbeSteps(options_),
      .measures_importance = SelectsTensors(options_.plan),
      .uniform_steps =
          allocates ? static_cast<int64_t>(std::ceil(options_.uniform_until * static_cast<double>(total_steps))) : 0,
      .warmup_rounds = options_.warmup_rounds,
      .autocast = AutocastType(options_),
      .checkpoint_every = options_.checkpoint_every,
      .ranks = ranks_};
}

TrainingObserver FinetuneRun::Observer() {
  return {.save = [this](const PartialEpoch& epoch) { return SaveWithinEpoch(epoch); },
          .goes_on = io_.after_step,
          .step =
              [this](int64_t epoch, int64_t done, int64_t total, double loss) {
                progress_bar_.Update(absl::StrCat("epoch ", epoch, "/", options_.epochs), done, total, loss);
              },
          .remark = [this](const std::string& text) { Remark(text); }};
}

absl::Status FinetuneRun::StartTraining(std::shared_ptr<Connection> connection) {
  const SessionOptions session_options{
      .job = options_.job.empty() ? state_.job : options_.job,
      .model = model().model_type(),
      .plan = options_.plan,
      .optimizer = &optimizer_,
      .importance = {.metric = options_.importance_metric, .probe_batches = static_cast<int>(options_.probe_batches)},
      .branches = model().residual_branches(),
      .sensitivity = options_.sensitivity == "norm_difference" ? SensitivityDefinition::kNormDifference
                                                               : SensitivityDefinition::kGradientDifference,
      .draw_per = options_.draw_per == "micro-batch" ? DrawPer::kMicroBatch : DrawPer::kStep,
      .frozen_state = FrozenStateOf(options_),
      .ranks = ranks_,
      .micro_batches = static_cast<int>(options_.grad_accum)};
  if (ranks_ != nullptr) {
    const SharedPlanner planner = options_.planner == "local" ? SharedPlanner::kLocal : SharedPlanner::kDaemon;
    connection = ShareConnection(std::move(connection), planner, *ranks_);
  }
  absl::StatusOr<std::unique_ptr<TrainingSession>> session =
      TrainingSession::Create(std::move(connection), session_options, model().named_parameters().pairs());
  if (!session.ok()) return session.status();
  session_ = *std::move(session);
  absl::StatusOr<std::unique_ptr<profiler::EnergyMeter>> meter =
      profiler::EnergyMeter::Create(options_.power_watts, io_.machine);
  if (!meter.ok()) return meter.status();
  energy_meter_ = *std::move(meter);
  trainer_.emplace(Setup(), Observer());
  const int64_t steps_per_epoch = EpochTrainer::StepsPerEpoch(
      static_cast<int64_t>(inputs_.train_rows.size()), options_.batch_size * options_.grad_accum * options_.world_size);
  if (absl::Status status = CheckProbeBatches(options_, steps_per_epoch); !status.ok()) return status;
  if (absl::Status status = session_->CreateJob(trainer_->FirstLoss()); !status.ok()) return status;
  if (!options_.time_profile.empty()) {
    if (absl::Status status = MeasureTime(); !status.ok()) return status;
  }
  const SessionState state{.plan = state_.plan,
                           .next_round = state_.next_round,
                           .next_step = static_cast<int64_t>(state_.progress.step_losses.size()),
                           .drift = state_.drift,
                           .outcomes = state_.outcomes};
  if (state.next_step == 0) return absl::OkStatus();
  absl::StatusOr<std::optional<Round>> round = session_->Continue(trainer_->FirstLoss(), state);
  if (!round.ok()) return round.status();
  if (round->has_value()) trainer_->Continue(**round);
  return absl::OkStatus();
}

absl::Status FinetuneRun::MeasureTime() {
  const int64_t max_steps = 1 + 4 * profiler::TimeOptions().repetitions;
  if (!options_.quiet) {
    io_.err << "greenplan-finetune: measuring how long backward takes, in up to " << max_steps << " steps" << std::endl;
  }
  int64_t step = 0;
  const auto loss = [&, first_loss = trainer_->FirstLoss()] {
    at::Tensor result = first_loss(0);
    progress_bar_.Update("time profile", ++step, max_steps, result.item<double>());
    return result;
  };
  absl::StatusOr<ModelProfile> profile = profiler::ProfileTime(model(), loss);
  progress_bar_.Clear();
  if (!profile.ok()) return profile.status();
  profile->model = model().model_type();
  time_profile_ = *std::move(profile);
  if (!leads()) return absl::OkStatus();
  return WriteMessageFile(options_.time_profile, ModelProfileToProto(*time_profile_));
}

void FinetuneRun::FinishEpoch(EpochReport epoch) {
  if (epoch.epoch == 0) ResetPeakMemory(DeviceOf(model()));
  if (!inputs_.valid.input_ids.empty()) {
    epoch.validation_loss = MeanLoss(model(), inputs_.valid, options_.batch_size, AutocastType(options_));
  }
  if (epoch.epoch == 0) epoch.peak_memory_bytes = PeakMemoryBytes(DeviceOf(model()));
  state_.epochs.push_back(std::move(epoch));
  PrintLine(EpochTableRow(state_.epochs.back()));
}

void FinetuneRun::UpdateState() {
  SaveRandomState(state_);
  state_.seconds = seconds();
  if (session_ == nullptr) return;
  state_.identity = Identity();
  state_.job = session_->job();
  state_.next_round = session_->next_round();
  state_.plan = session_->plan();
  state_.drift = session_->state().drift;
  state_.outcomes = session_->state().outcomes;
}

void FinetuneRun::SendOutcomes() {
  if (session_ == nullptr || !leads()) return;
  session_->SendOutcomes();
  for (const std::string& notice : session_->TakeNotices()) Remark(notice);
}

absl::Status FinetuneRun::Save() {
  if (output_ == nullptr) return absl::OkStatus();
  UpdateState();
  absl::Status status = output_->AddCompanions(options_.base, inputs_.tokenizer_model);
  if (status.ok()) status = SaveRun(output_->path(), inputs_.checkpoint, optimizer_, state_);
  if (!status.ok() && !HasRun(output_->path())) output_->RemoveCompanions();
  return status;
}

absl::Status FinetuneRun::SaveWithinEpoch(const PartialEpoch& epoch) {
  if (output_ == nullptr) return absl::OkStatus();
  UpdateState();
  state_.partial = epoch;
  const int64_t step = static_cast<int64_t>(state_.progress.step_losses.size());
  const absl::Status status =
      WriteStepCheckpoint(output_->path(), step, options_.keep_checkpoints, [&](const std::string& folder) {
        absl::StatusOr<std::unique_ptr<OutputFolder>> checkpoint = OutputFolder::Prepare(folder, /*resume=*/true);
        if (!checkpoint.ok()) return checkpoint.status();
        const absl::Status companions = (*checkpoint)->AddCompanions(options_.base, inputs_.tokenizer_model);
        return companions.ok() ? SaveRun(folder, inputs_.checkpoint, optimizer_, state_) : companions;
      });
  state_.partial.reset();
  if (status.ok()) SendOutcomes();
  return status;
}

absl::Status FinetuneRun::WriteReport() const {
  if (options_.report.empty() || !leads()) return absl::OkStatus();
  RunReport report{.model = model().model_type(),
                   .options = PlanOptionsToJson(options_.plan),
                   .planner = options_.planner,
                   .seed = options_.seed,
                   .epochs = state_.epochs,
                   .progress = state_.progress,
                   .seconds = seconds(),
                   .grid_grams_per_kwh = options_.grid_grams_per_kwh};
  for (const auto& parameter : model().named_parameters()) report.parameter_count += parameter.value().numel();
  return WriteFile(options_.report, IndentedJsonText(ToJson(report)) + "\n");
}

double FinetuneRun::seconds() const {
  return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

void FinetuneRun::Remark(const std::string& text) {
  progress_bar_.Clear();
  if (!options_.quiet && leads()) io_.err << "greenplan-finetune: " << text << std::endl;
}

void FinetuneRun::PrintLine(const std::string& line) const {
  if (leads()) io_.out << line << std::endl;
}

}  // namespace greenplan::trainer
