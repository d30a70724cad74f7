#include "planner/service/plan_watches.h"

#include <atomic>
#include <deque>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/prepared_job.h"
#include "planner/rpc/grpc_status.h"
#include "planner/rpc/refused_stream.h"

namespace greenplan {
namespace {

// Of the plans that a watch reads at once. A plan takes an eighth of a byte for each tensor, and what is read may wait
// for a slow client.
constexpr int kPlansPerRead = 16;

absl::Status Draining() { return absl::UnavailableError("the daemon is draining"); }

}  // namespace

// Either reads from the store, or writes what it has read, or is idle until something changes. What to do next is
// decided under the mutex and done without it: gRPC may run the reaction to an operation before the operation returns.
class PlanWatches::Watch final : public grpc::ServerWriteReactor<v1::Plan>, public std::enable_shared_from_this<Watch> {
 public:
  Watch(PlanWatches* watches, JobKey key, int64_t start_round)
      : watches_(*watches),
        engine_(watches->engine_),
        answer_memory_(watches->answer_memory_),
        key_(std::move(key)),
        next_round_(start_round) {}

  // 0 until the job was looked up.
  int64_t job_id() const { return job_id_; }

  // Looks whether there is something to send, once what goes on now is done.
  void Look() {
    {
      absl::MutexLock lock(&mutex_);
      if (end_.has_value()) return;
      if (std::exchange(is_busy_, true)) {
        has_changed_ = true;
        return;
      }
    }
    ReadSoon();
  }

  // Ends the call, after the write in progress. Only the first call counts.
  void End(const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      if (end_.has_value()) return;
      end_ = status;
      if (is_writing_) return;
    }
    Finish(ToGrpcStatus(status));
  }

  void OnWriteDone(bool ok) override {
    if (!ok) End(absl::CancelledError("the client has gone"));
    absl::Status end;
    const v1::Plan* next = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      is_writing_ = false;
      unsent_.pop_front();
      if (end_.has_value()) {
        end = *end_;
      } else if (!unsent_.empty()) {
        is_writing_ = true;
        next = &unsent_.front();
      } else {
        share_ = nullptr;
      }
    }
    if (!end.ok()) return Finish(ToGrpcStatus(end));
    if (next != nullptr) return StartWrite(next);
    ReadSoon();
  }

  void OnCancel() override { End(absl::CancelledError("the client has gone")); }

  // Drops the last reference to this.
  void OnDone() override { watches_.Remove(this); }

 private:
  void ReadSoon() {
    engine_.calls().Continue(key_.tenant, [self = shared_from_this()] { self->Read(); });
  }

  void Read() {
    {
      absl::MutexLock lock(&mutex_);
      has_changed_ = false;
    }
    absl::StatusOr<std::vector<v1::Plan>> plans = ReadPlans();
    if (!plans.ok()) return End(plans.status());
    absl::StatusOr<AnswerMemory::Share> share = TakeShare(*plans);
    if (!share.ok()) return End(share.status());
    bool read_again = false;
    const v1::Plan* next = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      if (end_.has_value()) return;
      if (!plans->empty()) {
        next_round_ = plans->back().round() + 1;
        unsent_.assign(std::make_move_iterator(plans->begin()), std::make_move_iterator(plans->end()));
        share_ = *std::move(share);
        is_writing_ = true;
        next = &unsent_.front();
      } else {
        read_again = has_changed_;
        is_busy_ = read_again;
      }
    }
    if (next != nullptr) StartWrite(next);
    if (read_again) ReadSoon();
  }

  absl::StatusOr<std::vector<v1::Plan>> ReadPlans() {
    if (next_round_ < 0) return InvalidArgument("start_round", " is ", next_round_, "; allowed: 0 or above");
    const absl::StatusOr<JobHead> head = engine_.jobs().FindHead(key_, "parent");
    if (!head.ok()) return head.status();
    if (job_id_ != 0 && job_id_ != head->id) return DoesNotExist(key_.name);  // Another job has taken its name.
    job_id_ = head->id;
    absl::StatusOr<std::vector<v1::Plan>> plans = engine_.store().ListPlans(head->id, next_round_, kPlansPerRead);
    if (!plans.ok()) return HideStoreError(plans.status(), engine_.on_store_error());
    return plans;
  }

  // None for no plans.
  absl::StatusOr<AnswerMemory::Share> TakeShare(const std::vector<v1::Plan>& plans) {
    if (plans.empty()) return AnswerMemory::Share();
    int64_t bytes = 0;
    for (const v1::Plan& plan : plans) bytes += static_cast<int64_t>(plan.ByteSizeLong());
    return answer_memory_.Take(key_.tenant, bytes);
  }

  PlanWatches& watches_;
  JobEngine& engine_;
  AnswerMemory& answer_memory_;
  const JobKey key_;
  std::atomic<int64_t> job_id_ = 0;
  int64_t next_round_;  // Used by Read alone, one at a time.
  absl::Mutex mutex_;
  bool is_busy_ ABSL_GUARDED_BY(mutex_) = false;  // Reads or writes.
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_changed_ ABSL_GUARDED_BY(mutex_) = false;         // Since the last read began.
  std::deque<v1::Plan> unsent_ ABSL_GUARDED_BY(mutex_);      // The first one is being written.
  AnswerMemory::Share share_ ABSL_GUARDED_BY(mutex_);        // Of what was read with the first of them.
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);  // Not OK.
};

PlanWatches::PlanWatches(JobEngine* engine, AnswerMemory* answer_memory)
    : engine_(*engine),
      answer_memory_(*answer_memory),
      changes_(engine->store().Subscribe([this](const Change& change) { Tell(change); })) {}

PlanWatches::~PlanWatches() = default;

grpc::ServerWriteReactor<v1::Plan>* PlanWatches::Open(const JobKey& key, int64_t start_round) {
  const auto watch = std::make_shared<Watch>(this, key, start_round);
  {
    absl::MutexLock lock(&mutex_);
    if (is_draining_) return new RefusedStream<v1::Plan>(Draining());
    watches_[watch.get()] = watch;
  }
  watch->Look();
  return watch.get();
}

void PlanWatches::Drain() {
  std::vector<std::shared_ptr<Watch>> watches;
  {
    absl::MutexLock lock(&mutex_);
    is_draining_ = true;
    for (const auto& [key, watch] : watches_) watches.push_back(watch);
  }
  for (const std::shared_ptr<Watch>& watch : watches) watch->End(Draining());
}

// A watch that is still looking up its job may have found it before the change, so it looks again.
void PlanWatches::Tell(const Change& change) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [key, watch] : watches_) {
    const int64_t job_id = watch->job_id();
    if (change.kind == Change::Kind::kAny || job_id == 0 || job_id == change.job_id) watch->Look();
  }
}

void PlanWatches::Remove(const Watch* watch) {
  std::shared_ptr<Watch> last;  // Destroyed without the mutex.
  absl::MutexLock lock(&mutex_);
  const auto found = watches_.find(watch);
  last = std::move(found->second);
  watches_.erase(found);
}

}  // namespace greenplan
