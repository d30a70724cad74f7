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

// The power in watts that estimates assume by default. It is what a common desktop processor is designed to draw under
// load. A server's processor draws two to five times as much, a laptop's less than half. A GPU is not included.
inline constexpr double kDefaultWatts = 65;

// Where a machine's counters and clock are found. Tests replace them.
struct MachineEnergy {
  std::string powercap_root = "/sys/class/powercap";  // See rapl.h.
  std::string nvml_library = "libnvidia-ml.so.1";     // See nvml.h.
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};

// Measures the energy that the machine uses in consecutive spans of time.
//
// If the machine has energy counters, a reading is their sum: processor packages (rapl.h) and GPUs (nvml.h). They
// include what other programs use. If it has none, a reading is an estimate, the elapsed time multiplied by a given
// power, and is marked as one. Neither includes memory, disks, fans and the losses of the power supply.
//
//   absl::StatusOr<std::unique_ptr<EnergyMeter>> meter = EnergyMeter::Create(watts);
//   for (...) {
//     TrainStep();
//     total.Add((*meter)->Sample());
//   }
//
// If a counter fails, the reading of that span and all later readings are estimates.
//
// Not thread-safe. A sample takes one file read per package and one library call per GPU, tens of microseconds in all.
class EnergyMeter {
 public:
  // Opens the counters and begins the first span. `watts` is the power for estimates. Returns INVALID_ARGUMENT if it is
  // not a finite number > 0.
  static absl::StatusOr<std::unique_ptr<EnergyMeter>> Create(double watts, const MachineEnergy& machine = {});

  // Returns the energy used since the last call or, in the first call, since Create(), and begins the next span. Call
  // it at least once a minute, for instance after every step, because counters wrap (rapl.h).
  EnergyReading Sample();

 private:
  EnergyMeter(double watts, const MachineEnergy& machine);

  absl::StatusOr<double> JoulesCounted();

  const double watts_;
  const std::function<std::chrono::steady_clock::time_point()> now_;
  std::vector<std::unique_ptr<EnergyCounter>> counters_;
  std::string source_;  // The sources of all counters, joined by " + ".
  std::chrono::steady_clock::time_point last_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_ENERGY_METER_H_
