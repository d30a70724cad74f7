#ifndef GREENPLAN_PROFILER_AUTOGRAD_SAVED_BYTES_H_
#define GREENPLAN_PROFILER_AUTOGRAD_SAVED_BYTES_H_

#include <cstdint>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// Memory that is kept from forward until backward if at least one of the ops `keepers` is live.
struct KeptStorage {
  int64_t bytes = 0;
  std::vector<int> keepers = {};  // Indices of ops, in any order, possibly repeated.
};

// Adds `storages` to the saved_bytes of a profile. REQUIRES: every tensor hangs on its leaf op.
//
// If a storage has one keeper, its bytes are added to that op. If it has several, it has to count once, whichever of
// them are live. It then becomes an op named "saved": an input of op 0 whose inputs are the keepers, all at cost 0.
// Storages with the same keepers share one such op. Two kinds of keepers are left out beforehand: those that are live
// only if another keeper is, and those from which no tensor can be reached.
void BookSavedBytes(std::vector<KeptStorage> storages, ModelProfile& profile);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_SAVED_BYTES_H_
