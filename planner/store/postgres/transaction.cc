#include "planner/store/postgres/transaction.h"

#include <algorithm>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "planner/store/postgres/sql_state.h"

namespace greenplan::postgres {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(5);
constexpr absl::Duration kLongestPause = absl::Milliseconds(250);

// Pauses that double and are drawn at random up to that, so that two transactions that fell over each other do not meet
// again.
class Pauses {
 public:
  // Returns false if the pause would reach the deadline.
  bool Wait(absl::Time deadline) {
    const absl::Duration pause = longest_ * absl::Uniform(random_, 0.5, 1.0);
    longest_ = std::min(2 * longest_, kLongestPause);
    if (absl::Now() + pause >= deadline) return false;
    absl::SleepFor(pause);
    return true;
  }

 private:
  absl::BitGen random_;
  absl::Duration longest_ = kFirstPause;
};

bool IsWorthARetry(const absl::Status& status) { return absl::IsAborted(status) || absl::IsUnavailable(status); }

const char* Begin(Isolation isolation) {
  switch (isolation) {
    case Isolation::kReadCommitted:
      return "BEGIN ISOLATION LEVEL READ COMMITTED";
    case Isolation::kRepeatableRead:
      return "BEGIN ISOLATION LEVEL REPEATABLE READ";
    case Isolation::kSerializable:
      break;
  }
  return "BEGIN ISOLATION LEVEL SERIALIZABLE";
}

// `begin` is null for a body of a single statement.
absl::Status RunOnce(const Attempt& attempt, const char* begin, const TransactionBody& body, bool& was_sent) {
  Connection& connection = attempt.connection;
  if (begin == nullptr) {
    was_sent = true;
    return body(attempt);
  }
  if (absl::Status status = connection.Execute(begin, {}, attempt.deadline); !status.ok()) return status;
  if (absl::Status status = body(attempt); !status.ok()) {
    // Where this fails as well, the connection is closed, which rolls back, too.
    if (!connection.is_broken()) connection.Execute("ROLLBACK", {}, attempt.deadline).IgnoreError();
    return status;
  }
  was_sent = true;
  return connection.Commit(attempt.deadline);
}

absl::Status Run(ConnectionPool& pool, absl::Time deadline, const char* begin, const TransactionBody& body) {
  Pauses pauses;
  bool may_be_done = false;
  for (;;) {
    absl::Status status;
    {
      absl::StatusOr<ConnectionPool::Lease> lease = pool.Take(deadline);
      if (lease.ok()) {
        bool was_sent = false;
        Connection& connection = **lease;
        status = RunOnce({connection, deadline, may_be_done}, begin, body, was_sent);
        const bool is_lost = connection.is_broken() || IsOutcomeUnknown(connection.last_sql_state());
        if (!status.ok() && was_sent && is_lost) may_be_done = true;
      } else {
        status = lease.status();
      }
    }
    if (!IsWorthARetry(status)) return status;
    if (!pauses.Wait(deadline)) return absl::UnavailableError(status.message());
  }
}

}  // namespace

absl::Status RunTransaction(ConnectionPool& pool, Isolation isolation, absl::Time deadline,
                            const TransactionBody& body) {
  return Run(pool, deadline, Begin(isolation), body);
}

absl::Status RunStatement(ConnectionPool& pool, absl::Time deadline, const TransactionBody& body) {
  return Run(pool, deadline, /*begin=*/nullptr, body);
}

}  // namespace greenplan::postgres
