#ifndef GREENPLAN_PROFILER_ENERGY_RAPL_H_
#define GREENPLAN_PROFILER_ENERGY_RAPL_H_

#include <memory>
#include <string>

#include "profiler/energy/energy_counter.h"

namespace greenplan::profiler {

// Returns a counter of the energy of all processor packages, read from what Linux's powercap framework shows for
// Intel's and AMD's RAPL (running average power limit):
//
//   ROOT/intel-rapl:N/{name, energy_uj, max_energy_range_uj}
//
// Only packages are counted. A sub-domain (intel-rapl:N:M) is part of its package, and the platform domain (psys)
// includes the packages, so either would be counted twice. A package whose files cannot be read is left out; source()
// names the packages that are counted. Returns null if there are none. That is so without such a processor, on most
// virtual machines, and without permission, because only root may read energy_uj by default.
//
// A counter wraps at max_energy_range_uj. On common machines that is after 65 to 262 kJ, several minutes at 200 W. If
// it wraps once between two calls, the result is still right. If it wraps twice, energy is lost. So call
// JoulesSinceLast() at least once a minute.
std::unique_ptr<EnergyCounter> OpenRapl(const std::string& root);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_RAPL_H_
