#ifndef GREENPLAN_PROFILER_AUTOGRAD_SAVED_BYTES_H_
#define GREENPLAN_PROFILER_AUTOGRAD_SAVED_BYTES_H_

#include <cstdint>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// Memory of forward that is kept until backward if any of the ops `keepers` is live.
struct KeptStorage {
  int64_t bytes = 0;
  std::vector<int> keepers = {};
};

// Enters `storages` into the saved_bytes of a profile whose tensors still hang on their leaf ops. A storage with one
// keeper is added to that op. One with several becomes, together with all others of the same keepers, an op "saved" of
// its own, a free input of op 0 with the keepers as its free inputs, so that it counts once. A keeper that is live only
// with another keeper is left out, and so is one that no tensor hangs behind.
void BookSavedBytes(std::vector<KeptStorage> storages, ModelProfile& profile);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_SAVED_BYTES_H_
