#ifndef GREENPLAN_TESTS_RANKS_TRAINER_PROCESS_H_
#define GREENPLAN_TESTS_RANKS_TRAINER_PROCESS_H_

#include <sys/types.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace greenplan {

// Runs the real greenplan-finetune as a process. The destructor kills the process if it still runs.
// Not thread-safe.
class TrainerProcess {
 public:
  // Starts greenplan-finetune with `arguments`.
  explicit TrainerProcess(const std::vector<std::string>& arguments);
  ~TrainerProcess();
  TrainerProcess(const TrainerProcess&) = delete;
  TrainerProcess& operator=(const TrainerProcess&) = delete;

  // Waits until the process has printed `count` whole lines to stdout. Returns false if it ends before that.
  bool WaitForLines(size_t count);
  // Sends a signal to the process.
  void Signal(int signal) const;
  // Waits until the process ends. Returns its exit code, or the negative number of the signal that ended it.
  int Wait();
  // Returns what the process has written to stderr. Call it after Wait().
  const std::string& errors() const { return errors_; }

 private:
  // Threads that empty the process's pipes, so that it never waits for a reader.
  void ReadOutput(int descriptor);
  void ReadErrors(int descriptor);

  pid_t pid_ = -1;
  std::thread output_reader_, error_reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t line_count_ = 0;   // Guarded by mutex_.
  bool has_ended_ = false;  // Whether stdout is closed. Guarded by mutex_.
  std::string errors_;      // Written by error_reader_ alone until Wait() has joined it.
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_RANKS_TRAINER_PROCESS_H_
