#include "planner/store/sqlite/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "planner/store/sqlite/database.h"

namespace greenplan {
namespace {

absl::Status FlushToDisk(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool ok = descriptor >= 0 && fsync(descriptor) == 0;
  const int error = errno;
  if (descriptor >= 0) close(descriptor);
  if (ok) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path, " cannot be flushed to the disk: ", strerror(error)));
}

// SQLite itself does not flush the copy.
absl::Status Copy(Database& source, const std::string& target) {
  Statement copy(source, "VACUUM INTO ?");
  copy.BindText(1, target);
  absl::Status status = copy.Run();
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat(target, ": ", status.message()));
  if (status = FlushToDisk(target); !status.ok()) return status;
  const std::filesystem::path folder = std::filesystem::absolute(target).parent_path();
  return FlushToDisk(folder.string());
}

}  // namespace

absl::Status BackupSqliteStore(const std::string& source, const std::string& target) {
  if (!std::filesystem::exists(source)) return absl::NotFoundError(absl::StrCat(source, " does not exist"));
  if (std::filesystem::exists(target)) return absl::AlreadyExistsError(absl::StrCat(target, " exists"));
  const absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(source);
  if (!database.ok()) return database.status();
  absl::Status status = Copy(**database, target);
  std::error_code ignored;
  if (!status.ok()) std::filesystem::remove(target, ignored);
  return status;
}

}  // namespace greenplan
