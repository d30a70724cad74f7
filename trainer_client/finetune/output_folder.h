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
//
//   auto output = OutputFolder::Prepare("tuned", /*resume=*/false);
//   if (!output.ok()) return output.status();  // Before anything is trained.
class OutputFolder {
 public:
  // Makes the folder, or takes the one that is there, and locks it. With `resume`, it removes the temporary files of a
  // run that was killed. InvalidArgument if `path` is no folder, cannot be made or written, is in use by another run,
  // or is not empty though `resume` is false.
  static absl::StatusOr<std::unique_ptr<OutputFolder>> Prepare(const std::string& path, bool resume);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::string& path() const { return path_; }

  // Returns whether a run may begin here although the folder may not be empty. That is so if it holds only what a run
  // that was stopped before its first checkpoint leaves: no weights and no other files.
  bool MayStartOver() const;

  // Copies the files that the output needs in order to open like the base, as far as they are not here yet: those that
  // belong to the tokenizer and its chat templates, and `tokenizer_model`, unless it is empty, as tokenizer.model. They
  // are taken from the folder of `tokenizer_model` or, if it is empty, from `base`; generation_config.json comes from
  // `base`. The errors of planner/files/files.h.
  absl::Status AddCompanions(const std::string& base, const std::string& tokenizer_model);
  // Removes what AddCompanions has copied, for a run that could not be saved even once.
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
