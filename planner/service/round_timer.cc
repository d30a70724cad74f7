#include "planner/service/round_timer.h"

#include <algorithm>

namespace greenplan {

RoundTimer::RoundTimer(Options options) : options_(std::move(options)), thread_([this] { Run(); }) {}

void RoundTimer::Set(const RoundId& id, absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  const auto [place, is_new] = deadlines_.insert({deadline, id});
  if (is_new && place == deadlines_.begin()) changed_.Signal();
}

void RoundTimer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopped_ = true;
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
}

void RoundTimer::Run() {
  absl::Time next_tick = options_.now();
  for (;;) {
    for (const RoundId& id : TakeDue(next_tick)) options_.on_due(id);
    {
      absl::MutexLock lock(&mutex_);
      if (is_stopped_) return;
    }
    if (options_.now() < next_tick) continue;
    options_.on_tick();
    next_tick = options_.now() + options_.tick;
  }
}

// No wait is longer than a tick, so that a clock that is set forth counts soon.
std::set<RoundId> RoundTimer::TakeDue(absl::Time next_tick) {
  absl::MutexLock lock(&mutex_);
  absl::Time now = options_.now();
  const absl::Time until = deadlines_.empty() ? next_tick : std::min(next_tick, deadlines_.begin()->first);
  if (!is_stopped_ && until > now) changed_.WaitWithTimeout(&mutex_, std::min(until - now, options_.tick));
  now = options_.now();
  std::set<RoundId> due;
  while (!is_stopped_ && !deadlines_.empty() && deadlines_.begin()->first <= now) {
    due.insert(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
  }
  return due;
}

}  // namespace greenplan
