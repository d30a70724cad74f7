// A shared library with the functions that nvml.h loads, for tests. It lists two GPUs. Each call of the energy function
// reports 1.5 J more for the first. The second does not count its energy.

extern "C" {

constexpr int kSuccess = 0;
constexpr int kNotSupported = 3;  // NVML_ERROR_NOT_SUPPORTED

int nvmlInit_v2() { return kSuccess; }

int nvmlShutdown() { return kSuccess; }

int nvmlDeviceGetCount_v2(unsigned int* count) {
  *count = 2;
  return kSuccess;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void** device) {
  static int devices[2];
  *device = &devices[index];
  devices[index] = static_cast<int>(index);
  return kSuccess;
}

// NVML counts in this type.
// NOLINTBEGIN(google-runtime-int)
int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* millijoules) {
  static unsigned long long used = 1000000;
  if (*static_cast<int*>(device) != 0) return kNotSupported;
  *millijoules = used += 1500;
  return kSuccess;
}
// NOLINTEND(google-runtime-int)

}  // extern "C"
