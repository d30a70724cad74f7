#include "trainer_client/finetune/finetune_run.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/convert/convert.h"
#include "planner/convert/files.h"
#include "planner/files/files.h"
#include "planner/files/json_reader.h"
#include "profiler/autograd/profile_time.h"
#include "trainer_client/finetune/epoch_table.h"
#include "trainer_client/finetune/evaluate.h"
#include "trainer_client/finetune/peak_memory.h"
#include "trainer_client/session/random_state.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

// PlanOptions with its int64s as numbers.
json OptionsToJson(const v1::PlanOptions& options) {
  json result = json::parse(MessageToJson(options));
  result["seed"] = options.seed();
  if (options.budget().has_absolute()) result["budget"]["absolute"] = options.budget().absolute();
  if (options.budget().has_max_saved_bytes()) {
    result["budget"]["max_saved_bytes"] = options.budget().max_saved_bytes();
  }
  return result;
}

std::string CpuRandomState() {
  const at::Tensor state = GetRandomState()[0].second;
  return {static_cast<const char*>(state.const_data_ptr()), state.nbytes()};
}

}  // namespace

FinetuneRun::FinetuneRun(const FinetuneOptions& options, const FinetuneIo& io, Inputs inputs, OutputFolder* output)
    : options_(options),
      io_(io),
      inputs_(std::move(inputs)),
      output_(output),
      optimizer_(model().named_parameters().pairs(),
                 {.learning_rate = options.learning_rate, .weight_decay = options.weight_decay}),
      progress_bar_(io.err, io.show_progress) {}

absl::Status FinetuneRun::Run(std::shared_ptr<Connection> connection, bool resumes) {
  if (resumes) {
    if (absl::Status status = LoadState(); !status.ok()) return status;
  }
  if (options_.epochs > state_.last_epoch()) {
    if (absl::Status status = StartTraining(std::move(connection)); !status.ok()) return status;
  }
  if (resumes) {
    if (absl::Status status = RestoreRandomState(); !status.ok()) return status;
  }
  PrintLine(EpochTableHeader());
  for (const EpochReport& epoch : state_.epochs) PrintLine(EpochTableRow(epoch));
  if (state_.epochs.empty()) {
    FinishEpoch(EpochReport{.tensor_count = static_cast<int64_t>(model().named_parameters().size())});
    if (options_.epochs == 0) {
      if (absl::Status status = Save(); !status.ok()) return status;
    }
  }
  return TrainEpochs();
}

absl::Status FinetuneRun::TrainEpochs() {
  for (int64_t epoch = state_.last_epoch() + 1; epoch <= options_.epochs; ++epoch) {
    absl::StatusOr<EpochReport> trained = trainer_->TrainEpoch(epoch);
    progress_bar_.Clear();
    if (!trained.ok()) return trained.status();
    FinishEpoch(*std::move(trained));
    if (absl::Status status = Save(); !status.ok()) return status;
    if (io_.after_epoch && !io_.after_epoch(state_.epochs.back())) return absl::OkStatus();
  }
  const profiler::EnergyTotal& energy = state_.progress.energy;
  if (!energy.sources.empty()) PrintLine(EnergyLine(energy, options_.grid_grams_per_kwh));
  return WriteReport();
}

// What must be the same before and after a resume, by the name of its flag.
json FinetuneRun::Identity() const {
  return {{"--batch-size", options_.batch_size},
          {"--grad-accum", options_.grad_accum},
          {"--clip-norm", options_.clip_norm},
          {"--draw-per", options_.draw_per},
          {"--sensitivity", options_.sensitivity},
          {"--uniform-until", options_.uniform_until},
          {"--probe", options_.probe},
          {"--seq-len", inputs_.train.seq_len},
          {"--seed", options_.seed},
          {"--plan-every", options_.plan_every},
          {"--probe-batches", options_.probe_batches},
          {"--importance", options_.importance_metric},
          {"the number of rows in --train", inputs_.train_rows.size()},
          {"what the flags of the plan ask for", OptionsToJson(options_.plan)}};
}

absl::Status FinetuneRun::LoadState() {
  absl::StatusOr<RunState> state = LoadRun(output_->path(), model(), optimizer_);
  if (!state.ok()) return state.status();
  state_ = *std::move(state);
  seconds_before_ = state_.seconds;
  if (state_.identity.is_null() || options_.epochs <= state_.last_epoch()) return absl::OkStatus();
  const json identity = Identity();
  for (const auto& [flag, value] : identity.items()) {
    const json before = state_.identity.value(flag, json());
    if (before == value) continue;
    return absl::InvalidArgumentError(absl::StrCat(flag, " is ", value.dump(), "; allowed with --resume: ",
                                                   before.dump(), ", as in the run in ", output_->path()));
  }
  return absl::OkStatus();
}

TrainingSetup FinetuneRun::Setup() {
  const int64_t rows = static_cast<int64_t>(inputs_.train_rows.size());
  const int64_t rows_per_step = options_.batch_size * options_.grad_accum;
  const int64_t total_steps = EpochTrainer::StepsPerEpoch(rows, rows_per_step) * options_.epochs;
  const v1::Method method = options_.plan.method();
  const bool allocates =
      (method == v1::METHOD_DROP || method == v1::METHOD_JOINT) && options_.plan.allocation() != v1::ALLOCATION_UNIFORM;
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
      .probe = options_.probe == "in-step" ? Probe::kInStep : Probe::kSeparate,
      .probe_batches = options_.probe_batches,
      .measures_importance = method == v1::METHOD_SELECTION || method == v1::METHOD_JOINT,
      .uniform_steps =
          allocates ? static_cast<int64_t>(std::ceil(options_.uniform_until * static_cast<double>(total_steps))) : 0};
}

TrainingObserver FinetuneRun::Observer() {
  return {.step =
              [this](int64_t epoch, int64_t done, int64_t total, double loss) {
                progress_bar_.Update(absl::StrCat("epoch ", epoch, "/", options_.epochs), done, total, loss);
              },
          .remark =
              [this](const std::string& text) {
                progress_bar_.Clear();
                if (!options_.quiet) io_.err << "greenplan-finetune: " << text << std::endl;
              }};
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
      .draw_per = options_.draw_per == "micro-batch" ? DrawPer::kMicroBatch : DrawPer::kStep};
  absl::StatusOr<std::unique_ptr<TrainingSession>> session =
      TrainingSession::Create(std::move(connection), session_options, model().named_parameters().pairs());
  if (!session.ok()) return session.status();
  session_ = *std::move(session);
  absl::StatusOr<std::unique_ptr<profiler::EnergyMeter>> meter =
      profiler::EnergyMeter::Create(options_.power_watts, io_.machine);
  if (!meter.ok()) return meter.status();
  energy_meter_ = *std::move(meter);
  trainer_.emplace(Setup(), Observer());
  if (absl::Status status = session_->CreateJob(trainer_->FirstLoss()); !status.ok()) return status;
  if (!options_.time_profile.empty()) {
    if (absl::Status status = MeasureTime(); !status.ok()) return status;
  }
  if (!state_.plan.has_value()) return absl::OkStatus();
  absl::StatusOr<Round> round = session_->Continue(
      trainer_->FirstLoss(), {.plan = state_.plan,
                              .next_round = state_.next_round,
                              .next_step = static_cast<int64_t>(state_.progress.step_losses.size())});
  if (!round.ok()) return round.status();
  trainer_->Continue(*round);
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
  return WriteMessageFile(options_.time_profile, ModelProfileToProto(*time_profile_));
}

absl::Status FinetuneRun::RestoreRandomState() const {
  RandomState current = GetRandomState();
  at::Tensor& generator = current[0].second;
  if (generator.nbytes() != state_.random_state.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat(output_->path(), ": the random state in trainer_state is of another version of LibTorch"));
  }
  std::memcpy(generator.data_ptr(), state_.random_state.data(), generator.nbytes());
  SetRandomState({current[0]});
  return absl::OkStatus();
}

void FinetuneRun::FinishEpoch(EpochReport epoch) {
  if (epoch.epoch == 0) ResetPeakMemory();
  if (!inputs_.valid.input_ids.empty()) {
    epoch.validation_loss = MeanLoss(model(), inputs_.valid, options_.batch_size);
  }
  if (epoch.epoch == 0) epoch.peak_memory_bytes = PeakMemoryBytes();
  state_.epochs.push_back(std::move(epoch));
  PrintLine(EpochTableRow(state_.epochs.back()));
}

absl::Status FinetuneRun::Save() {
  if (output_ == nullptr) return absl::OkStatus();
  state_.random_state = CpuRandomState();
  state_.seconds = seconds();
  if (session_ != nullptr) {
    state_.identity = Identity();
    state_.job = session_->job();
    state_.next_round = session_->next_round();
    state_.plan = session_->plan();
  }
  absl::Status status = output_->AddCompanions(options_.base, inputs_.tokenizer_model);
  if (status.ok()) status = SaveRun(output_->path(), inputs_.checkpoint, optimizer_, state_);
  if (!status.ok() && !HasRun(output_->path())) output_->RemoveCompanions();
  return status;
}

absl::Status FinetuneRun::WriteReport() const {
  if (options_.report.empty()) return absl::OkStatus();
  RunReport report{.model = model().model_type(),
                   .options = OptionsToJson(options_.plan),
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

void FinetuneRun::PrintLine(const std::string& line) const { io_.out << line << std::endl; }

}  // namespace greenplan::trainer
