#ifndef GREENPLAN_PROFILER_ENERGY_ENERGY_METER_H_
#define GREENPLAN_PROFILER_ENERGY_ENERGY_METER_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "profiler/energy/energy_counter.h"
#include "profiler/energy/energy_total.h"

namespace greenplan::profiler {

// The power that estimates assume unless told otherwise, in watts: what a common desktop processor is designed to draw
// under load. A server's processor draws two to five times as much, a laptop's less than half; a GPU comes on top.
inline constexpr double kDefaultWatts = 65;

// Where a machine's counters and clock are; a test puts others in their place.
struct MachineEnergy {
  std::string powercap_root = "/sys/class/powercap";  // See rapl.h.
  std::string nvml_library = "libnvidia-ml.so.1";     // See nvml.h.
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};

// Tells how much energy spans of time have used: the sum of what the machine counts, processor packages (rapl.h) and
// GPUs (nvml.h), other programs' share included; where it counts nothing, an estimate: time by a stated power, marked
// as one. Memory, disks, fans and the power supply's loss are in none of the counters.
//
//   absl::StatusOr<std::unique_ptr<EnergyMeter>> meter = EnergyMeter::Create(watts);
//   for (...) {
//     TrainStep();
//     total.Add((*meter)->Sample());
//   }
//
// If a counter fails on the way, the span in which it failed and all later ones are estimates.
// Not thread-safe. A sample costs a read per package and a library call per GPU: tens of microseconds.
class EnergyMeter {
 public:
  // Opens the counters and begins the first span. InvalidArgument: `watts` is not a finite number > 0.
  static absl::StatusOr<std::unique_ptr<EnergyMeter>> Create(double watts, const MachineEnergy& machine = {});

  // The energy of the span since the last call, at first since Create; begins the next span. Call it at least once a
  // minute, for instance after every step: see rapl.h on counters that wrap.
  EnergyReading Sample();

 private:
  EnergyMeter(double watts, const MachineEnergy& machine);

  absl::StatusOr<double> JoulesCounted();

  const double watts_;
  const std::function<std::chrono::steady_clock::time_point()> now_;
  std::vector<std::unique_ptr<EnergyCounter>> counters_;
  std::string source_;  // Of all counters.
  std::chrono::steady_clock::time_point last_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_ENERGY_METER_H_
