#ifndef GREENPLAN_PLANNER_STORE_SQLITE_READER_POOL_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_READER_POOL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "planner/store/sqlite/database.h"

namespace greenplan {

// Connections that read one database while another one writes it. They see what was committed before they were taken.
//
//   const ReaderPool::Lease database = readers.Take();
//   if (!database.status().ok()) return database.status();
//   Statement query(*database, "SELECT ...");
//
// Thread-safety: safe; a Lease is used by one thread, and gives its connection back in its destructor.
class ReaderPool {
 public:
  // A connection that is borrowed until the end of the lease's scope, or the error that kept one from being opened.
  class Lease {
   public:
    Lease(ReaderPool* pool, absl::StatusOr<std::unique_ptr<Database>> database)
        : pool_(*pool), database_(std::move(database)) {}
    ~Lease() { pool_.GiveBack(std::move(database_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    // OK if there is a connection.
    const absl::Status& status() const { return database_.status(); }
    Database& operator*() const { return **database_; }

   private:
    ReaderPool& pool_;
    absl::StatusOr<std::unique_ptr<Database>> database_;
  };

  // `path` is that of the database's file, which must exist.
  explicit ReaderPool(std::string path) : path_(std::move(path)) {}

  // Returns a connection; waits for one if all are in use. The errors of Database::Open are in the lease's status.
  Lease Take();

 private:
  void GiveBack(absl::StatusOr<std::unique_ptr<Database>> database);
  absl::StatusOr<std::unique_ptr<Database>> Open() const;

  const std::string path_;
  absl::Mutex mutex_;
  int num_taken_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Database>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_READER_POOL_H_
