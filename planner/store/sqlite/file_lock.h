#ifndef GREENPLAN_PLANNER_STORE_SQLITE_FILE_LOCK_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_FILE_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace greenplan {

// Marks a database as served by one process, by a lock on a file beside it, PATH.lock. The system releases the lock
// when its process ends, however it ends; the file stays. SQLite's own locks stay free for other connections, such as
// those of a backup.
//
//   absl::StatusOr<std::unique_ptr<FileLock>> lock = FileLock::Take("/var/lib/greenplan/greenplan.sqlite");
//   if (!lock.ok()) return lock.status();  // Another daemon serves the database.
class FileLock {
 public:
  // Takes the lock of the database at `path` without waiting. Unavailable if another process, or another lock of this
  // one, has it. FailedPrecondition if the lock's file cannot be opened. Both name `path`.
  static absl::StatusOr<std::unique_ptr<FileLock>> Take(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}

  const int descriptor_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_FILE_LOCK_H_
