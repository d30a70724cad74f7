#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_WAKEUPS_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_WAKEUPS_H_

#include <atomic>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "planner/store/postgres/connection.h"

namespace greenplan::postgres {

// Tells the replicas on one database of each other's changes: LISTEN and NOTIFY, with polling as the fallback.
//
//   Wakeups wakeups({.uri = uri}, [](const std::string& topic) { ... });
//   wakeups.Send("jobs/a");   // Every replica's function is called with "jobs/a", this one's as well.
//
// The function is called with "" when anything may have changed: whenever a connection was made, and in regular
// intervals, because a notification may be lost with its connection and some compatible databases have none. It is
// called from a thread of this object's own and must not block for long.
//
// What is sent goes out in batches, in a transaction of its own: PostgreSQL takes a lock on the whole database when a
// transaction that notifies commits, so the transactions that write do not notify. A change must be committed before
// Send is called.
// Thread-safety: safe.
class Wakeups {
 public:
  // The database, and how often to look where notifications do not come.
  struct Options {
    std::string uri;

    // How often to tell the listener to look while no notifications arrive, and while they do.
    absl::Duration poll_interval = absl::Milliseconds(200);
    absl::Duration safety_interval = absl::Seconds(5);

    // The limit of an attempt to connect, and of a statement.
    absl::Duration timeout = absl::Seconds(3);

    // If false, there is only polling; for tests of the fallback.
    bool uses_notifications = true;
  };
  using Callback = std::function<void(const std::string& topic)>;

  Wakeups(Options options, Callback callback);
  // Waits for a call of the function to end.
  ~Wakeups();
  Wakeups(const Wakeups&) = delete;
  Wakeups& operator=(const Wakeups&) = delete;

  // Queues a notification and returns at once. `topic` is not empty and has at most 1,000 bytes, none of them zero.
  void Send(const std::string& topic);

  // Returns whether notifications arrive now.
  bool is_listening() const { return is_listening_; }

 private:
  void Run();
  // Connects, listens, and serves until the connection is lost or the object is destroyed. Returns why it ended.
  absl::Status Serve();
  absl::Status SendPending(Connection& connection);
  void Deliver(const std::vector<std::string>& topics);
  // Waits for `duration`, for something to be sent or for the end.
  void WaitFor(absl::Duration duration);
  bool is_stopped();

  const Options options_;
  const Callback callback_;
  const int event_;  // Readable when something is to be sent or the object is destroyed.
  std::atomic<bool> is_listening_ = false;
  absl::Mutex mutex_;
  std::set<std::string> pending_ ABSL_GUARDED_BY(mutex_);
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace greenplan::postgres

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_WAKEUPS_H_
