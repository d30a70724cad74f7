#include "profiler/energy/nvml.h"

#include <dlfcn.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace greenplan::profiler {
namespace {

constexpr int kSuccess = 0;

struct Device {
  unsigned int index = 0;
  void* handle = nullptr;
  uint64_t last_mj = 0;
};

// Sets `function` to the library's function of that name. Returns false if there is none.
template <typename Result, typename... Arguments>
bool Load(void* library, const char* name, std::function<Result(Arguments...)>& function) {
  void* const symbol = dlsym(library, name);
  if (symbol == nullptr) return false;
  function = reinterpret_cast<Result (*)(Arguments...)>(symbol);
  return true;
}

class Nvml : public EnergyCounter {
 public:
  // REQUIRES: init has succeeded.
  explicit Nvml(NvmlFunctions nvml) : nvml_(std::move(nvml)) {
    unsigned int count = 0;
    if (nvml_.device_count(&count) != kSuccess) return;
    for (unsigned int index = 0; index < count; ++index) {
      Device device{.index = index};
      if (nvml_.device_by_index(index, &device.handle) != kSuccess) continue;
      const absl::StatusOr<uint64_t> now = Millijoules(device);
      if (!now.ok()) continue;
      device.last_mj = *now;
      devices_.push_back(device);
    }
  }
  ~Nvml() override { nvml_.shutdown(); }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  bool has_devices() const { return !devices_.empty(); }

  std::string source() const override {
    return absl::StrCat("NVML ", absl::StrJoin(devices_, ", ", [](std::string* out, const Device& device) {
                          absl::StrAppend(out, device.index);
                        }));
  }

  absl::StatusOr<double> JoulesSinceLast() override {
    double millijoules = 0;
    for (Device& device : devices_) {
      const absl::StatusOr<uint64_t> now = Millijoules(device);
      if (!now.ok()) return now.status();
      if (*now < device.last_mj) {
        return absl::DataLossError(absl::StrCat("the energy of GPU ", device.index, " fell from ", device.last_mj,
                                                " to ", *now, " mJ; its driver was probably reloaded"));
      }
      millijoules += static_cast<double>(*now - device.last_mj);
      device.last_mj = *now;
    }
    return millijoules * 1e-3;
  }

 private:
  absl::StatusOr<uint64_t> Millijoules(const Device& device) const {
    unsigned long long millijoules = 0;  // NOLINT(google-runtime-int): NVML's type.
    const int error = nvml_.total_energy(device.handle, &millijoules);
    if (error == kSuccess) return millijoules;
    return absl::UnavailableError(
        absl::StrCat("the energy of GPU ", device.index, " cannot be read: NVML error ", error));
  }

  const NvmlFunctions nvml_;
  std::vector<Device> devices_;
};

}  // namespace

std::optional<NvmlFunctions> LoadNvml(const std::string& library) {
  void* const handle = dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) return std::nullopt;
  NvmlFunctions nvml;
  const bool has_all = Load(handle, "nvmlInit_v2", nvml.init) && Load(handle, "nvmlShutdown", nvml.shutdown) &&
                       Load(handle, "nvmlDeviceGetCount_v2", nvml.device_count) &&
                       Load(handle, "nvmlDeviceGetHandleByIndex_v2", nvml.device_by_index) &&
                       Load(handle, "nvmlDeviceGetTotalEnergyConsumption", nvml.total_energy);
  return has_all ? std::optional(std::move(nvml)) : std::nullopt;
}

std::unique_ptr<EnergyCounter> OpenNvml(NvmlFunctions nvml) {
  if (nvml.init() != kSuccess) return nullptr;
  auto counter = std::make_unique<Nvml>(std::move(nvml));
  return counter->has_devices() ? std::move(counter) : nullptr;
}

}  // namespace greenplan::profiler
