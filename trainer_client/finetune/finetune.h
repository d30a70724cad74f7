#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_FINETUNE_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_FINETUNE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>

#include "absl/status/status.h"
#include "planner/client/connection.h"
#include "profiler/energy/energy_meter.h"
#include "trainer_client/finetune/options.h"
#include "trainer_client/finetune/report.h"

namespace greenplan::trainer {

// What a run reads from and writes to beside files. Tests replace it.
struct FinetuneIo {
  // Gets the table of epochs.
  std::ostream& out;

  // Gets remarks and the progress bar.
  std::ostream& err;

  // Whether `err` is a terminal, so that a progress bar can be drawn.
  bool show_progress = false;

  // The planner to use. Null: the one that options.planner names.
  std::shared_ptr<Connection> connection = {};

  // Where the machine counts energy.
  profiler::MachineEnergy machine = {};

  // Called when an epoch is over and saved; false ends the run there, as a kill would.
  std::function<bool(const EpochReport&)> after_epoch = {};
  // The same after every step, once a checkpoint that is due there is kept.
  std::function<bool(int64_t steps_done)> after_step = {};
};

// Carries out greenplan-finetune: loads the model and the data, trains under the plans, and keeps the checkpoint and
// the report.
//
// InvalidArgument, NotFound or FailedPrecondition: something in the options or in the files that they name is wrong;
// the message says which. Unavailable or DeadlineExceeded: the planner does not answer. Aborted: the loss diverged.
// Internal: LibTorch threw. After an error the output folder is as it was after the last whole epoch, and gone if there
// was none.
absl::Status Finetune(const FinetuneOptions& options, const FinetuneIo& io);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_FINETUNE_H_
