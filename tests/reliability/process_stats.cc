#include "tests/reliability/process_stats.h"

#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

// The number after "name:" in /proc/PID/status.
int64_t StatusEntry(pid_t process, const std::string& name) {
  std::ifstream file(absl::StrCat("/proc/", process, "/status"));
  std::string word;
  while (file >> word) {
    if (word != name + ":") continue;
    int64_t value = 0;
    file >> value;
    return value;
  }
  ADD_FAILURE() << "process " << process << " has no " << name;
  return 0;
}

}  // namespace

int64_t ResidentBytes(pid_t process) { return 1024 * StatusEntry(process, "VmRSS"); }
int64_t PeakResidentBytes(pid_t process) { return 1024 * StatusEntry(process, "VmHWM"); }
int64_t CountThreads(pid_t process) { return StatusEntry(process, "Threads"); }

int64_t CountDescriptors(pid_t process) {
  const std::filesystem::directory_iterator descriptors(absl::StrCat("/proc/", process, "/fd"));
  return std::distance(begin(descriptors), end(descriptors));
}

int64_t SetDescriptorLimit(pid_t process, int64_t count) {
  rlimit limit = {};
  EXPECT_EQ(prlimit(process, RLIMIT_NOFILE, nullptr, &limit), 0);
  const auto before = static_cast<int64_t>(limit.rlim_cur);
  limit.rlim_cur = static_cast<rlim_t>(count);
  EXPECT_EQ(prlimit(process, RLIMIT_NOFILE, &limit, nullptr), 0);
  return before;
}

}  // namespace greenplan
