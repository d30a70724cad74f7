#ifndef GREENPLAN_PROFILER_ENERGY_FAKE_POWERCAP_H_
#define GREENPLAN_PROFILER_ENERGY_FAKE_POWERCAP_H_

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace greenplan::profiler {

// Makes a folder for the running test with files such as those that Linux shows below /sys/class/powercap.
class FakePowercap {
 public:
  // Creates the folder, empty.
  FakePowercap() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = std::filesystem::path(::testing::TempDir()) / test->test_suite_name() / test->name();
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }

  std::string root() const { return root_; }

  // Adds a domain, such as the folder "intel-rapl:0" for the package named "package-0". The counts are in microjoules.
  void AddDomain(const std::string& folder, const std::string& name, const std::string& energy_uj,
                 const std::string& range_uj = "1000000000") const {
    std::filesystem::create_directories(root_ / folder);
    Write(folder, "name", name);
    Write(folder, "max_energy_range_uj", range_uj);
    Write(folder, "energy_uj", energy_uj);
  }

  // Replaces the text of one file of a domain.
  void Write(const std::string& folder, const std::string& file, const std::string& text) const {
    std::ofstream(root_ / folder / file) << text << "\n";
  }

  // Makes a file unreadable, also for root, by putting a folder in its place.
  void MakeUnreadable(const std::string& folder, const std::string& file) const {
    std::filesystem::remove(root_ / folder / file);
    std::filesystem::create_directories(root_ / folder / file);
  }

 private:
  std::filesystem::path root_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_FAKE_POWERCAP_H_
