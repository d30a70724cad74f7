#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_PROGRESS_BAR_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_PROGRESS_BAR_H_

#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>

namespace greenplan::trainer {

// One line that is drawn again and again:  epoch 2/3 [=========>          ]  120/256  loss 3.2104
//
// It is drawn at most ten times a second and wiped at the end. Not thread-safe.
class ProgressBar {
 public:
  // Draws nothing unless `enabled`: pass whether `out` is a terminal that wants it.
  ProgressBar(std::ostream& out, bool enabled) : out_(out), enabled_(enabled) {}
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Draws the line for `done` of `total` steps, unless it was drawn a moment ago.
  void Update(const std::string& label, int64_t done, int64_t total, double loss);
  // Wipes the line, so that something else can be printed.
  void Clear();

 private:
  std::ostream& out_;
  const bool enabled_;
  bool is_drawn_ = false;
  std::chrono::steady_clock::time_point last_drawn_{};
};

// Returns the text of the line, without control characters.
std::string ProgressLine(const std::string& label, int64_t done, int64_t total, double loss);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_PROGRESS_BAR_H_
