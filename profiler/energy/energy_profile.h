#ifndef GREENPLAN_PROFILER_ENERGY_ENERGY_PROFILE_H_
#define GREENPLAN_PROFILER_ENERGY_ENERGY_PROFILE_H_

#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// Returns a profile of energy, in microjoules, made from a valid profile of time, in nanoseconds. Every cost is
// multiplied by `watts`, the power that the machine draws while it trains, and rounded to the nearest microjoule.
// Names, graph and bytes stay the same.
//
//   absl::StatusOr<ModelProfile> energy_profile = EnergyProfile(*time_profile, /*watts=*/65);
//
// A pure function, so it is thread-safe. Returns INVALID_ARGUMENT if the costs of `time_profile` are not nanoseconds,
// if `watts` is not a finite number > 0, or if the costs would add up to more than 2^62 microjoules.
absl::StatusOr<ModelProfile> EnergyProfile(const ModelProfile& time_profile, double watts);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_ENERGY_PROFILE_H_
