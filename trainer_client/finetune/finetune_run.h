#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_FINETUNE_RUN_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_FINETUNE_RUN_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "planner/client/connection.h"
#include "planner/core/model_profile.h"
#include "profiler/energy/energy_meter.h"
#include "trainer_client/finetune/epoch_trainer.h"
#include "trainer_client/finetune/finetune.h"
#include "trainer_client/finetune/inputs.h"
#include "trainer_client/finetune/options.h"
#include "trainer_client/finetune/output_folder.h"
#include "trainer_client/finetune/progress_bar.h"
#include "trainer_client/finetune/run_state.h"
#include "trainer_client/optimizer/adamw.h"
#include "trainer_client/parallel/rank_group.h"

namespace greenplan::trainer {

// One run of greenplan-finetune, once model and data are loaded: epoch 0, the epochs, a checkpoint after each, the
// report. What is referenced must outlive it. Not thread-safe.
class FinetuneRun {
 public:
  // Prepares the run. If `output` is null, nothing is kept. `ranks` is null if the run has one rank.
  FinetuneRun(const FinetuneOptions& options, const FinetuneIo& io, Inputs inputs, OutputFolder* output,
              RankGroup* ranks = nullptr);

  // Runs to the end. With `resume_from`, it goes on with the run in that folder, whose weights `inputs` holds; if that
  // is empty, the run begins. The errors of Finetune; those of the session are as the session gives them.
  absl::Status Run(std::shared_ptr<Connection> connection, const std::string& resume_from);

 private:
  CausalLm& model() const { return *inputs_.checkpoint.model; }
  // Returns what must be the same before and after a resume and on all ranks, {flag: value}.
  nlohmann::json Identity() const;

  // Whether this rank writes and prints.
  bool leads() const { return options_.rank == 0; }
  // Loads the state of the run to go on with, and refuses flags that differ from those of that run.
  absl::Status LoadState(const std::string& folder);
  // Creates session, energy meter and trainer, creates the job, and takes up the plan of a run that goes on.
  absl::Status StartTraining(std::shared_ptr<Connection> connection);
  // Measures the time profile and writes it to --time-profile.
  absl::Status MeasureTime();
  // Return what the trainer works with, and whom it tells.
  TrainingSetup Setup();
  TrainingObserver Observer();

  // Trains the epochs that are left, with a checkpoint after each, and writes the report.
  absl::Status TrainEpochs();
  // Adds an epoch to the report, with its validation loss, and prints its line.
  void FinishEpoch(EpochReport epoch);
  void UpdateState();
  absl::Status Save();
  absl::Status SaveWithinEpoch(const PartialEpoch& epoch);
  // Sends the planner what came of its plans, on rank 0. Call it once what there is to send is saved.
  void SendOutcomes();
  absl::Status WriteReport() const;

  // Returns the seconds that the run has taken, including what was done before a resume.
  double seconds() const;
  void PrintLine(const std::string& line) const;
  void Remark(const std::string& text);

  const FinetuneOptions& options_;
  const FinetuneIo& io_;
  const Inputs inputs_;
  OutputFolder* const output_;
  RankGroup* const ranks_;
  AdamW optimizer_;
  ProgressBar progress_bar_;
  RunState state_;
  std::unique_ptr<TrainingSession> session_;
  std::unique_ptr<profiler::EnergyMeter> energy_meter_;
  std::optional<ModelProfile> time_profile_;
  std::optional<EpochTrainer> trainer_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  double seconds_before_ = 0;  // Of the run that this one goes on with.
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_FINETUNE_RUN_H_
