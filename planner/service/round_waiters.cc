#include "planner/service/round_waiters.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace greenplan {
namespace {

bool IsGone(const RoundWaiter& waiter) {
  const CallLimits& limits = waiter.limits;
  if (limits.cancelled && limits.cancelled()) return true;
  return limits.deadline != absl::InfiniteDuration() && limits.clock() >= limits.deadline;
}

void MoveTo(std::vector<RoundWaiter>& to, std::vector<RoundWaiter>::iterator first,
            std::vector<RoundWaiter>::iterator last) {
  to.insert(to.end(), std::make_move_iterator(first), std::make_move_iterator(last));
}

}  // namespace

void RoundWaiters::Add(const RoundId& id, RoundWaiter waiter) {
  absl::MutexLock lock(&mutex_);
  waiters_[id].push_back(std::move(waiter));
}

std::vector<RoundWaiter> RoundWaiters::Take(const RoundId& id) {
  absl::MutexLock lock(&mutex_);
  const auto found = waiters_.find(id);
  if (found == waiters_.end()) return {};
  std::vector<RoundWaiter> taken = std::move(found->second);
  waiters_.erase(found);
  return taken;
}

std::vector<RoundWaiter> RoundWaiters::TakeJob(int64_t job_id) {
  absl::MutexLock lock(&mutex_);
  const auto first = waiters_.lower_bound({job_id, std::numeric_limits<int64_t>::min()});
  const auto last = waiters_.upper_bound({job_id, std::numeric_limits<int64_t>::max()});
  std::vector<RoundWaiter> taken;
  for (auto round = first; round != last; ++round) MoveTo(taken, round->second.begin(), round->second.end());
  waiters_.erase(first, last);
  return taken;
}

std::vector<RoundWaiter> RoundWaiters::TakeAll() {
  absl::MutexLock lock(&mutex_);
  std::vector<RoundWaiter> taken;
  for (auto& [id, waiters] : waiters_) MoveTo(taken, waiters.begin(), waiters.end());
  waiters_.clear();
  return taken;
}

std::vector<RoundWaiter> RoundWaiters::TakeGone() {
  absl::MutexLock lock(&mutex_);
  std::vector<RoundWaiter> taken;
  for (auto round = waiters_.begin(); round != waiters_.end();) {
    std::vector<RoundWaiter>& waiters = round->second;
    const auto gone = std::stable_partition(waiters.begin(), waiters.end(),
                                            [](const RoundWaiter& waiter) { return !IsGone(waiter); });
    MoveTo(taken, gone, waiters.end());
    waiters.erase(gone, waiters.end());
    round = waiters.empty() ? waiters_.erase(round) : std::next(round);
  }
  return taken;
}

bool RoundWaiters::Has(const RoundId& id) const {
  absl::MutexLock lock(&mutex_);
  return waiters_.contains(id);
}

std::vector<RoundId> RoundWaiters::Rounds() const {
  absl::MutexLock lock(&mutex_);
  std::vector<RoundId> rounds;
  for (const auto& [id, waiters] : waiters_) rounds.push_back(id);
  return rounds;
}

}  // namespace greenplan
