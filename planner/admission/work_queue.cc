#include "planner/admission/work_queue.h"

#include <sys/resource.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "planner/rpc/retry_delay.h"

namespace greenplan {
namespace {

constexpr absl::Duration kMinRetryDelay = absl::Milliseconds(50);
constexpr absl::Duration kMaxRetryDelay = absl::Seconds(10);

// How much the latest work counts in the mean.
constexpr double kMeanShare = 1.0 / 16;

absl::Status TooManyBytes(absl::string_view whose, int64_t num_queued, int64_t num_more, int64_t limit) {
  return absl::ResourceExhaustedError(absl::StrCat("calls ", whose, "with requests of ", num_queued,
                                                   " bytes are waiting already, and this request takes ", num_more,
                                                   "; allowed: ", limit));
}

// On Linux a thread has a priority of its own, and 0 means the calling one. Elsewhere it means the process, whose other
// threads must not give way.
void GiveWay([[maybe_unused]] int niceness) {
#ifdef __linux__
  if (niceness > 0) setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + niceness);
#endif
}

}  // namespace

struct WorkQueue::Tenant {
  explicit Tenant(std::string tenant_name) : name(std::move(tenant_name)) {}

  // Returns the oldest work that no sequence holds back; the end if there is none.
  std::deque<Queued>::iterator Next() {
    return std::find_if(queued.begin(), queued.end(),
                        [this](const Queued& work) { return !running_sequences.contains(work.sequence); });
  }

  const std::string name;
  std::deque<Queued> queued;
  int64_t num_queued_bytes = 0;
  int num_running = 0;
  absl::flat_hash_set<std::string> running_sequences;
  uint64_t turn = 0;  // Of its latest work; each tenant has another one.
};

bool WorkQueue::ComesFirst::operator()(const Tenant* a, const Tenant* b) const {
  return std::tie(a->num_running, a->turn) < std::tie(b->num_running, b->turn);
}

WorkQueue::WorkQueue(const Options& options) : options_(options) {
  threads_.reserve(options_.num_threads);
  for (int i = 0; i < options_.num_threads; ++i) threads_.emplace_back([this] { RunThread(); });
}

WorkQueue::~WorkQueue() {
  {
    absl::MutexLock lock(&mutex_);
    is_ending_ = true;
    WakeAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

absl::Status WorkQueue::Submit(const std::string& tenant_name, int64_t num_bytes, Work work, std::string sequence) {
  absl::MutexLock lock(&mutex_);
  Tenant* const tenant = TenantOf(tenant_name);
  if (absl::Status status = Admit(*tenant, num_bytes); !status.ok()) return status;
  Push(tenant, {std::move(work), num_bytes, std::move(sequence)});
  return absl::OkStatus();
}

void WorkQueue::Continue(const std::string& tenant, Work work) {
  absl::MutexLock lock(&mutex_);
  Push(TenantOf(tenant), {.work = std::move(work)});
}

WorkQueue::Load WorkQueue::load() const {
  absl::MutexLock lock(&mutex_);
  return {num_queued_, num_queued_bytes_, num_running_, static_cast<int64_t>(tenants_.size())};
}

WorkQueue::Tenant* WorkQueue::TenantOf(const std::string& name) {
  std::unique_ptr<Tenant>& tenant = tenants_[name];
  if (tenant == nullptr) {
    tenant = std::make_unique<Tenant>(name);
    tenant->turn = next_turn_++;
  }
  return tenant.get();
}

absl::Status WorkQueue::Admit(const Tenant& tenant, int64_t num_bytes) const {
  if (tenant.queued.empty()) return absl::OkStatus();
  if (static_cast<int64_t>(tenant.queued.size()) >= options_.max_queued_per_tenant) {
    return WithRetryDelay(absl::ResourceExhaustedError(absl::StrCat(
                              tenant.queued.size(),
                              " calls of this tenant are waiting already; allowed: ", options_.max_queued_per_tenant)),
                          RetryDelay());
  }
  if (tenant.num_queued_bytes + num_bytes > options_.max_queued_bytes_per_tenant) {
    return WithRetryDelay(
        TooManyBytes("of this tenant ", tenant.num_queued_bytes, num_bytes, options_.max_queued_bytes_per_tenant),
        RetryDelay());
  }
  if (num_queued_bytes_ + num_bytes > options_.max_queued_bytes) {
    return WithRetryDelay(TooManyBytes("", num_queued_bytes_, num_bytes, options_.max_queued_bytes), RetryDelay());
  }
  return absl::OkStatus();
}

void WorkQueue::Push(Tenant* tenant, Queued queued) {
  ++num_queued_;
  num_queued_bytes_ += queued.num_bytes;
  tenant->num_queued_bytes += queued.num_bytes;
  tenant->queued.push_back(std::move(queued));
  Offer(tenant);
  if (!ready_.empty()) Wake();
}

void WorkQueue::Offer(Tenant* tenant) {
  if (tenant->num_running < options_.max_running_per_tenant && tenant->Next() != tenant->queued.end()) {
    ready_.insert(tenant);
  }
}

// The time until the threads have done what is queued now.
absl::Duration WorkQueue::RetryDelay() const {
  const absl::Duration delay = mean_run_time_ * static_cast<double>(num_queued_) / options_.num_threads;
  return std::clamp(delay, kMinRetryDelay, kMaxRetryDelay);
}

void WorkQueue::RunThread() {
  GiveWay(options_.niceness);
  absl::MutexLock lock(&mutex_);
  for (;;) {
    if (!ready_.empty()) {
      RunNext();
    } else if (is_ending_ && num_queued_ == 0 && num_running_ == 0) {
      WakeAll();
      return;
    } else {
      WaitIdle();
    }
  }
}

void WorkQueue::WaitIdle() {
  absl::CondVar woken;
  idle_.push_back(&woken);
  // A condition variable may also wake up by itself.
  while (std::find(idle_.begin(), idle_.end(), &woken) != idle_.end()) woken.Wait(&mutex_);
}

// The thread that became idle last: what it needs is still in the processor's caches.
void WorkQueue::Wake() {
  if (idle_.empty()) return;
  idle_.back()->Signal();
  idle_.pop_back();
}

void WorkQueue::WakeAll() {
  while (!idle_.empty()) Wake();
}

void WorkQueue::RunNext() {
  Tenant* const tenant = *ready_.begin();
  const auto place = tenant->Next();
  Queued next = std::move(*place);
  tenant->queued.erase(place);
  if (!next.sequence.empty()) tenant->running_sequences.insert(next.sequence);
  tenant->num_queued_bytes -= next.num_bytes;
  --num_queued_;
  num_queued_bytes_ -= next.num_bytes;
  ready_.erase(tenant);  // Its place depends on what changes now.
  tenant->turn = next_turn_++;
  ++tenant->num_running;
  Offer(tenant);
  ++num_running_;

  mutex_.Unlock();
  const absl::Time start = options_.now();
  std::move(next.work)();
  next.work = nullptr;  // What it holds may take a while to destroy, and may submit work.
  const absl::Duration run_time = options_.now() - start;
  mutex_.Lock();

  mean_run_time_ += (run_time - mean_run_time_) * kMeanShare;
  ready_.erase(tenant);
  tenant->running_sequences.erase(next.sequence);
  --tenant->num_running;
  --num_running_;
  Offer(tenant);
  if (tenant->num_running == 0 && tenant->queued.empty()) tenants_.erase(tenant->name);
}

}  // namespace greenplan
