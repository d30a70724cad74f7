#include "trainer_client/parallel/heartbeat.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "torch/csrc/distributed/c10d/HashStore.hpp"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::atomic<int64_t> clock_seconds = 1000;

absl::Time TestNow() { return absl::FromUnixSeconds(clock_seconds); }

std::unique_ptr<Heartbeat> Beat(const c10::intrusive_ptr<c10d::Store>& store, int rank, int world_size) {
  return std::make_unique<Heartbeat>(store, Heartbeat::Options{.rank = rank,
                                                               .world_size = world_size,
                                                               .period = absl::Milliseconds(1),
                                                               .silence = absl::Seconds(30),
                                                               .now = &TestNow});
}

void WaitUntil(const std::function<bool()>& holds) {
  while (!holds()) std::this_thread::yield();
}

TEST(HeartbeatTest, ARankThatBeatsIsNotLostHoweverLongItTakes) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  const auto zero = Beat(store, 0, 2), one = Beat(store, 1, 2);
  for (int i = 0; i < 3; ++i) {
    clock_seconds += 31;
    WaitUntil([&] { return zero->SilentRanks().empty() && one->SilentRanks().empty(); });
  }
}

TEST(HeartbeatTest, NamesTheRanksThatNoLongerBeat) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  auto one = Beat(store, 1, 4), two = Beat(store, 2, 4), three = Beat(store, 3, 4);
  const auto zero = Beat(store, 0, 4);  // It hears of all three at once.
  EXPECT_THAT(zero->SilentRanks(), IsEmpty());
  one.reset();
  three.reset();
  // Rank 0 may see the last beats of ranks 1 and 3 after the clock has moved on for the first time.
  WaitUntil([&] {
    clock_seconds += 31;
    WaitUntil([&] { return !zero->SilentRanks().contains(2); });
    return zero->SilentRanks() == std::set<int>{1, 3};
  });
}

TEST(HeartbeatTest, ARankThatHasNotBegunIsNotLost) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  const auto zero = Beat(store, 0, 2);
  clock_seconds += 31;
  EXPECT_THAT(zero->SilentRanks(), IsEmpty());
}

TEST(HeartbeatTest, WhoIsLostIsAnnouncedOnceAndHeardByAll) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  const auto zero = Beat(store, 0, 4), three = Beat(store, 3, 4);
  EXPECT_THAT(three->AnnouncedLost(), IsEmpty());
  EXPECT_FALSE(Heartbeat::HasHeard(*store, 3));
  EXPECT_THAT(Heartbeat::Announce(*store, 0, {1, 2}), ElementsAre(1, 2));
  EXPECT_TRUE(Heartbeat::HasHeard(*store, 0));
  WaitUntil([&] { return Heartbeat::HasHeard(*store, 3); });
  WaitUntil([&] { return !three->AnnouncedLost().empty(); });
  EXPECT_THAT(three->AnnouncedLost(), ElementsAre(1, 2));
  EXPECT_THAT(Heartbeat::Announce(*store, 3, {2}), ElementsAre(1, 2)) << "the first announcement stands";
}

class BrokenStore : public c10d::HashStore {
 public:
  int64_t add(const std::string& key, int64_t value) override {
    if (is_broken) throw std::runtime_error("connection reset");
    return HashStore::add(key, value);
  }
  std::atomic<bool> is_broken = false;
};

TEST(HeartbeatTest, RankZeroIsLostWithItsStore) {
  const auto store = c10::make_intrusive<BrokenStore>();
  const auto one = Beat(store, 1, 2);
  EXPECT_THAT(one->SilentRanks(), IsEmpty());
  store->is_broken = true;
  WaitUntil([&] { return !one->SilentRanks().empty(); });
  EXPECT_THAT(one->SilentRanks(), ElementsAre(0));
  EXPECT_THROW(Beat(store, 1, 2), std::runtime_error);
}

// Its calls do not come back while it is frozen, as those of a store whose process is stopped.
class FrozenStore : public c10d::HashStore {
 public:
  int64_t add(const std::string& key, int64_t value) override {
    {
      std::unique_lock<std::mutex> lock(mutex);
      is_called = is_frozen;
      changed.notify_all();
      changed.wait(lock, [&] { return !is_frozen; });
    }
    return HashStore::add(key, value);
  }
  void Freeze() {
    std::unique_lock<std::mutex> lock(mutex);
    is_frozen = true;
    changed.wait(lock, [&] { return is_called; });
  }
  void Thaw() {
    const std::lock_guard<std::mutex> lock(mutex);
    is_frozen = false;
    changed.notify_all();
  }

 private:
  std::mutex mutex;
  std::condition_variable changed;
  bool is_frozen = false, is_called = false;
};

TEST(HeartbeatTest, RankZeroIsLostIfItsStoreDoesNotAnswer) {
  const auto store = c10::make_intrusive<FrozenStore>();
  auto one = Beat(store, 1, 2);
  store->Freeze();
  clock_seconds += 31;
  EXPECT_THAT(one->SilentRanks(), ElementsAre(0));
  one.reset();  // Returns although the store has not.
  store->Thaw();
}

}  // namespace
}  // namespace greenplan::trainer
