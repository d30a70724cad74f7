#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_TRANSACTION_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_TRANSACTION_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "planner/store/postgres/connection.h"
#include "planner/store/postgres/connection_pool.h"

namespace greenplan::postgres {

// What the body of a transaction works with.
struct Attempt {
  Connection& connection;
  absl::Time deadline;
  // Whether an earlier attempt may have been committed although its answer was lost. The body then reads back: what it
  // is about to write may be there already, by its own hand.
  bool may_be_done = false;
};

// How far transactions are kept apart. Databases that lack a level take the next stricter one.
enum class Isolation { kReadCommitted, kRepeatableRead, kSerializable };

// What is done in a transaction. It may run several times.
using TransactionBody = std::function<absl::Status(const Attempt&)>;

// Runs `body` in a transaction and commits it; OK means that the changes are durable. An error of the body rolls back
// and is returned.
//
// Runs the body again, on another connection if need be, as long as the transaction lost against another one (Aborted)
// or the server cannot be reached (Unavailable), with growing pauses, up to `deadline`; the last error is returned
// then, Aborted as Unavailable. A body that must not report a key that its own lost attempt has taken looks at
// may_be_done.
absl::Status RunTransaction(ConnectionPool& pool, Isolation isolation, absl::Time deadline,
                            const TransactionBody& body);

// The same for a body of a single statement, which needs no transaction around it.
absl::Status RunStatement(ConnectionPool& pool, absl::Time deadline, const TransactionBody& body);

}  // namespace greenplan::postgres

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_TRANSACTION_H_
