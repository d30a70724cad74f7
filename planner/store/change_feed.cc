#include "planner/store/change_feed.h"

#include <utility>

namespace greenplan {

class ChangeFeed::Entry : public Subscription {
 public:
  Entry(ChangeFeed* feed, int64_t id) : feed_(*feed), id_(id) {}
  ~Entry() override {
    absl::MutexLock lock(&feed_.mutex_);
    feed_.listeners_.erase(id_);
  }

 private:
  ChangeFeed& feed_;
  const int64_t id_;
};

std::unique_ptr<Subscription> ChangeFeed::Subscribe(ChangeListener listener) {
  absl::MutexLock lock(&mutex_);
  const int64_t id = next_id_++;
  listeners_.emplace(id, std::move(listener));
  return std::make_unique<Entry>(this, id);
}

// Under a shared lock, so that a subscription that ends waits for the calls in progress.
void ChangeFeed::Publish(const Change& change) {
  absl::ReaderMutexLock lock(&mutex_);
  for (const auto& [id, listener] : listeners_) listener(change);
}

}  // namespace greenplan
