#include "trainer_client/parallel/heartbeat.h"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace greenplan::trainer {
namespace {

// How long the destructor waits for a call of the store that is under way.
constexpr std::chrono::seconds kFarewell(1);

constexpr char kLostKey[] = "greenplan/lost";

std::string Key(int rank) { return absl::StrCat("greenplan/beat/", rank); }
std::string HeardKey(int rank) { return absl::StrCat("greenplan/heard/", rank); }

std::set<int> ParseRanks(const std::string& text) {
  std::set<int> ranks;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    int rank = 0;
    if (absl::SimpleAtoi(part, &rank)) ranks.insert(rank);
  }
  return ranks;
}

// Of a clock that nobody sets and that stands still while the machine sleeps.
absl::Time SteadyTime() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

// Of one rank, as its number in the store shows it.
struct Beats {
  int64_t count = 0;     // 0: none yet.
  absl::Time last = {};  // When the count was seen to change.
};

}  // namespace

struct Heartbeat::State {
  const c10::intrusive_ptr<c10d::Store> store;  // Used by the constructor, then by the thread alone.
  const Options options;

  std::mutex mutex;  // Guards what follows.
  std::condition_variable changed;
  std::vector<Beats> beats;     // By rank.
  absl::Time last_answer = {};  // Of the store.
  bool has_failed = false;      // Whether a call of the store threw; the thread has then ended.
  std::set<int> announced;      // As lost.
  bool is_stopping = false;
  bool has_ended = false;
  std::thread thread = {};

  absl::Time Now() const { return options.now == nullptr ? SteadyTime() : options.now(); }

  // Counts up this rank's number and looks at those of the others.
  void Beat() {
    store->add(Key(options.rank), 1);
    std::vector<int64_t> counts(static_cast<size_t>(options.world_size));
    for (int rank = 0; rank < options.world_size; ++rank) {
      if (rank != options.rank) counts[static_cast<size_t>(rank)] = store->add(Key(rank), 0);
    }
    const std::set<int> lost = store->check({kLostKey}) ? ParseRanks(store->get_to_str(kLostKey)) : std::set<int>();
    if (!lost.empty()) store->set(HeardKey(options.rank), "1");
    const std::lock_guard<std::mutex> lock(mutex);
    announced = lost;
    last_answer = Now();
    for (size_t rank = 0; rank < counts.size(); ++rank) {
      if (beats[rank].count != counts[rank]) beats[rank] = {.count = counts[rank], .last = last_answer};
    }
  }
};

Heartbeat::Heartbeat(c10::intrusive_ptr<c10d::Store> store, const Options& options)
    : state_(std::make_shared<State>(std::move(store), options)) {
  state_->beats.resize(static_cast<size_t>(options.world_size));
  state_->Beat();
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->thread = std::thread(Run, state_);
}

void Heartbeat::Run(std::shared_ptr<State> state) {
  const std::chrono::nanoseconds period = absl::ToChronoNanoseconds(state->options.period);
  std::unique_lock<std::mutex> lock(state->mutex);
  while (!state->changed.wait_for(lock, period, [&] { return state->is_stopping; })) {
    lock.unlock();
    bool has_failed = false;
    try {
      state->Beat();
    } catch (const std::exception&) {
      has_failed = true;
    }
    lock.lock();
    state->has_failed = has_failed;
    if (has_failed) break;
  }
  state->has_ended = true;
  state->changed.notify_all();
}

Heartbeat::~Heartbeat() {
  std::unique_lock<std::mutex> lock(state_->mutex);
  state_->is_stopping = true;
  state_->changed.notify_all();
  const bool has_ended = state_->changed.wait_for(lock, kFarewell, [&] { return state_->has_ended; });
  std::thread thread = std::move(state_->thread);
  lock.unlock();
  if (has_ended) {
    thread.join();
  } else {
    thread.detach();
  }
}

std::set<int> Heartbeat::SilentRanks() const { return RanksSilentFor(state_->options.silence); }

std::set<int> Heartbeat::RanksSilentFor(absl::Duration silence) const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const Options& options = state_->options;
  const absl::Time limit = state_->Now() - silence;
  std::set<int> silent;
  if (options.rank != 0 && (state_->has_failed || state_->last_answer < limit)) return {0};
  for (int rank = 0; rank < options.world_size; ++rank) {
    const Beats& beats = state_->beats[static_cast<size_t>(rank)];
    if (rank != options.rank && beats.count > 0 && beats.last < limit) silent.insert(rank);
  }
  return silent;
}

std::set<int> Heartbeat::Announce(c10d::Store& store, int rank, const std::set<int>& lost) {
  // A value that is expected to be empty is one that is not there.
  const std::set<int> first = ParseRanks(store.compareSet(kLostKey, std::string(), absl::StrJoin(lost, ",")));
  store.set(HeardKey(rank), "1");
  return first;
}

std::set<int> Heartbeat::AnnouncedLost() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->announced;
}

bool Heartbeat::HasHeard(c10d::Store& store, int rank) { return store.check({HeardKey(rank)}); }

}  // namespace greenplan::trainer
