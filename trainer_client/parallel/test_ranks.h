#ifndef GREENPLAN_TRAINER_CLIENT_PARALLEL_TEST_RANKS_H_
#define GREENPLAN_TRAINER_CLIENT_PARALLEL_TEST_RANKS_H_

#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "trainer_client/parallel/rank_group.h"

namespace greenplan::trainer {

// Returns a TCP port of loopback that nobody listens on.
int FreePort();

// Returns whether this machine has the address ::1.
bool HasIpv6();

// Runs `body` on `world_size` ranks, each in a thread of its own with a group over real Gloo, and waits for all of
// them.
void OnRanks(int world_size, const std::function<void(RankGroup& ranks)>& body,
             absl::Duration timeout = absl::Seconds(50));

// Returns the group of `rank` as if every other rank had the same tensors and texts as this one. Its backend is not
// Gloo, and nobody else is needed.
std::unique_ptr<RankGroup> AmongEquals(int rank, int world_size);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_PARALLEL_TEST_RANKS_H_
