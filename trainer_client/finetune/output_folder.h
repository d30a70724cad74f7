#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_OUTPUT_FOLDER_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_OUTPUT_FOLDER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace greenplan::trainer {

// The folder of --output, made before the work begins, so that hours of training do not end at a folder that cannot be
// written. A folder that was made here and is still empty at the end is removed again.
class OutputFolder {
 public:
  // InvalidArgument: it is no folder, cannot be made or written, or is not empty though `resume` is false.
  static absl::StatusOr<std::unique_ptr<OutputFolder>> Prepare(const std::string& path, bool resume);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::string& path() const { return path_; }

  // Copies what belongs to the tokenizer and to generation from the base model's folder (where it is there and not here
  // yet), and `tokenizer_model`, unless it is empty, as tokenizer.model: so that the output opens like the base.
  // The errors of planner/files/files.h.
  absl::Status AddCompanions(const std::string& base, const std::string& tokenizer_model);
  // Removes what AddCompanions has copied: for a run that could not be saved even once.
  void RemoveCompanions();

 private:
  OutputFolder(std::string path, bool is_ours) : path_(std::move(path)), is_ours_(is_ours) {}

  const std::string path_;
  const bool is_ours_;
  std::vector<std::string> added_;  // Paths.
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_OUTPUT_FOLDER_H_
