#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_SQL_STATE_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_SQL_STATE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace greenplan::postgres {

// Returns what an error of the server means, from its SQLSTATE (five characters; empty if the connection was lost):
//
//   Unavailable         the server cannot be reached, starts, stops, is a read-only standby, has no connection left, or
//                       met an I/O error
//   Aborted             the transaction lost against another one (40001, 40P01) and may be run again
//   AlreadyExists       a key is taken
//   NotFound            a foreign key points nowhere
//   ResourceExhausted   the server is out of space or memory
//   DataLoss            the data is damaged
//   FailedPrecondition  the database, its user or its schema is not as it must be
//   Internal            anything else
//
// The message is `medium`, then the server's own text. Pure function, thread-safe.
absl::Status ToStatus(absl::string_view sql_state, const std::string& medium, absl::string_view server_message);

// Returns whether an error of this kind leaves open whether the transaction was committed: the connection was lost, or
// the server says so itself (40003).
bool IsOutcomeUnknown(absl::string_view sql_state);

}  // namespace greenplan::postgres

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_SQL_STATE_H_
