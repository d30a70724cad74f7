#include "planner/store/sqlite/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "planner/store/sqlite/contents.h"
#include "planner/store/sqlite/database.h"
#include "planner/store/sqlite/schema.h"

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

absl::Status CheckCopy(const std::string& path) {
  const absl::StatusOr<std::unique_ptr<Database>> copy = Database::Open(path);
  if (!copy.ok()) return copy.status();
  if (absl::Status status = (*copy)->CheckIntegrity(); !status.ok()) return status;
  const absl::StatusOr<int64_t> version = ReadSchemaVersion(**copy);
  // The daemon brings an older schema up to date, and checks it then.
  return version.ok() && *version == kSchemaVersion ? CheckContents(**copy) : version.status();
}

// SQLite itself does not flush the copy.
absl::Status Copy(Database& source, const std::string& target) {
  Statement copy(source, "VACUUM INTO ?");
  copy.BindText(1, target);
  absl::Status status = copy.Run();
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat(target, ": ", status.message()));
  if (status = CheckCopy(target); !status.ok()) return status;
  return FlushToDisk(target);
}

absl::Status Rename(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) return absl::UnavailableError(absl::StrCat(to, " cannot be made: ", error.message()));
  return FlushToDisk(std::filesystem::absolute(to).parent_path().string());
}

}  // namespace

absl::Status BackupSqliteStore(const std::string& source, const std::string& target) {
  if (!std::filesystem::exists(source)) return absl::NotFoundError(absl::StrCat(source, " does not exist"));
  if (std::filesystem::exists(target)) return absl::AlreadyExistsError(absl::StrCat(target, " exists"));
  const absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(source);
  if (!database.ok()) return database.status();
  if (const absl::Status status = ReadSchemaVersion(**database).status(); !status.ok()) return status;
  const std::string partial = target + ".partial";
  std::error_code ignored;
  std::filesystem::remove(partial, ignored);
  absl::Status status = Copy(**database, partial);
  if (status.ok()) status = Rename(partial, target);
  if (!status.ok()) std::filesystem::remove(partial, ignored);
  return status;
}

}  // namespace greenplan
