#ifndef GREENPLAN_PROFILER_ENERGY_ENERGY_TOTAL_H_
#define GREENPLAN_PROFILER_ENERGY_ENERGY_TOTAL_H_

#include <string>
#include <vector>

namespace greenplan::profiler {

// The energy of a span of time.
struct EnergyReading {
  double joules = 0;
  bool is_estimate = false;  // Whether `joules` is time multiplied by a given power rather than counted by the machine.
  std::string source = {};   // For example "RAPL package 0, 1 + NVML 0" or "estimate, 65 W stated".
  // A message for the user if this reading is the first to be an estimate because a counter failed; usually empty.
  std::string notice = {};
};

// The sum of readings. Not thread-safe.
struct EnergyTotal {
  double joules = 0;
  bool is_estimate = false;               // Whether any part is an estimate.
  std::vector<std::string> sources = {};  // The distinct sources, in the order in which they appeared.

  // Adds a reading to the total.
  void Add(const EnergyReading& reading);

  // Returns the sources joined by "; ", such as "RAPL package 0; estimate, 65 W stated". Empty before the first
  // reading.
  std::string source() const;
};

// Returns how many grams of CO2 equivalent the production of `joules` of electricity emits, given the intensity of the
// grid in grams per kWh.
double Co2eGrams(double joules, double grams_per_kwh);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_ENERGY_TOTAL_H_
