#include "profiler/energy/energy_total.h"

#include <algorithm>

#include "absl/strings/str_join.h"

namespace greenplan::profiler {

void EnergyTotal::Add(const EnergyReading& reading) {
  joules += reading.joules;
  is_estimate = is_estimate || reading.is_estimate;
  if (std::find(sources.begin(), sources.end(), reading.source) == sources.end()) sources.push_back(reading.source);
}

std::string EnergyTotal::source() const { return absl::StrJoin(sources, "; "); }

double Co2eGrams(double joules, double grams_per_kwh) {
  constexpr double kJoulesPerKwh = 3.6e6;
  return joules / kJoulesPerKwh * grams_per_kwh;
}

}  // namespace greenplan::profiler
