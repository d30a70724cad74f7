#include "trainer_client/finetune/finetune.h"

#include <unistd.h>

#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "c10/util/Exception.h"
#include "planner/core/invalid_argument.h"
#include "planner/flags/plan_flags.h"
#include "trainer_client/finetune/finetune_run.h"
#include "trainer_client/finetune/inputs.h"
#include "trainer_client/finetune/output_folder.h"
#include "trainer_client/finetune/run_ranks.h"
#include "trainer_client/finetune/run_state.h"

namespace greenplan::trainer {
namespace {

// Two calls before the first plan stay within the 30 s after which a planner counts as away.
constexpr absl::Duration kPlannerTimeout = absl::Seconds(10);

// A planner in this process is never away. --time-limit bounds what it takes.
absl::StatusOr<std::unique_ptr<Connection>> PlanInThisProcess() {
  return Connect({.planner = "local", .timeout = absl::InfiniteDuration()});
}

bool IsAway(const absl::Status& status) { return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status); }

absl::Status PlannerIsAway(const FinetuneOptions& options, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("--planner is ", options.planner, ", which does not answer (",
                                                  status.message(), "); allowed: local, or HOST:PORT of a greenpland"));
}

// An error of the run, in terms of flags.
absl::Status NameFlags(const FinetuneOptions& options, const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return PlannerIsAway(options, status);
    case absl::StatusCode::kAlreadyExists:
      return absl::AlreadyExistsError(
          absl::StrCat(options.job.empty() ? "" : absl::StrCat("--job is ", options.job, ", but "), status.message(),
                       "; allowed: a --job that is not in use, or the same run again"));
    case absl::StatusCode::kInvalidArgument:
      return PlanFlags::NameFlags(status);
    default:
      return status;
  }
}

absl::StatusOr<std::shared_ptr<Connection>> ConnectToPlanner(const FinetuneOptions& options, const FinetuneIo& io) {
  std::shared_ptr<Connection> connection = io.connection;
  if (connection == nullptr) {
    absl::StatusOr<std::unique_ptr<Connection>> made =
        options.planner == "local"
            ? PlanInThisProcess()
            : Connect({.planner = options.planner, .timeout = kPlannerTimeout, .security = options.planner_security});
    if (FieldOf(made.status()) == "planner") {
      return absl::InvalidArgumentError(
          absl::StrCat("--planner is ", options.planner, "; allowed: local, or HOST:PORT[,HOST:PORT...]"));
    }
    if (!made.ok()) return made.status();
    connection = *std::move(made);
  }
  // Any answer will do: this is to learn that the planner is away before the model is loaded.
  const absl::Status answer = connection->GetPlan("jobs/greenplan-finetune/plans/0").status();
  if (options.epochs == 0 || !IsAway(answer)) return connection;
  const absl::Status away = PlannerIsAway(options, answer);
  if (options.planner_away != "local") return away;
  if (!options.quiet) {
    io.err << "greenplan-finetune: --planner is " << options.planner << ", which does not answer (" << answer.message()
           << "); plans are made in this process" << std::endl;
  }
  return PlanInThisProcess();
}

absl::Status CheckFilePath(const char* flag, const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored) && access(folder.c_str(), W_OK | X_OK) == 0)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " is ", path, "; allowed: a file in a folder that exists and can be written"));
}

// What is kept of a run, and where it goes on.
struct Kept {
  std::unique_ptr<OutputFolder> output;  // Null: nothing is kept, or another rank keeps it.
  std::string resume_from;               // A folder; empty: the run begins.
};

absl::StatusOr<Kept> PrepareOutput(const FinetuneOptions& options) {
  if (absl::Status status = CheckFilePath("--report", options.report); !status.ok()) return status;
  if (absl::Status status = CheckFilePath("--time-profile", options.time_profile); !status.ok()) return status;
  Kept kept;
  if (!options.output.empty()) {
    absl::StatusOr<std::unique_ptr<OutputFolder>> folder = OutputFolder::Prepare(options.output, options.resume);
    if (!folder.ok()) return folder.status();
    kept.output = *std::move(folder);
  }
  if (options.resume) RemoveUnfinishedCheckpoints(options.output);
  if (options.resume) kept.resume_from = FolderToResume(options.output);
  const bool has_start = !options.base.empty() || !options.config.empty();
  if (kept.resume_from.empty() && (!has_start || (options.resume && !kept.output->MayStartOver()))) {
    return absl::InvalidArgumentError(absl::StrCat("--output is ", options.output,
                                                   ", which holds no run to resume; allowed: a folder that does, or ",
                                                   "one without weights and --base or --model-config to begin with"));
  }
  return kept;
}

// Rank 0 keeps what the run leaves; the others only learn where it goes on.
absl::StatusOr<Kept> PrepareOutput(const FinetuneOptions& options, RankGroup* ranks) {
  if (ranks == nullptr) return PrepareOutput(options);
  absl::StatusOr<Kept> kept = ranks->rank() == 0 ? PrepareOutput(options) : Kept();
  if (!kept.ok()) return kept;
  absl::StatusOr<std::string> resume_from = ranks->Broadcast(kept->resume_from);
  if (!resume_from.ok()) return resume_from.status();
  kept->resume_from = *std::move(resume_from);
  std::error_code ignored;
  if (kept->resume_from.empty() || std::filesystem::is_directory(kept->resume_from, ignored)) return kept;
  return absl::InvalidArgumentError(
      absl::StrCat("--output is ", options.output, ", but this machine does not have ", kept->resume_from,
                   ", where rank 0 goes on; allowed: a folder that every rank sees, or a copy of it at the same path"));
}

// Where an epoch has one batch, there is no second one to cross-fit importance with. Returns whether that was so.
bool FitProbeToData(const Inputs& inputs, FinetuneOptions& options) {
  const int64_t batches = static_cast<int64_t>(inputs.train_rows.size()) / (options.batch_size * options.world_size);
  if (!options.chooses_probe || options.probe_batches <= 1 || batches != 1) return false;
  options.importance_metric = v1::IMPORTANCE_METRIC_GRADIENT_TIMES_UPDATE;
  options.probe_batches = 1;
  return true;
}

absl::Status FinetuneOrThrow(FinetuneOptions options, const FinetuneIo& io) {
  if (absl::Status status = CheckInputs(options); !status.ok()) return status;
  const auto remark = [&](const std::string& text) {
    if (!options.quiet) io.err << "greenplan-finetune: " << text << std::endl;
  };
  const absl::StatusOr<std::unique_ptr<RankGroup>> ranks = JoinRanks(options, remark);
  if (!ranks.ok()) return ranks.status();
  const absl::StatusOr<Kept> kept = PrepareOutput(options, ranks->get());
  if (!kept.ok()) return kept.status();
  absl::StatusOr<std::shared_ptr<Connection>> connection = ConnectToPlanner(options, io);
  if (!connection.ok()) return connection.status();
  absl::StatusOr<Inputs> inputs = LoadInputs(options, kept->resume_from);
  if (!inputs.ok()) return inputs.status();
  if (FitProbeToData(*inputs, options) && options.plan.method() != v1::METHOD_FULL) {
    inputs->remarks.push_back("an epoch has one batch, so importance is gradient_times_update, measured on that one");
  }
  if (options.rank == 0) {
    for (const std::string& line : inputs->remarks) remark(line);
  }
  FinetuneRun run(options, io, *std::move(inputs), kept->output.get(), ranks->get());
  return NameFlags(options, run.Run(*std::move(connection), kept->resume_from));
}

}  // namespace

absl::Status Finetune(const FinetuneOptions& options, const FinetuneIo& io) {
  try {
    return FinetuneOrThrow(options, io);
  } catch (const c10::Error& error) {
    return absl::InternalError(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory; a smaller --batch-size or --seq-len needs less");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

}  // namespace greenplan::trainer
