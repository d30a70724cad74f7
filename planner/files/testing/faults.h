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

// Faults under files, for tests. While one of these lives, the process's calls that change files go through it:
//
//   ScopedFaults faults({.fail_at = 3, .error = ENOSPC});
//   EXPECT_EQ(WriteFile(path, "text").code(), absl::StatusCode::kResourceExhausted);
//
// Open, Write, Fsync, Close and Rename are counted from 0 together; Read and Unlink never fail. Nothing is really
// flushed: no power fails during a test, and flushing is slow. Thread-safe.
class ScopedFaults : public SystemCalls {
 public:
  struct Plan {
    int64_t fail_at = INT64_MAX;     // The count of the call that fails.
    int error = 0;                   // Its errno.
    bool goes_on = false;            // Whether all later ones fail too, as on a full disk, but for Open and Close.
    bool interrupts = false;         // Every call fails once with EINTR before it is done.
    size_t most_at_once = SIZE_MAX;  // What one Write takes at most.
  };
  explicit ScopedFaults(const Plan& plan) : plan_(plan) { Replace(this); }
  ~ScopedFaults() override { Replace(nullptr); }

  int Open(const char* path, int flags, mode_t mode) override;
  ssize_t Write(int descriptor, const void* bytes, size_t size) override;
  int Fsync(int descriptor) override;
  int Close(int descriptor) override;
  int Rename(const char* from, const char* to) override;

  // Whether the call of `fail_at` has come.
  bool has_failed() const { return next_ > plan_.fail_at; }

 private:
  // Sets errno and answers true if this call is to fail.
  bool Fails(bool goes_on);
  bool Interrupts();

  const Plan plan_;
  std::atomic<int64_t> next_ = 0;
  std::atomic<bool> was_interrupted_ = false;
};

// What an operation that writes files may do when one of its calls fails.
struct FaultSweep {
  std::function<absl::Status()> operation;
  // Looks at what is left on the disk after each try, with the operation's status.
  std::function<void(const absl::Status&)> check;
  // What every error must name: the path, or a part of it.
  std::string named;
};

// Tries the operation with a fault at its first call, its second, and so on until no fault is met any more, for ENOSPC
// and EIO, once and from there on. Expects of every error that it has the right code and gives the system's reason on
// one line. Answers the number of errors.
int SweepFaults(const FaultSweep& sweep);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FILES_TESTING_FAULTS_H_
