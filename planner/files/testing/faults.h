#ifndef GREENPLAN_PLANNER_FILES_TESTING_FAULTS_H_
#define GREENPLAN_PLANNER_FILES_TESTING_FAULTS_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "planner/files/system_calls.h"

namespace greenplan {

// Makes system calls on files fail in a test. While an object of this class lives, planner/files calls it:
//
//   ScopedFaults faults({.fail_at = 3, .error = ENOSPC});
//   EXPECT_EQ(WriteFile(path, "text").code(), absl::StatusCode::kResourceExhausted);
//
// One counter, from 0, counts the calls of Open, Write, Fsync, Close and Rename. Read and Unlink never fail. Fsync does
// not flush: no power fails during a test, and flushing is slow. Thread-safe.
class ScopedFaults : public SystemCalls {
 public:
  struct Plan {
    int64_t fail_at = INT64_MAX;     // The number of the call that fails.
    int error = 0;                   // Its errno.
    bool goes_on = false;            // All later Write, Fsync and Rename calls fail, too, as on a full disk.
    bool interrupts = false;         // Every Open, Write and Fsync fails once with EINTR first.
    size_t most_at_once = SIZE_MAX;  // The most bytes that one Write takes.
  };
  explicit ScopedFaults(const Plan& plan) : plan_(plan) { Replace(this); }
  ~ScopedFaults() override { Replace(nullptr); }

  int Open(const char* path, int flags, mode_t mode) override;
  ssize_t Write(int descriptor, const void* bytes, size_t size) override;
  int Fsync(int descriptor) override;
  int Close(int descriptor) override;
  int Rename(const char* from, const char* to) override;

  // Returns whether the call `fail_at` has been made.
  bool has_failed() const { return next_ > plan_.fail_at; }

 private:
  // Counts this call. If it is to fail, sets errno and returns true.
  bool Fails(bool goes_on);
  bool Interrupts();

  const Plan plan_;
  std::atomic<int64_t> next_ = 0;
  std::atomic<bool> was_interrupted_ = false;
};

// An operation that writes files, and what must hold if one of its calls fails.
struct FaultSweep {
  std::function<absl::Status()> operation;
  // Called after each try with the operation's status. It checks what is on the disk, and prepares the next try.
  std::function<void(const absl::Status&)> check;
  std::string named;  // What the message of every error must contain, such as the path.
};

// Runs the operation with a fault in its first call, then in its second call, and so on until it makes fewer calls. It
// does so for ENOSPC and for EIO, and both with one fault and with faults in all calls from there on. Expects that
// every error has the right code and gives the system's reason on one line. Returns the number of tries that failed.
int SweepFaults(const FaultSweep& sweep);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FILES_TESTING_FAULTS_H_
