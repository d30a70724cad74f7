#ifndef GREENPLAN_PROFILER_ENERGY_ENERGY_PROFILE_H_
#define GREENPLAN_PROFILER_ENERGY_ENERGY_PROFILE_H_

#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// A profile in microjoules from a valid one in nanoseconds: every cost times `watts`, the power that the machine draws
// while it trains, rounded to the nearest microjoule. Names, graph and bytes stay. Pure and thread-safe.
// InvalidArgument: the profile's costs are not nanoseconds; `watts` is not a finite number > 0; the costs would add up
// to more than 2^62 microjoules.
absl::StatusOr<ModelProfile> EnergyProfile(const ModelProfile& time_profile, double watts);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_ENERGY_PROFILE_H_
