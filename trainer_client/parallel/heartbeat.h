#ifndef GREENPLAN_TRAINER_CLIENT_PARALLEL_HEARTBEAT_H_
#define GREENPLAN_TRAINER_CLIENT_PARALLEL_HEARTBEAT_H_

#include <memory>
#include <set>

#include "absl/time/time.h"
#include "torch/csrc/distributed/c10d/Store.hpp"

namespace greenplan::trainer {

// Tells a rank that is lost from one that is slow. A rank may take long to come to a collective call, because it writes
// a checkpoint or shares its processor, so a timeout of the call would end healthy runs. A thread on each rank counts
// up a number in the store instead, once a period. A rank whose number stands still is frozen, has ended, or cannot be
// reached.
//
//   Heartbeat heartbeat(store->clone(), {.rank = rank, .world_size = 2});
//   while (!work->isCompleted()) {
//     work->wait(...);
//     if (!heartbeat.SilentRanks().empty()) ...
//   }
//
// The ranks that see a failure also agree on who is lost: the first of them announces it in the store, and every
// heartbeat takes note of it. So a rank that comes late, when those that saw the failure have ended long ago, and with
// them rank 0's store, still knows which rank was the cause.
//
// Thread-safety: safe. The destructor does not wait for a store that does not answer.
class Heartbeat {
 public:
  // Which rank this is, and when another one counts as lost.
  struct Options {
    int rank = 0;
    int world_size = 1;
    // The time between two beats.
    absl::Duration period = absl::Seconds(2);
    // After this long without a beat a rank counts as lost. It is much longer than a period, because a busy machine
    // may hold a thread up for seconds.
    absl::Duration silence = absl::Seconds(30);
    // For tests: the time, which must be thread-safe. Null: the machine's steady clock.
    absl::Time (*now)() = nullptr;
  };

  // Beats for the first time, and then once a period. `store` must not be used by anybody else, since a call of it may
  // block; a store that keeps a lock must be a clone. Throws what the store throws at the first beat.
  Heartbeat(c10::intrusive_ptr<c10d::Store> store, const Options& options);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  // Returns the ranks that have not beaten for as long as `silence`. A rank counts as beating until its first beat.
  // If the store itself has not answered for that long, or fails, the rank that keeps it is lost: rank 0.
  std::set<int> SilentRanks() const;
  // The same for another length of silence.
  std::set<int> RanksSilentFor(absl::Duration silence) const;

  // Announces in `store`, a connection of the caller's own to the same store, that `lost` are lost, unless others have
  // been announced. Returns those that were announced first; `rank`, the caller's, has then heard of them. Throws what
  // the store throws.
  static std::set<int> Announce(c10d::Store& store, int rank, const std::set<int>& lost);
  // Returns the ranks that have been announced as lost, as far as this rank has heard; usually none.
  std::set<int> AnnouncedLost() const;
  // Whether `rank` has heard of what was announced. Throws what the store throws.
  static bool HasHeard(c10d::Store& store, int rank);

 private:
  struct State;
  static void Run(std::shared_ptr<State> state);

  const std::shared_ptr<State> state_;  // Shared with the thread, which may outlive this.
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_PARALLEL_HEARTBEAT_H_
