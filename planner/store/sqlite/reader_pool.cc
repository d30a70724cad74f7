#include "planner/store/sqlite/reader_pool.h"

namespace greenplan {
namespace {

// Each holds up to 2 MB of pages. Reads that are in the system's cache take microseconds, so few suffice.
constexpr int kMaxConnections = 8;

}  // namespace

ReaderPool::Lease ReaderPool::Take() {
  const auto has_one = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return num_taken_ < kMaxConnections; };
  {
    absl::MutexLock lock(&mutex_, absl::Condition(&has_one));
    ++num_taken_;
    if (!idle_.empty()) {
      std::unique_ptr<Database> database = std::move(idle_.back());
      idle_.pop_back();
      return Lease(this, std::move(database));
    }
  }
  return Lease(this, Open());
}

void ReaderPool::GiveBack(absl::StatusOr<std::unique_ptr<Database>> database) {
  absl::MutexLock lock(&mutex_);
  --num_taken_;
  if (database.ok()) idle_.push_back(*std::move(database));
}

absl::StatusOr<std::unique_ptr<Database>> ReaderPool::Open() const {
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(path_);
  if (!database.ok()) return database;
  if (absl::Status status = (*database)->Execute("PRAGMA query_only = ON"); !status.ok()) return status;
  return database;
}

}  // namespace greenplan
