#ifndef GREENPLAN_PLANNER_STORE_SQLITE_DATABASE_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_DATABASE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace greenplan {

// SQLite's C interface with owners and Status. Every error names the file.
//   Unavailable: locked by another process, or an I/O error.   FailedPrecondition: cannot be opened or written.
//   ResourceExhausted: the disk is full.                        DataLoss: the file is damaged or no database.
//   AlreadyExists: a key is taken.   NotFound: a foreign key points nowhere.   Internal: anything else.
// Thread-safety: compatible; a Database and its Statements are used by one thread at a time.
class Database {
 public:
  // Opens or creates the file at `path`. Statements may use greenplan_crc32 (checksum.h).
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const std::string& path() const { return path_; }
  sqlite3* handle() const { return handle_; }

  // Runs statements separated by ";" to their ends.
  absl::Status Execute(const std::string& sql);
  // The single number that a query answers, such as "PRAGMA user_version".
  absl::StatusOr<int64_t> QueryNumber(const std::string& sql);
  // How many rows the last INSERT, UPDATE or DELETE changed.
  int64_t num_changed() const;

  // DataLoss, with the first fault found, if the file is damaged. Reads all of it.
  absl::Status CheckIntegrity();

  // What SQLite's result code means.
  absl::Status ToStatus(int code) const;

 private:
  friend class Statement;

  Database(const std::string& path, sqlite3* handle) : path_(path), handle_(handle) {}

  const std::string path_;
  sqlite3* const handle_;
  // Statements that are not in use, by their SQL, so that each is prepared once.
  absl::flat_hash_map<std::string, sqlite3_stmt*> idle_statements_;
};

// A prepared statement with its parameters, run once. Preparing the same SQL again is cheap.
//
//   Statement query(database, "SELECT message FROM jobs WHERE name = ?");
//   query.BindText(1, name);
//   absl::StatusOr<bool> row = query.Step();   // false: no further row.
//   if (row.ok() && *row) use(query.Blob(0));
class Statement {
 public:
  // Lifetime: `database` outlives the statement. An error in `sql` is reported by Step.
  Statement(Database& database, absl::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Parameters count from 1. The bytes must outlive the last Step.
  void BindText(int parameter, absl::string_view text);
  void BindBlob(int parameter, absl::string_view bytes);
  void BindNumber(int parameter, int64_t number);

  absl::StatusOr<bool> Step();
  // Steps a statement that answers no rows.
  absl::Status Run();

  // Columns count from 0. The view is valid until the next Step.
  absl::string_view Blob(int column) const;
  int64_t Number(int column) const;

 private:
  void Keep(int code);

  Database& database_;
  const std::string sql_;
  sqlite3_stmt* statement_ = nullptr;
  int first_error_;  // SQLITE_OK, or the first code that went wrong.
};

// Rolls back in its destructor unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  absl::Status Begin();
  // The changes are durable once this is OK.
  absl::Status Commit();

 private:
  Database& database_;
  bool is_open_ = false;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_DATABASE_H_
