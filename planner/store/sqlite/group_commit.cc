#include "planner/store/sqlite/group_commit.h"

#include <sqlite3.h>

namespace greenplan {

absl::Status GroupCommit::Run(absl::FunctionRef<absl::Status(Database&)> change) {
  Waiting waiting{.change = change};
  std::vector<Waiting*> batch;
  {
    absl::MutexLock lock(&mutex_);
    queue_.push_back(&waiting);
    while (is_busy_ && !waiting.is_done) waiting.changed.Wait(&mutex_);
    if (waiting.is_done) return waiting.status;
    is_busy_ = true;
    batch.swap(queue_);
  }
  RunBatch(batch);
  absl::MutexLock lock(&mutex_);
  for (Waiting* done : batch) {
    done->is_done = true;
    done->changed.Signal();
  }
  ++num_commits_;
  is_busy_ = false;
  if (!queue_.empty()) queue_.front()->changed.Signal();
  return waiting.status;
}

int64_t GroupCommit::num_commits() const {
  absl::MutexLock lock(&mutex_);
  return num_commits_;
}

int64_t GroupCommit::num_waiting() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int64_t>(queue_.size());
}

void GroupCommit::RunBatch(const std::vector<Waiting*>& batch) {
  const absl::Status status = RunInTransaction(batch);
  if (status.ok()) return;
  for (Waiting* waiting : batch) {
    if (waiting->status.ok()) waiting->status = status;
  }
}

// Some errors, such as a full disk, make SQLite roll the whole transaction back, whatever savepoints there are.
absl::Status GroupCommit::RunInTransaction(const std::vector<Waiting*>& batch) {
  Transaction transaction(database_);
  if (absl::Status status = transaction.Begin(); !status.ok()) return status;
  bool has_changed = false;
  for (Waiting* waiting : batch) {
    if (absl::Status status = Statement(database_, "SAVEPOINT change").Run(); !status.ok()) return status;
    waiting->status = waiting->change(database_);
    has_changed |= waiting->status.ok();
    if (sqlite3_get_autocommit(database_.handle()) != 0) return waiting->status;
    if (!waiting->status.ok()) {
      if (absl::Status status = Statement(database_, "ROLLBACK TO change").Run(); !status.ok()) return status;
    }
    if (absl::Status status = Statement(database_, "RELEASE change").Run(); !status.ok()) return status;
  }
  return has_changed ? transaction.Commit() : absl::OkStatus();
}

}  // namespace greenplan
