#include "planner/service/round_timer.h"

#include <algorithm>

#include "planner/job/planning.h"

namespace greenplan {

RoundTimer::RoundTimer(Options options) : options_(std::move(options)), thread_([this] { Run(); }) {}

void RoundTimer::Set(const RoundId& id, absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  const auto [place, is_new] = deadlines_.try_emplace(id, deadline);
  if (!is_new && place->second == deadline) return;
  if (!is_new) order_.erase({place->second, id});
  place->second = deadline;
  if (order_.insert({deadline, id}).first == order_.begin()) changed_.Signal();
}

void RoundTimer::Forget(const RoundId& id) {
  absl::MutexLock lock(&mutex_);
  const auto found = deadlines_.find(id);
  if (found == deadlines_.end()) return;
  order_.erase({found->second, id});
  deadlines_.erase(found);
}

void RoundTimer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopped_ = true;
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
}

// Ticks are counted on a clock that is never set, deadlines on the one that others see.
void RoundTimer::Run() {
  absl::Duration next_tick = SteadyNow();
  for (;;) {
    for (const RoundId& id : TakeDue(next_tick - SteadyNow())) options_.on_due(id);
    {
      absl::MutexLock lock(&mutex_);
      if (is_stopped_) return;
    }
    if (SteadyNow() < next_tick) continue;
    options_.on_tick();
    next_tick = SteadyNow() + options_.tick;
  }
}

std::set<RoundId> RoundTimer::TakeDue(absl::Duration patience) {
  absl::MutexLock lock(&mutex_);
  if (!order_.empty()) patience = std::min(patience, order_.begin()->first - options_.now());
  if (!is_stopped_ && patience > absl::ZeroDuration()) changed_.WaitWithTimeout(&mutex_, patience);
  const absl::Time now = options_.now();
  std::set<RoundId> due;
  while (!is_stopped_ && !order_.empty() && order_.begin()->first <= now) {
    const RoundId id = order_.begin()->second;
    order_.erase(order_.begin());
    deadlines_.erase(id);
    due.insert(id);
  }
  return due;
}

}  // namespace greenplan
