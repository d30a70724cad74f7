#include "profiler/energy/energy_meter.h"

#include <cmath>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "profiler/energy/nvml.h"
#include "profiler/energy/rapl.h"

namespace greenplan::profiler {

absl::StatusOr<std::unique_ptr<EnergyMeter>> EnergyMeter::Create(double watts, const MachineEnergy& machine) {
  if (!std::isfinite(watts) || watts <= 0) {
    return absl::InvalidArgumentError(absl::StrCat("watts is ", watts, "; allowed: a finite number > 0"));
  }
  return std::unique_ptr<EnergyMeter>(new EnergyMeter(watts, machine));
}

EnergyMeter::EnergyMeter(double watts, const MachineEnergy& machine) : watts_(watts), now_(machine.now) {
  if (auto rapl = OpenRapl(machine.powercap_root)) counters_.push_back(std::move(rapl));
  if (std::optional<NvmlFunctions> functions = LoadNvml(machine.nvml_library)) {
    if (auto nvml = OpenNvml(*std::move(functions))) counters_.push_back(std::move(nvml));
  }
  source_ = absl::StrJoin(counters_, " + ",
                          [](std::string* out, const auto& counter) { absl::StrAppend(out, counter->source()); });
  last_ = now_();
}

EnergyReading EnergyMeter::Sample() {
  const std::chrono::steady_clock::time_point begin = std::exchange(last_, now_());
  std::string notice;
  if (!counters_.empty()) {
    const absl::StatusOr<double> joules = JoulesCounted();
    if (joules.ok()) return {.joules = *joules, .source = source_};
    counters_.clear();  // The sum of the counters that are left would look like the energy of all.
    notice = absl::StrCat(joules.status().message(), "; energy is an estimate from here on");
  }
  return {.joules = watts_ * std::chrono::duration<double>(last_ - begin).count(),
          .is_estimate = true,
          .source = absl::StrCat("estimate, ", watts_, " W stated"),
          .notice = std::move(notice)};
}

absl::StatusOr<double> EnergyMeter::JoulesCounted() {
  double joules = 0;
  for (const std::unique_ptr<EnergyCounter>& counter : counters_) {
    const absl::StatusOr<double> part = counter->JoulesSinceLast();
    if (!part.ok()) return part.status();
    joules += *part;
  }
  return joules;
}

}  // namespace greenplan::profiler
