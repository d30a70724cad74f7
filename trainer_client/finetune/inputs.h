#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_INPUTS_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_INPUTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer_client/checkpoint/checkpoint.h"
#include "trainer_client/data/dataset.h"
#include "trainer_client/finetune/options.h"

namespace greenplan::trainer {

// The model and the data of a run.
struct Inputs {
  Checkpoint checkpoint;

  // The path of the tokenizer's model. Empty if none was needed or found.
  std::string tokenizer_model;

  // The training data. It has no rows if there are no epochs.
  Dataset train;

  // The validation data. It has no rows without --valid.
  Dataset valid;

  // The rows of `train` that predict a token.
  std::vector<int64_t> train_rows;

  // What the user should know about how the files were read; a line each, without the program's name.
  std::vector<std::string> remarks;
};

// Checks whether the files and folders that the options name can be read, without reading them. That is quick, so
// mistakes show early. InvalidArgument names the flag.
absl::Status CheckInputs(const FinetuneOptions& options);

// Loads the data, and the model as LoadRunModel() does. Seeds LibTorch's generators with options.seed first.
// InvalidArgument or NotFound name the flag or the file.
absl::StatusOr<Inputs> LoadInputs(const FinetuneOptions& options, const std::string& resume_from);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_INPUTS_H_
