#ifndef GREENPLAN_PROFILER_ENERGY_ENERGY_COUNTER_H_
#define GREENPLAN_PROFILER_ENERGY_ENERGY_COUNTER_H_

#include <string>

#include "absl/status/statusor.h"

namespace greenplan::profiler {

// Reads the counters that a machine keeps of the energy that some of its parts use. They include the energy that other
// programs use. Not thread-safe.
class EnergyCounter {
 public:
  virtual ~EnergyCounter() = default;

  // Returns the names of the parts that are counted, such as "RAPL package 0, 1".
  virtual std::string source() const = 0;

  // Returns the joules used since the last call or, in the first call, since the counter was opened. After an error the
  // energy since the last call is unknown. Returns UNAVAILABLE if a counter can no longer be read, and DATA_LOSS if its
  // value makes no sense.
  virtual absl::StatusOr<double> JoulesSinceLast() = 0;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_ENERGY_COUNTER_H_
