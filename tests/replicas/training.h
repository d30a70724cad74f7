#ifndef GREENPLAN_TESTS_REPLICAS_TRAINING_H_
#define GREENPLAN_TESTS_REPLICAS_TRAINING_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "tests/replicas/history.h"

namespace greenplan {

// A job of several ranks, and the report of one of them. No plan of this job is made without all ranks.
v1::Job MakeJob(const std::string& name, int world_size);
v1::ImportanceReport MakeReport(int64_t round, int32_t rank);

// Jobs whose ranks plan round after round and report what came of it, each rank on a thread of its own, until they are
// told to stop. A call that fails, retries included, fails the test.
//
//   Training training({.num_jobs = 3, .world_size = 3, .addresses = [&](int32_t rank) { return ...; }});
//   training.history().WaitForPlans(100);
//   training.Stop();
//   EXPECT_THAT(training.history().FindFaults(*store), IsEmpty());
class Training {
 public:
  struct Options {
    int num_jobs = 1;
    int world_size = 1;
    std::function<std::string(int32_t rank)> addresses;  // Where the ranks of this number find their planners.
  };

  explicit Training(const Options& options);
  ~Training();
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  // Lets the ranks of every job end after the same round, and waits for them.
  void Stop();

  // What the ranks were told so far. Safe to use from any thread.
  const History& history() const { return history_; }

 private:
  bool Begins(int64_t round);
  void Train(const std::string& addresses, const v1::Job& job, int32_t rank);

  History history_;
  absl::Mutex mutex_;
  int64_t newest_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t end_ ABSL_GUARDED_BY(mutex_) = std::numeric_limits<int64_t>::max();
  std::vector<std::thread> ranks_;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_REPLICAS_TRAINING_H_
