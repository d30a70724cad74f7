#include "planner/store/postgres/connection_pool.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace greenplan::postgres {

absl::StatusOr<ConnectionPool::Lease> ConnectionPool::Take(absl::Time deadline) {
  {
    absl::MutexLock lock(&mutex_);
    const auto has_room = [this]()
                              ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return num_leased_ < options_.max_connections; };
    if (!mutex_.AwaitWithDeadline(absl::Condition(&has_room), deadline)) {
      return absl::UnavailableError(
          absl::StrCat("all ", options_.max_connections, " connections to the database are in use"));
    }
    ++num_leased_;
    if (!idle_.empty()) {
      Lease lease(this, std::move(idle_.back()));
      idle_.pop_back();
      return lease;
    }
  }
  absl::StatusOr<std::unique_ptr<Connection>> connection = OpenNew(deadline);
  if (connection.ok()) return Lease(this, *std::move(connection));
  absl::MutexLock lock(&mutex_);
  --num_leased_;
  return connection.status();
}

// Both settings exist in the compatible databases as well; one that does not know them works without.
absl::StatusOr<std::unique_ptr<Connection>> ConnectionPool::OpenNew(absl::Time deadline) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(options_.uri, deadline);
  if (!connection.ok()) return connection.status();
  const int64_t milliseconds = absl::ToInt64Milliseconds(options_.server_timeout);
  for (const char* setting : {"statement_timeout", "idle_in_transaction_session_timeout"}) {
    const std::string sql = absl::StrCat("SET ", setting, " = ", milliseconds);
    absl::Status status = (*connection)->Execute(sql.c_str(), {}, deadline);
    if (!status.ok() && (*connection)->is_broken()) return status;
  }
  return connection;
}

void ConnectionPool::GiveBack(std::unique_ptr<Connection> connection) {
  std::vector<std::unique_ptr<Connection>> closed;  // Destroyed without the mutex, because closing takes time.
  absl::MutexLock lock(&mutex_);
  --num_leased_;
  if (connection->is_broken()) {
    closed.swap(idle_);
  } else if (!connection->is_in_transaction()) {
    idle_.push_back(std::move(connection));
  }
}

}  // namespace greenplan::postgres
