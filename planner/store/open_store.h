#ifndef GREENPLAN_PLANNER_STORE_OPEN_STORE_H_
#define GREENPLAN_PLANNER_STORE_OPEN_STORE_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "planner/store/store.h"

namespace greenplan {

// Which store a daemon uses, as its flag --store says:
//   sqlite:PATH         one file, for one daemon at a time (sqlite/sqlite_store.h)
//   postgresql://...    a database that replicas share (postgres/postgres_store.h); postgres:// is the same
//   memory:             nothing outlives the process (memory/memory_store.h)
//
//   absl::StatusOr<StoreUri> uri = StoreUri::Parse("sqlite:/var/lib/greenplan/greenplan.sqlite");
//   if (uri.ok()) store = uri->Open();
class StoreUri {
 public:
  enum class Driver { kSqlite, kPostgres, kMemory };

  // Reads the value of --store. InvalidArgument, worded to follow "--store ". The message repeats no part of the text
  // that may hold a password.
  static absl::StatusOr<StoreUri> Parse(absl::string_view text);
  // Returns the URI of the SQLite file at `path`.
  static StoreUri Sqlite(std::string path) { return StoreUri(Driver::kSqlite, path, path); }

  // Opens the store, and makes or updates its schema. Errors are those of the driver: OpenSqliteStore,
  // OpenPostgresStore.
  absl::StatusOr<std::unique_ptr<Store>> Open() const;

  Driver driver() const { return driver_; }
  // Returns the path of the file for kSqlite, and an empty string otherwise.
  std::string path() const { return driver_ == Driver::kSqlite ? target_ : ""; }
  // Returns the name for logs, without user and password.
  const std::string& name() const { return name_; }

 private:
  StoreUri(Driver driver, std::string target, std::string name)
      : driver_(driver), target_(std::move(target)), name_(std::move(name)) {}

  Driver driver_;
  std::string target_;  // A path or a URI.
  std::string name_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_OPEN_STORE_H_
