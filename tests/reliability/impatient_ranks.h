#ifndef GREENPLAN_TESTS_RELIABILITY_IMPATIENT_RANKS_H_
#define GREENPLAN_TESTS_RELIABILITY_IMPATIENT_RANKS_H_

#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "tests/replicas/history.h"

namespace greenplan {

// Ranks of jobs of one rank that see every single answer of a daemon, because no retries stand between. Each plans
// round after round and reports what came of it; what fails it calls again.
//
//   ImpatientRanks ranks(address, 8);
//   ranks.WaitForErrors(10, timeout);   // Something has been broken.
//   EXPECT_THAT(ranks.errors(), ...);
//   ranks.WaitForSuccess(timeout);      // It has been mended.
//   ranks.Stop();
//
// Thread-safety: safe.
class ImpatientRanks {
 public:
  // The daemon at `address` gets `num_ranks` jobs. Their names begin with `name`.
  ImpatientRanks(const std::string& address, const std::string& name, int num_ranks);
  ~ImpatientRanks();
  ImpatientRanks(const ImpatientRanks&) = delete;
  ImpatientRanks& operator=(const ImpatientRanks&) = delete;

  // Waits until each rank has had `count` more errors. Returns whether that came true within `timeout`.
  [[nodiscard]] bool WaitForErrors(int64_t count, absl::Duration timeout);
  // Waits until each rank has had an answer of OK to a call that it has begun after this. Returns how long that took,
  // or `timeout` if it did not happen.
  absl::Duration WaitForSuccess(absl::Duration timeout);
  void Stop();

  // How often each error was answered, by code.
  std::map<absl::StatusCode, int64_t> errors() const;
  // One message of each code.
  std::map<absl::StatusCode, std::string> messages() const;
  History& history() { return history_; }

 private:
  struct Progress {
    int64_t num_errors = 0;
    int64_t last_success = -1;  // The number of the period in which the last call began that was answered with OK.
  };

  void Train(int index);
  absl::Status TryNext(int64_t round, bool& has_plan, const std::string& job_name);
  bool IsStopped() const;

  const std::string address_;
  const std::string name_;
  History history_;
  mutable absl::Mutex mutex_;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t period_ ABSL_GUARDED_BY(mutex_) = 0;  // Counts the calls of WaitForSuccess.
  std::vector<Progress> progress_ ABSL_GUARDED_BY(mutex_);
  std::map<absl::StatusCode, int64_t> errors_ ABSL_GUARDED_BY(mutex_);
  std::map<absl::StatusCode, std::string> messages_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_RELIABILITY_IMPATIENT_RANKS_H_
