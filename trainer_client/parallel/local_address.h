#ifndef GREENPLAN_TRAINER_CLIENT_PARALLEL_LOCAL_ADDRESS_H_
#define GREENPLAN_TRAINER_CLIENT_PARALLEL_LOCAL_ADDRESS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace greenplan::trainer {

// Returns the numeric address that this machine uses towards `host`, a name or an address: the one at which others on
// that network reach this machine. The machine's own name is no help, because many systems resolve it to a loopback
// address. Sends nothing. Unavailable: the name is unknown, or there is no way to the host. Thread-safe.
absl::StatusOr<std::string> LocalAddressTowards(const std::string& host);

// Returns OK if somebody takes connections at that TCP port of `host`, which it learns by making one. Waits at most
// `patience` for each address of the host. Unavailable: the name is unknown, or why there was no connection.
// Thread-safe.
absl::Status CheckListening(const std::string& host, int port, absl::Duration patience);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_PARALLEL_LOCAL_ADDRESS_H_
