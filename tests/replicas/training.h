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
#include "planner/client/connection.h"
#include "tests/replicas/history.h"

namespace greenplan {

// A job of several ranks, and the report of one of them. No plan of this job is made without all ranks.
v1::Job MakeJob(const std::string& name, int world_size);
v1::ImportanceReport MakeReport(int64_t round, int32_t rank);

// Jobs whose ranks plan round after round, look at the plan again, and report what came of it, each rank on a thread of
// its own, until they are told to stop. A call that fails, retries included, fails the test.
//
//   Training training({.num_jobs = 3, .world_size = 3, .addresses = [&](int32_t rank) { return ...; }});
//   training.history().WaitForPlans(100);
//   training.Stop();
//   EXPECT_THAT(training.history().FindFaults(*store), IsEmpty());
class Training {
 public:
  struct Options {
    std::string name = "jobs/";  // What the names of its jobs begin with.
    int num_jobs = 1;
    int world_size = 1;
    std::function<std::string(int32_t rank)> addresses;  // Where the ranks of this number find their planners.
    // After so many rounds the ranks of a job go on with a new one.
    int64_t rounds_per_job = std::numeric_limits<int64_t>::max();
  };

  explicit Training(const Options& options);
  ~Training();
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  // Lets the ranks of every job end after the same round, and waits for them.
  void Stop();

  // While training is paused, no rank begins another round. Rounds that have begun go on.
  void Pause() { SetPaused(true); }
  void Resume() { SetPaused(false); }

  // What the ranks were told so far. Safe to use from any thread.
  History& history() { return history_; }

 private:
  // Which rank of which job a thread is.
  struct Rank {
    int job;
    int32_t rank;
  };

  void SetPaused(bool is_paused);
  bool Begins(int64_t round);
  void Train(const Rank& rank);
  absl::Status TrainRound(Connection& planner, const std::string& job_name, int64_t round, int32_t rank);

  const Options options_;
  History history_;
  absl::Mutex mutex_;
  bool is_paused_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t newest_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t end_ ABSL_GUARDED_BY(mutex_) = std::numeric_limits<int64_t>::max();
  std::vector<std::thread> ranks_;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_REPLICAS_TRAINING_H_
