#ifndef GREENPLAN_PROFILER_ENERGY_ENERGY_TOTAL_H_
#define GREENPLAN_PROFILER_ENERGY_ENERGY_TOTAL_H_

#include <string>
#include <vector>

namespace greenplan::profiler {

// The energy of a span of time.
struct EnergyReading {
  double joules = 0;
  bool is_estimate = false;  // Time by a stated power; else counted by the machine.
  std::string source = {};   // "RAPL package 0, 1 + NVML 0"; "estimate, 65 W stated".
  std::string notice = {};   // For people, once: why readings turn into estimates from here on. Usually empty.
};

// What readings add up to.
struct EnergyTotal {
  double joules = 0;
  bool is_estimate = false;               // Of any part.
  std::vector<std::string> sources = {};  // Distinct, in the order in which they came.

  void Add(const EnergyReading& reading);

  // "RAPL package 0; estimate, 65 W stated". Empty if nothing was read.
  std::string source() const;
};

// Grams of CO2 equivalent emitted for `joules` of electricity; the grid's intensity is in grams per kWh.
double Co2eGrams(double joules, double grams_per_kwh);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_ENERGY_TOTAL_H_
