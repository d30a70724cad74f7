#ifndef GREENPLAN_PROFILER_ENERGY_RAPL_H_
#define GREENPLAN_PROFILER_ENERGY_RAPL_H_

#include <memory>
#include <string>

#include "profiler/energy/energy_counter.h"

namespace greenplan::profiler {

// The processor packages, by the counters that Linux's powercap framework shows for Intel's and AMD's RAPL:
//
//   ROOT/intel-rapl:N/{name, energy_uj, max_energy_range_uj}
//
// Packages alone: their sub-domains (intel-rapl:N:M) are parts of them, and the platform domain (psys) holds them, so
// either would count twice. Packages whose files cannot be read are left out: source() names the others. Null if there
// are none: no such processor, a virtual machine, or no permission (energy_uj is root's by default).
//
// A counter wraps at max_energy_range_uj, on usual machines after 65 to 262 kJ: several minutes at 200 W. One wrap
// between two calls is seen, a second one is not, so call at least once a minute.
std::unique_ptr<EnergyCounter> OpenRapl(const std::string& root);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_RAPL_H_
