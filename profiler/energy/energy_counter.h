#ifndef GREENPLAN_PROFILER_ENERGY_ENERGY_COUNTER_H_
#define GREENPLAN_PROFILER_ENERGY_ENERGY_COUNTER_H_

#include <string>

#include "absl/status/statusor.h"

namespace greenplan::profiler {

// Counters that the machine keeps of the energy that some of its parts use, other programs' share included. Not
// thread-safe.
class EnergyCounter {
 public:
  virtual ~EnergyCounter() = default;

  // Which parts: "RAPL package 0, 1".
  virtual std::string source() const = 0;

  // Joules used since the last call, at first since the counter was opened. An error says what cannot be read any more;
  // the energy since the last call is then unknown.
  virtual absl::StatusOr<double> JoulesSinceLast() = 0;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_ENERGY_COUNTER_H_
