#include "planner/daemon/backup_command.h"

#include "planner/core/invalid_argument.h"
#include "planner/daemon/daemon_store.h"
#include "planner/store/sqlite/backup.h"

namespace greenplan {

absl::Status RunBackup(const DaemonOptions& options, const std::string& output) {
  const absl::StatusOr<StoreUri> uri = StoreOf(options);
  if (!uri.ok()) return uri.status();
  switch (uri->driver()) {
    case StoreUri::Driver::kPostgres:
      return InvalidArgument("--store", " is ", uri->name(),
                             "; allowed: sqlite:PATH; back a PostgreSQL database up with pg_dump");
    case StoreUri::Driver::kMemory:
      return InvalidArgument("--store", " is memory:; allowed: sqlite:PATH");
    case StoreUri::Driver::kSqlite:
      break;
  }
  return BackupSqliteStore(uri->path(), output);
}

}  // namespace greenplan
