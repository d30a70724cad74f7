#include "planner/store/sqlite/database.h"

#include <errno.h>
#include <sqlite3.h>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "planner/store/sqlite/checksum.h"

namespace greenplan {

namespace {

// How long to wait for a connection that holds a lock: another one of the same store, or a backup.
constexpr int kBusyTimeoutMilliseconds = 5000;

// What failed of a file's operations, of which SQLite's own text says no more than "disk I/O error". The errno would
// say more, but SQLite does not keep it over the rollback that follows.
absl::string_view FailedCall(int code) {
  switch (code) {
    case SQLITE_IOERR_READ:
    case SQLITE_IOERR_SHORT_READ:
      return " while reading";
    case SQLITE_IOERR_WRITE:
      return " while writing";
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC:
      return " while flushing to the disk";
    case SQLITE_IOERR_TRUNCATE:
      return " while truncating";
    default:
      return "";
  }
}

bool IsReadError(int error) { return error == EIO || error == ENXIO || error == ERANGE; }

// Whether the last system call that went wrong on the file or its log was a read. SQLite takes that for a sign of a
// broken file system and reports SQLITE_CORRUPT, although the next read may succeed. A successful call does not clear
// the error, so real damage that is met later on the same connection is reported as a read error, too.
bool HasFailedToRead(sqlite3* handle) {
  int error = 0;
  sqlite3_file_control(handle, "main", SQLITE_FCNTL_LAST_ERRNO, &error);
  if (IsReadError(error)) return true;
  sqlite3_file* log = nullptr;
  sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (log == nullptr || log->pMethods == nullptr) return false;
  error = 0;
  log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
  return IsReadError(error);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &handle, kFlags, nullptr);
  auto database = absl::WrapUnique(new Database(path, handle));
  sqlite3_busy_timeout(handle, kBusyTimeoutMilliseconds);
  if (code != SQLITE_OK) return database->ToStatus(code);
  if (const int error = RegisterChecksum(handle); error != SQLITE_OK) return database->ToStatus(error);
  if (sqlite3_db_readonly(handle, "main") != 0) return database->ToStatus(SQLITE_READONLY);
  return database;
}

Database::~Database() {
  for (const auto& [sql, statement] : idle_statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

absl::Status Database::Execute(const std::string& sql) {
  return ToStatus(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr));
}

absl::StatusOr<int64_t> Database::QueryNumber(const std::string& sql) {
  Statement query(*this, sql);
  const absl::StatusOr<bool> row = query.Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::InternalError(absl::StrCat(path_, ": no answer to ", sql));
  return query.Number(0);
}

int64_t Database::num_changed() const { return sqlite3_changes64(handle_); }

absl::Status Database::CheckIntegrity() {
  Statement check(*this, "PRAGMA integrity_check(1)");
  const absl::StatusOr<bool> row = check.Step();
  if (!row.ok()) return row.status();
  const std::string result(check.Blob(0));
  if (result == "ok") return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(path_, " is damaged or no database: ", absl::StrReplaceAll(result, {{"\n", "; "}})));
}

absl::Status Database::ToStatus(int code) const {
  if ((code & 0xff) == SQLITE_CORRUPT && HasFailedToRead(handle_)) code = SQLITE_IOERR_READ;
  if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return absl::OkStatus();
  const auto text = [&](absl::string_view problem) {
    return absl::StrCat(path_, " ", problem, ": ", sqlite3_errstr(code), FailedCall(code));
  };
  if (code == SQLITE_CONSTRAINT_FOREIGNKEY) return absl::NotFoundError(text("has no such parent"));
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
      return absl::AlreadyExistsError(text("has this key already"));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(text("is in use by another process"));
    case SQLITE_IOERR:
      return absl::UnavailableError(text("cannot be read or written now"));
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return absl::FailedPreconditionError(text("cannot be opened for writing"));
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return absl::ResourceExhaustedError(text("cannot grow"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(text("is damaged or no database"));
    default:
      return absl::InternalError(text("failed"));
  }
}

Statement::Statement(Database& database, absl::string_view sql) : database_(database), sql_(sql) {
  const auto idle = database.idle_statements_.find(sql_);
  if (idle != database.idle_statements_.end()) {
    statement_ = idle->second;
    database.idle_statements_.erase(idle);
    first_error_ = SQLITE_OK;
    return;
  }
  first_error_ = sqlite3_prepare_v3(database.handle(), sql_.data(), static_cast<int>(sql_.size()),
                                    SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  if (!database_.idle_statements_.try_emplace(sql_, statement_).second) sqlite3_finalize(statement_);
}

void Statement::Keep(int code) {
  if (first_error_ == SQLITE_OK) first_error_ = code;
}

void Statement::BindText(int parameter, absl::string_view text) {
  Keep(sqlite3_bind_text64(statement_, parameter, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8));
}

// An empty view may be null, which SQLite would take for NULL.
void Statement::BindBlob(int parameter, absl::string_view bytes) {
  const char* data = bytes.empty() ? "" : bytes.data();
  Keep(sqlite3_bind_blob64(statement_, parameter, data, bytes.size(), SQLITE_STATIC));
}

void Statement::BindNumber(int parameter, int64_t number) { Keep(sqlite3_bind_int64(statement_, parameter, number)); }

absl::StatusOr<bool> Statement::Step() {
  if (first_error_ != SQLITE_OK) return database_.ToStatus(first_error_);
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_.ToStatus(code);
}

absl::Status Statement::Run() { return Step().status(); }

absl::string_view Statement::Blob(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return {data, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

int64_t Statement::Number(int column) const { return sqlite3_column_int64(statement_, column); }

absl::Status Transaction::Begin() {
  absl::Status status = database_.Execute("BEGIN IMMEDIATE");
  is_open_ = status.ok();
  return status;
}

absl::Status Transaction::Commit() {
  absl::Status status = database_.Execute("COMMIT");
  is_open_ = !status.ok();
  return status;
}

// Some errors have rolled back already; then ROLLBACK fails, and there is nothing left to do.
Transaction::~Transaction() {
  if (is_open_) database_.Execute("ROLLBACK").IgnoreError();
}

}  // namespace greenplan
