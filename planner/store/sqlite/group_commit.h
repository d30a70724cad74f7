#ifndef GREENPLAN_PLANNER_STORE_SQLITE_GROUP_COMMIT_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_GROUP_COMMIT_H_

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "planner/store/sqlite/database.h"

namespace greenplan {

// Changes of one database by many threads. Changes that wait while the disk is busy are made in one transaction, so
// that they share its flush to the disk:
//
//   GroupCommit writer(database.get());
//   absl::Status status = writer.Run([&](Database& database) { ... statements ...; return absl::OkStatus(); });
//
// Thread-safety: safe. Has no thread of its own: the callers take turns.
class GroupCommit {
 public:
  // `database` must outlive the object, and nobody else may use it.
  explicit GroupCommit(Database* database) : database_(*database) {}

  // Runs `change` inside a transaction, on this or another caller's thread, and waits until it is durable, which OK
  // means. What a change that does not return OK has done is undone, without effect on the other changes of the
  // transaction. An error of the transaction itself is answered to all changes in it.
  absl::Status Run(absl::FunctionRef<absl::Status(Database&)> change);

  // Return how many transactions have ended, and how many changes wait for one now.
  int64_t num_commits() const;
  int64_t num_waiting() const;

 private:
  struct Waiting {
    absl::FunctionRef<absl::Status(Database&)> change;
    absl::Status status;
    bool is_done = false;
    absl::CondVar changed;  // It is done, or its caller's turn to commit has come.
  };

  void RunBatch(const std::vector<Waiting*>& batch);
  absl::Status RunInTransaction(const std::vector<Waiting*>& batch);

  Database& database_;  // Used by the caller that has set is_busy_.
  mutable absl::Mutex mutex_;
  bool is_busy_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Waiting*> queue_ ABSL_GUARDED_BY(mutex_);
  int64_t num_commits_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_GROUP_COMMIT_H_
