#ifndef GREENPLAN_PLANNER_ADMISSION_ANSWER_MEMORY_H_
#define GREENPLAN_PLANNER_ADMISSION_ANSWER_MEMORY_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/node_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace greenplan {

// What the answers take that were made and that their clients have not taken yet. A client that asks and does not read
// makes the daemon hold its answers; a tenant whose clients do so is refused before that takes too much memory.
//
//   AnswerMemory memory;
//   absl::Status status = memory.Admit(tenant);                                  // When a call comes in.
//   absl::StatusOr<AnswerMemory::Share> share = memory.Take(tenant, num_bytes);  // When its answer is made.
//   ... destroy the share once the answer is sent ...
//
// A tenant that holds nothing is never refused. Where all tenants together hold too much, only those are refused that
// hold more than their share of it, of which there is always one.
//
// Thread-safety: safe. Cost: O(1). Tenants without answers take no memory.
class AnswerMemory {
 public:
  // The most bytes that answers may take.
  struct Limits {
    int64_t bytes_per_tenant = int64_t{64} << 20;  // > 0
    int64_t bytes = int64_t{256} << 20;            // Of all tenants together, > 0.
  };

  // What a call takes beside its answer, about. It counts too, so that there is a limit to how many answers wait.
  static constexpr int64_t kCallBytes = 16 << 10;

  // Gives the bytes back when it is destroyed. Must not outlive its memory.
  struct GiveBack {
    const std::string* tenant = nullptr;  // Lives as long as the tenant holds anything.
    int64_t bytes = 0;
    void operator()(AnswerMemory* memory) const { memory->Return(*tenant, bytes); }
  };
  using Share = std::unique_ptr<AnswerMemory, GiveBack>;

  AnswerMemory() : AnswerMemory(Limits()) {}
  explicit AnswerMemory(const Limits& limits) : limits_(limits) {}
  AnswerMemory(const AnswerMemory&) = delete;
  AnswerMemory& operator=(const AnswerMemory&) = delete;

  // Checks whether a new call of the tenant may be taken on. ResourceExhausted, with a retry delay, if the answers of
  // the tenant take as much as they may.
  absl::Status Admit(const std::string& tenant) const;

  // Takes the share of an answer of `num_bytes` >= 0. ResourceExhausted, with a retry delay, if the answer is large and
  // would take more than the tenant may have. Small answers always get their share: a call that was admitted need not
  // have been in vain, and they are as many as the calls that Admit lets in.
  absl::StatusOr<Share> Take(const std::string& tenant, int64_t num_bytes);

  // Returns what all answers take now, in bytes.
  int64_t held_bytes() const;

 private:
  // What to tell a tenant that would hold `num_bytes` in all. OK if it may.
  absl::Status Check(const std::string& tenant, int64_t num_bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Return(const std::string& tenant, int64_t bytes);

  const Limits limits_;
  mutable absl::Mutex mutex_;
  int64_t held_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // By tenant, of those that hold any. Names stay where they are.
  absl::node_hash_map<std::string, int64_t> by_tenant_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_ADMISSION_ANSWER_MEMORY_H_
