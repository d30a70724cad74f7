#ifndef GREENPLAN_PLANNER_STORE_CHANGE_FEED_H_
#define GREENPLAN_PLANNER_STORE_CHANGE_FEED_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace greenplan {

// A notice that planners which share a store give each other.
struct Change {
  enum class Kind {
    kPlan,        // `round` of the job has a plan now.
    kJobDeleted,  // The job is gone.
    kAny,         // Changes may have been missed: look at the store. `job_id` and `round` are 0.
  };
  Kind kind = Kind::kAny;
  int64_t job_id = 0;
  int64_t round = 0;

  friend bool operator==(const Change& a, const Change& b) {
    return a.kind == b.kind && a.job_id == b.job_id && a.round == b.round;
  }
};

// Is called with each change, possibly from several threads at once.
using ChangeListener = std::function<void(const Change&)>;

// Calls of a listener, which end when this object is destroyed. The destructor waits for calls of the listener that are
// in progress, so it must not run inside the listener. Must not outlive the store.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

// The listeners of one store in this process; used by drivers. Thread-safe.
//
//   std::unique_ptr<Subscription> subscription = feed.Subscribe([](const Change& change) { ... });
//   feed.Publish({.kind = Change::Kind::kPlan, .job_id = id, .round = 3});
class ChangeFeed {
 public:
  ChangeFeed() = default;
  ChangeFeed(const ChangeFeed&) = delete;
  ChangeFeed& operator=(const ChangeFeed&) = delete;

  // Calls `listener` with every change that is published until the subscription is destroyed.
  std::unique_ptr<Subscription> Subscribe(ChangeListener listener);
  // Calls every listener on the calling thread.
  void Publish(const Change& change);

 private:
  class Entry;

  absl::Mutex mutex_;
  int64_t next_id_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<int64_t, ChangeListener> listeners_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_CHANGE_FEED_H_
