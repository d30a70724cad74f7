#include "profiler/energy/rapl.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace greenplan::profiler {
namespace {

namespace fs = std::filesystem;

struct Package {
  int index = 0;      // N of intel-rapl:N.
  std::string label;  // What follows "package-" in its name.
  fs::path energy_file;
  int64_t range_uj = 0;
  int64_t last_uj = 0;
};

absl::StatusOr<std::string> ReadLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return absl::UnavailableError(absl::StrCat(path.string(), " cannot be read"));
  return line;
}

absl::StatusOr<int64_t> ReadMicrojoules(const fs::path& path, int64_t max) {
  const absl::StatusOr<std::string> line = ReadLine(path);
  if (!line.ok()) return line.status();
  int64_t microjoules = 0;
  if (!absl::SimpleAtoi(*line, &microjoules) || microjoules < 0 || microjoules > max) {
    return absl::DataLossError(absl::StrCat(path.string(), " is \"", *line, "\"; allowed: an integer from 0 to ", max));
  }
  return microjoules;
}

// Returns nullopt if the folder is not a package's or cannot be read.
std::optional<Package> OpenPackage(const fs::path& folder) {
  const std::string folder_name = folder.filename();
  absl::string_view index = folder_name;
  Package package{.energy_file = folder / "energy_uj"};
  if (!absl::ConsumePrefix(&index, "intel-rapl:") || !absl::SimpleAtoi(index, &package.index)) return std::nullopt;
  const absl::StatusOr<std::string> name = ReadLine(folder / "name");
  if (!name.ok()) return std::nullopt;
  absl::string_view label = *name;
  if (!absl::ConsumePrefix(&label, "package-")) return std::nullopt;
  package.label = std::string(label);
  const absl::StatusOr<int64_t> range =
      ReadMicrojoules(folder / "max_energy_range_uj", std::numeric_limits<int64_t>::max());
  if (!range.ok() || *range == 0) return std::nullopt;
  package.range_uj = *range;
  const absl::StatusOr<int64_t> now = ReadMicrojoules(package.energy_file, package.range_uj);
  if (!now.ok()) return std::nullopt;
  package.last_uj = *now;
  return package;
}

class Rapl : public EnergyCounter {
 public:
  explicit Rapl(std::vector<Package> packages) : packages_(std::move(packages)) {}

  std::string source() const override {
    return absl::StrCat("RAPL package ", absl::StrJoin(packages_, ", ", [](std::string* out, const Package& package) {
                          absl::StrAppend(out, package.label);
                        }));
  }

  absl::StatusOr<double> JoulesSinceLast() override {
    double microjoules = 0;
    for (Package& package : packages_) {
      const absl::StatusOr<int64_t> now = ReadMicrojoules(package.energy_file, package.range_uj);
      if (!now.ok()) return now.status();
      const int64_t wrapped_uj = *now < package.last_uj ? package.range_uj : 0;
      microjoules += static_cast<double>(wrapped_uj - package.last_uj + *now);
      package.last_uj = *now;
    }
    return microjoules * 1e-6;
  }

 private:
  std::vector<Package> packages_;
};

}  // namespace

std::unique_ptr<EnergyCounter> OpenRapl(const std::string& root) {
  std::vector<Package> packages;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(root, error)) {
    if (std::optional<Package> package = OpenPackage(entry.path())) packages.push_back(*std::move(package));
  }
  if (packages.empty()) return nullptr;
  std::sort(packages.begin(), packages.end(), [](const Package& a, const Package& b) { return a.index < b.index; });
  return std::make_unique<Rapl>(std::move(packages));
}

}  // namespace greenplan::profiler
