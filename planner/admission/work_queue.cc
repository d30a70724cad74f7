#include "planner/admission/work_queue.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/rpc/retry_delay.h"

namespace greenplan {
namespace {

constexpr absl::Duration kMinRetryDelay = absl::Milliseconds(50);
constexpr absl::Duration kMaxRetryDelay = absl::Seconds(10);

// How much the latest work counts in the mean.
constexpr double kMeanShare = 1.0 / 16;

}  // namespace

struct WorkQueue::Tenant {
  explicit Tenant(std::string tenant_name) : name(std::move(tenant_name)) {}

  const std::string name;
  std::deque<Work> queued;
  int num_running = 0;
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
    changed_.SignalAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

absl::Status WorkQueue::Submit(const std::string& tenant, Work work) {
  absl::MutexLock lock(&mutex_);
  const auto found = tenants_.find(tenant);
  const int64_t num_queued = found == tenants_.end() ? 0 : static_cast<int64_t>(found->second->queued.size());
  if (num_queued >= options_.max_queued_per_tenant) {
    return WithRetryDelay(
        absl::ResourceExhaustedError(absl::StrCat(
            num_queued, " calls of this tenant are waiting already; allowed: ", options_.max_queued_per_tenant)),
        RetryDelay());
  }
  Push(tenant, std::move(work));
  return absl::OkStatus();
}

void WorkQueue::Continue(const std::string& tenant, Work work) {
  absl::MutexLock lock(&mutex_);
  Push(tenant, std::move(work));
}

WorkQueue::Load WorkQueue::load() const {
  absl::MutexLock lock(&mutex_);
  return {num_queued_, num_running_, static_cast<int64_t>(tenants_.size())};
}

void WorkQueue::Push(const std::string& tenant_name, Work work) {
  std::unique_ptr<Tenant>& tenant = tenants_[tenant_name];
  if (tenant == nullptr) {
    tenant = std::make_unique<Tenant>(tenant_name);
    tenant->turn = next_turn_++;
  }
  tenant->queued.push_back(std::move(work));
  ++num_queued_;
  Offer(tenant.get());
  changed_.Signal();
}

void WorkQueue::Offer(Tenant* tenant) {
  if (!tenant->queued.empty() && tenant->num_running < options_.max_running_per_tenant) ready_.insert(tenant);
}

// The time until the threads have done what is queued now.
absl::Duration WorkQueue::RetryDelay() const {
  const absl::Duration delay = mean_run_time_ * static_cast<double>(num_queued_) / options_.num_threads;
  return std::clamp(delay, kMinRetryDelay, kMaxRetryDelay);
}

void WorkQueue::RunThread() {
  absl::MutexLock lock(&mutex_);
  for (;;) {
    if (!ready_.empty()) {
      RunNext();
    } else if (is_ending_ && num_queued_ == 0 && num_running_ == 0) {
      changed_.SignalAll();
      return;
    } else {
      changed_.Wait(&mutex_);
    }
  }
}

void WorkQueue::RunNext() {
  Tenant* const tenant = *ready_.begin();
  ready_.erase(ready_.begin());  // Its place depends on what changes now.
  Work work = std::move(tenant->queued.front());
  tenant->queued.pop_front();
  tenant->turn = next_turn_++;
  ++tenant->num_running;
  Offer(tenant);
  --num_queued_;
  ++num_running_;

  mutex_.Unlock();
  const absl::Time start = options_.now();
  std::move(work)();
  work = nullptr;  // What it holds may take a while to destroy, and may submit work.
  const absl::Duration run_time = options_.now() - start;
  mutex_.Lock();

  mean_run_time_ += (run_time - mean_run_time_) * kMeanShare;
  ready_.erase(tenant);
  --tenant->num_running;
  --num_running_;
  Offer(tenant);
  if (tenant->num_running == 0 && tenant->queued.empty()) tenants_.erase(tenant->name);
}

}  // namespace greenplan
