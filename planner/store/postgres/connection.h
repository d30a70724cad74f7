#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_CONNECTION_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_CONNECTION_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct pg_conn;
struct pg_result;

namespace greenplan::postgres {

// A parameter of a statement: a BIGINT or bytes (BYTEA). It refers to the bytes, which must outlive the call.
class Value {
 public:
  Value(int64_t number);           // NOLINT: a list of parameters reads better without the type.
  Value(absl::string_view bytes);  // NOLINT
  Value(const std::string& bytes) : Value(absl::string_view(bytes)) {}  // NOLINT

 private:
  friend class Connection;

  uint32_t type_;            // PostgreSQL's number of the type.
  char number_[8];           // In network order.
  absl::string_view bytes_;  // Used if type_ is BYTEA.
};

// The rows that a statement answered, in memory. Columns and rows count from 0. Thread-safe for reading.
class Rows {
 public:
  explicit Rows(pg_result* result);

  // Returns the number of rows.
  int size() const;
  // Returns a value of a BYTEA column. The view is valid as long as this object.
  absl::string_view Bytes(int row, int column) const;
  // Returns a value of a BIGINT column. It must not be null.
  int64_t Number(int row, int column) const;
  // Returns what the server says it has done, such as "COMMIT".
  absl::string_view command() const;
  // Returns how many rows an INSERT, UPDATE or DELETE changed.
  int64_t num_changed() const;

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

// One connection to a PostgreSQL server: libpq with an owner, deadlines and Status (sql_state.h says which).
//
//   auto connection = Connection::Open(uri, absl::Now() + absl::Seconds(5));
//   auto rows = (*connection)->Query("SELECT message FROM jobs WHERE name = $1", {name}, deadline);
//
// A call that is not answered by its deadline is Unavailable, and the connection is broken from then on, because the
// server may still work on it. No call waits for longer than its deadline (but for the look-up of a host's name).
// Thread-safety: compatible; used by one thread at a time.
class Connection {
 public:
  // Connects to the server that `uri` names, in the form that libpq understands:
  // postgresql://[user[:password]@][host][:port][,...]/[database][?parameter=value&...]. InvalidArgument if libpq does
  // not understand it. Unavailable if the server cannot be reached or refuses the user or the database; the message has
  // the server's text.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& uri, absl::Time deadline);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs one statement and returns its rows; its parameters are $1, $2, ... The errors of ToStatus (sql_state.h).
  absl::StatusOr<Rows> Query(const char* sql, std::initializer_list<Value> parameters, absl::Time deadline);
  // The same for a statement whose rows are of no interest.
  absl::Status Execute(const char* sql, std::initializer_list<Value> parameters, absl::Time deadline);
  // Commits the open transaction; OK means that its changes are durable. Internal: the transaction had failed before
  // and was rolled back, which the server calls a success.
  absl::Status Commit(absl::Time deadline);

  // Waits until a notification of a LISTEN comes, `descriptor` is readable, or the deadline has passed. Returns the
  // payloads of the notifications that have come, perhaps none. Unavailable: the connection is lost.
  absl::StatusOr<std::vector<std::string>> WaitForNotifications(int descriptor, absl::Time deadline);

  // Returns whether the connection has been lost or given up. Every further call is then Unavailable.
  bool is_broken() const { return is_broken_; }
  // Returns whether a transaction is open, including one that the failure of a statement has aborted.
  bool is_in_transaction() const;
  // The SQLSTATE of the last statement's error, empty if there was none or it was none of the server's.
  const std::string& last_sql_state() const { return last_sql_state_; }
  // What error messages call the server: its URI without user and password.
  const std::string& medium() const { return medium_; }

 private:
  Connection(std::string medium, pg_conn* handle) : medium_(std::move(medium)), handle_(handle) {}

  absl::Status FinishConnecting(absl::Time deadline);
  absl::Status Flush(absl::Time deadline);
  absl::Status WaitForResult(absl::Time deadline);
  absl::Status Check(const pg_result* result);
  absl::Status Lost(absl::string_view reason);
  std::vector<std::string> TakeNotifications();

  const std::string medium_;
  pg_conn* const handle_;
  bool is_broken_ = false;
  std::string last_sql_state_;
};

// Returns the URI without user, password and parameters that may be secret. InvalidArgument if libpq cannot parse it.
// The message says why, but does not repeat the URI, which may hold a password.
absl::StatusOr<std::string> WithoutSecrets(const std::string& uri);

}  // namespace greenplan::postgres

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_CONNECTION_H_
