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
  // Opens the file at `path`, or creates it. Statements may use greenplan_crc32 (checksum.h).
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const std::string& path() const { return path_; }
  // SQLite's own connection, for calls that this class does not have.
  sqlite3* handle() const { return handle_; }

  // Runs all of several statements separated by ";".
  absl::Status Execute(const std::string& sql);
  // Returns the single number that a query such as "PRAGMA user_version" answers.
  absl::StatusOr<int64_t> QueryNumber(const std::string& sql);
  // How many rows the last INSERT, UPDATE or DELETE changed.
  int64_t num_changed() const;

  // Runs SQLite's integrity check, which reads the whole file. DataLoss, with the first fault found, if it is damaged.
  absl::Status CheckIntegrity();

  // Returns the status for a result code of SQLite, with the file's name and SQLite's message.
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

  // Runs the statement up to its next row. Returns whether there is one. Also reports an error in the SQL or in a
  // parameter.
  absl::StatusOr<bool> Step();
  // Runs a statement that answers no rows.
  absl::Status Run();

  // Columns count from 0. The view is valid until the next Step.
  absl::string_view Blob(int column) const;
  // Returns an integer of the current row.
  int64_t Number(int column) const;

 private:
  void Keep(int code);

  Database& database_;
  const std::string sql_;
  sqlite3_stmt* statement_ = nullptr;
  int first_error_;  // SQLITE_OK, or the first code that went wrong.
};

// A transaction. The destructor rolls it back unless it was committed.
//
//   Transaction transaction(database);
//   if (absl::Status status = transaction.Begin(); !status.ok()) return status;
//   ... statements ...
//   return transaction.Commit();
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // Starts the transaction and takes the write lock.
  absl::Status Begin();
  // Commits. Once this is OK, the changes are durable.
  absl::Status Commit();

 private:
  Database& database_;
  bool is_open_ = false;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_DATABASE_H_
