#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_OUTPUT_FOLDER_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_OUTPUT_FOLDER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace greenplan::trainer {

// The folder of --output, made before the work begins, so that hours of training do not end at a folder that cannot be
// written. While the object lives, the folder is locked against other runs: the lock is on the folder itself and ends
// with the process, however that ends. (File systems without locks, such as some network ones, are not protected.) A
// folder that was made here and is still empty at the end is removed again.
class OutputFolder {
 public:
  // With `resume`, removes the temporary files of a run that was killed. InvalidArgument: it is no folder, cannot be
  // made or written, is in use by another run, or is not empty though `resume` is false.
  static absl::StatusOr<std::unique_ptr<OutputFolder>> Prepare(const std::string& path, bool resume);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::string& path() const { return path_; }

  // Whether a run may begin here although the folder may not be empty: it holds nothing but what a run that was stopped
  // before its first checkpoint leaves, so no weights and no other files.
  bool MayStartOver() const;

  // Copies what is not here yet of the files that belong to the tokenizer and its chat templates, and
  // `tokenizer_model`, unless it is empty, as tokenizer.model: so that the output opens like the base. The files are
  // those beside `tokenizer_model` or, if it is empty, in `base`; generation_config.json is that of `base`. The errors
  // of planner/files/files.h.
  absl::Status AddCompanions(const std::string& base, const std::string& tokenizer_model);
  // Removes what AddCompanions has copied: for a run that could not be saved even once.
  void RemoveCompanions();

 private:
  OutputFolder(std::string path, bool is_ours, int descriptor)
      : path_(std::move(path)), is_ours_(is_ours), descriptor_(descriptor) {}

  const std::string path_;
  const bool is_ours_;
  const int descriptor_;            // Of the folder; holds the lock. -1 if it cannot be opened.
  std::vector<std::string> added_;  // Paths.
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_OUTPUT_FOLDER_H_
