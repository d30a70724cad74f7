#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_CONNECTION_POOL_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_CONNECTION_POOL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "planner/store/postgres/connection.h"

namespace greenplan::postgres {

// Connections to one database that are kept open between uses.
//
//   ConnectionPool pool({.uri = uri});
//   absl::StatusOr<ConnectionPool::Lease> connection = pool.Take(deadline);
//   if (connection.ok()) (*connection)->Query(...);   // Goes back into the pool at the end of its scope.
//
// Thread-safety: safe. The pool outlives its leases.
class ConnectionPool {
 public:
  // Which database, and how many connections to it.
  struct Options {
    // postgresql://..., see Connection::Open.
    std::string uri;
    int max_connections = 16;  // Further callers wait for one to come back.
    // Sent to the server, which then ends what a client that has vanished left behind: a statement, or a transaction
    // without one. It would block others.
    absl::Duration server_timeout = absl::Seconds(10);
  };

  // A connection that is borrowed until the end of the lease's scope. Movable.
  class Lease {
   public:
    Lease(ConnectionPool* pool, std::unique_ptr<Connection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    Lease(Lease&&) = default;
    ~Lease() {
      if (connection_ != nullptr) pool_->GiveBack(std::move(connection_));
    }

    Connection& operator*() const { return *connection_; }
    Connection* operator->() const { return connection_.get(); }

   private:
    ConnectionPool* pool_;
    std::unique_ptr<Connection> connection_;
  };

  explicit ConnectionPool(Options options) : options_(std::move(options)) {}
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  // Returns an idle connection, a new one, or one that is given back before the deadline. An idle connection may have
  // been lost meanwhile; its first use tells. The errors of Connection::Open, and Unavailable if all connections are in
  // use until the deadline.
  absl::StatusOr<Lease> Take(absl::Time deadline);

 private:
  absl::StatusOr<std::unique_ptr<Connection>> OpenNew(absl::Time deadline);
  // Keeps a connection for its next use. A broken one is closed, and all idle ones with it: what broke it, such as a
  // restart of the server, has most likely broken them, too.
  void GiveBack(std::unique_ptr<Connection> connection);

  const Options options_;
  absl::Mutex mutex_;
  int num_leased_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace greenplan::postgres

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_CONNECTION_POOL_H_
