#include "planner/store/postgres/connection.h"

#include <errno.h>
#include <poll.h>
#include <postgresql/libpq-fe.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "planner/store/postgres/sql_state.h"

namespace greenplan::postgres {
namespace {

// The numbers of the types BYTEA and BIGINT, the same in every PostgreSQL and in the databases that are compatible.
constexpr Oid kBytea = 17;
constexpr Oid kBigint = 20;
constexpr int kBinary = 1;

int64_t FromNetworkOrder(const char* bytes) {
  uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | static_cast<uint8_t>(bytes[i]);
  return static_cast<int64_t>(number);
}

void ToNetworkOrder(int64_t number, char* bytes) {
  auto rest = static_cast<uint64_t>(number);
  for (int i = 7; i >= 0; --i, rest >>= 8) bytes[i] = static_cast<char>(rest);
}

// Waits for `events` on `descriptor`, or for `other` to be readable (-1: none). Returns false once the deadline has
// passed.
bool Poll(int descriptor, short events, int other, absl::Time deadline) {
  for (;;) {
    const int64_t rest =
        std::max<int64_t>(0, absl::ToInt64Milliseconds(deadline - absl::Now() + absl::Microseconds(999)));
    pollfd waits[] = {{descriptor, events, 0}, {other, POLLIN, 0}};
    const int ready = poll(waits, 2, static_cast<int>(std::min<int64_t>(rest, std::numeric_limits<int>::max())));
    if (ready > 0) return true;
    if (ready < 0 && errno == EINTR) continue;
    return false;
  }
}

absl::Status NoUri(absl::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat("is no URI of a PostgreSQL database: ", reason,
                                                 "; allowed: postgresql://USER@HOST:PORT/DATABASE?PARAMETER=VALUE"));
}

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

}  // namespace

Value::Value(int64_t number) : type_(kBigint) { ToNetworkOrder(number, number_); }

Value::Value(absl::string_view bytes) : type_(kBytea), bytes_(bytes) {}

Rows::Rows(pg_result* result) : result_(result) {}

void Rows::Clear::operator()(pg_result* result) const { PQclear(result); }

int Rows::size() const { return PQntuples(result_.get()); }

absl::string_view Rows::Bytes(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column), static_cast<size_t>(PQgetlength(result_.get(), row, column))};
}

int64_t Rows::Number(int row, int column) const { return FromNetworkOrder(PQgetvalue(result_.get(), row, column)); }

absl::string_view Rows::command() const { return PQcmdStatus(result_.get()); }

int64_t Rows::num_changed() const {
  int64_t count = 0;
  return absl::SimpleAtoi(PQcmdTuples(result_.get()), &count) ? count : 0;
}

absl::StatusOr<std::string> WithoutSecrets(const std::string& uri) {
  if (!absl::StartsWith(uri, "postgresql://") && !absl::StartsWith(uri, "postgres://")) {
    return NoUri("it does not begin with postgresql://");
  }
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(PQconninfoParse(uri.c_str(), &error));
  if (options == nullptr) {
    absl::string_view reason = error != nullptr ? error : "out of memory";
    // What follows in quotes is the URI or a part of it, but for the name of a parameter that does not exist.
    if (!absl::StrContains(reason, "query parameter: \"")) reason = reason.substr(0, reason.find(": \""));
    absl::Status status = NoUri(absl::StripAsciiWhitespace(reason));
    PQfreemem(error);
    return status;
  }
  std::string host;
  std::string port;
  std::string database;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    if (std::strcmp(option->keyword, "host") == 0) host = option->val;
    if (std::strcmp(option->keyword, "port") == 0) port = absl::StrCat(":", option->val);
    if (std::strcmp(option->keyword, "dbname") == 0) database = option->val;
  }
  return absl::StrCat("postgresql://", host, port, "/", database);
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& uri, absl::Time deadline) {
  absl::StatusOr<std::string> medium = WithoutSecrets(uri);
  if (!medium.ok()) return medium.status();
  pg_conn* handle = PQconnectStart(uri.c_str());
  if (handle == nullptr) return absl::ResourceExhaustedError("no memory for a connection to PostgreSQL");
  auto connection = absl::WrapUnique(new Connection(*std::move(medium), handle));
  if (absl::Status status = connection->FinishConnecting(deadline); !status.ok()) return status;
  PQsetnonblocking(handle, 1);
  // Notices such as "relation exists already, skipping" are of no interest.
  PQsetNoticeProcessor(
      handle, [](void*, const char*) {}, nullptr);
  return connection;
}

Connection::~Connection() { PQfinish(handle_); }

absl::Status Connection::FinishConnecting(absl::Time deadline) {
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (PQstatus(handle_) != CONNECTION_BAD && state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
    if (!Poll(PQsocket(handle_), state == PGRES_POLLING_READING ? POLLIN : POLLOUT, -1, deadline)) {
      return Lost("no connection within the time allowed");
    }
    state = PQconnectPoll(handle_);
  }
  return PQstatus(handle_) == CONNECTION_OK ? absl::OkStatus() : Lost(PQerrorMessage(handle_));
}

absl::Status Connection::Lost(absl::string_view reason) {
  is_broken_ = true;
  last_sql_state_.clear();
  return ToStatus("", medium_, reason);
}

absl::Status Connection::Flush(absl::Time deadline) {
  for (;;) {
    const int unsent = PQflush(handle_);
    if (unsent == 0) return absl::OkStatus();
    if (unsent < 0) return Lost(PQerrorMessage(handle_));
    // The server may stop reading until what it has sent is read.
    if (!Poll(PQsocket(handle_), POLLIN | POLLOUT, -1, deadline)) return Lost("the server does not take the statement");
    if (PQconsumeInput(handle_) == 0) return Lost(PQerrorMessage(handle_));
  }
}

// Over TLS, bytes may be waiting in the library while the socket has none, so the wait is cut into slices.
absl::Status Connection::WaitForResult(absl::Time deadline) {
  constexpr absl::Duration kSlice = absl::Milliseconds(250);
  while (PQisBusy(handle_) != 0) {
    const bool is_ready = Poll(PQsocket(handle_), POLLIN, -1, std::min(deadline, absl::Now() + kSlice));
    if (PQconsumeInput(handle_) == 0) return Lost(PQerrorMessage(handle_));
    if (!is_ready && absl::Now() >= deadline) return Lost("no answer within the time allowed");
  }
  return absl::OkStatus();
}

absl::Status Connection::Check(const pg_result* result) {
  if (result == nullptr) return Lost(PQerrorMessage(handle_));
  const ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) return absl::OkStatus();
  if (PQstatus(handle_) != CONNECTION_OK) is_broken_ = true;
  const char* sql_state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  last_sql_state_ = sql_state != nullptr ? sql_state : "";
  return ToStatus(last_sql_state_, medium_, PQresultErrorMessage(result));
}

absl::StatusOr<Rows> Connection::Query(const char* sql, std::initializer_list<Value> parameters, absl::Time deadline) {
  if (is_broken_) return ToStatus("", medium_, "the connection is lost");
  last_sql_state_.clear();
  constexpr size_t kMaxParameters = 16;
  Oid types[kMaxParameters];
  const char* values[kMaxParameters];
  int lengths[kMaxParameters];
  int formats[kMaxParameters];
  int count = 0;
  for (const Value& value : parameters) {
    const bool is_number = value.type_ == kBigint;
    types[count] = value.type_;
    // libpq takes a null pointer for NULL.
    values[count] = is_number ? value.number_ : value.bytes_.empty() ? "" : value.bytes_.data();
    lengths[count] = is_number ? 8 : static_cast<int>(value.bytes_.size());
    formats[count++] = kBinary;
  }
  if (PQsendQueryParams(handle_, sql, count, types, values, lengths, formats, kBinary) == 0) {
    return Lost(PQerrorMessage(handle_));
  }
  if (absl::Status status = Flush(deadline); !status.ok()) return status;
  if (absl::Status status = WaitForResult(deadline); !status.ok()) return status;
  pg_result* result = PQgetResult(handle_);
  Rows rows(result);
  absl::Status status = Check(result);
  // libpq wants to be asked until there is no further result.
  while (result != nullptr && !is_broken_) {
    if (absl::Status wait = WaitForResult(deadline); !wait.ok()) return wait;
    result = PQgetResult(handle_);
    if (result != nullptr) PQclear(result);
  }
  if (!status.ok()) return status;
  return rows;
}

absl::Status Connection::Execute(const char* sql, std::initializer_list<Value> parameters, absl::Time deadline) {
  return Query(sql, parameters, deadline).status();
}

absl::Status Connection::Commit(absl::Time deadline) {
  const absl::StatusOr<Rows> rows = Query("COMMIT", {}, deadline);
  if (!rows.ok()) return rows.status();
  if (rows->command() == "COMMIT") return absl::OkStatus();
  return absl::InternalError(absl::StrCat(medium_, ": a transaction that had failed was to be committed"));
}

bool Connection::is_in_transaction() const {
  const PGTransactionStatusType status = PQtransactionStatus(handle_);
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

// Those that came with the answer to a statement are in the library already, and the socket does not tell.
absl::StatusOr<std::vector<std::string>> Connection::WaitForNotifications(int descriptor, absl::Time deadline) {
  if (is_broken_) return ToStatus("", medium_, "the connection is lost");
  std::vector<std::string> payloads = TakeNotifications();
  if (!payloads.empty()) return payloads;
  if (Poll(PQsocket(handle_), POLLIN, descriptor, deadline) && PQconsumeInput(handle_) == 0) {
    return Lost(PQerrorMessage(handle_));
  }
  return TakeNotifications();
}

std::vector<std::string> Connection::TakeNotifications() {
  std::vector<std::string> payloads;
  while (PGnotify* notification = PQnotifies(handle_)) {
    payloads.push_back(notification->extra);
    PQfreemem(notification);
  }
  return payloads;
}

}  // namespace greenplan::postgres
