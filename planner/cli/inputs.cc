#include "planner/cli/inputs.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "planner/convert/files.h"
#include "planner/convert/plan_json.h"
#include "planner/core/invalid_argument.h"
#include "planner/files/files.h"
#include "planner/files/json_reader.h"
#include "planner/flags/plan_flags.h"

namespace greenplan {
namespace {

absl::StatusOr<v1::Plan> ReadPlanFile(const std::string& path, const ModelProfile& profile) {
  if (!absl::EndsWith(path, ".json")) return ReadMessageFile<v1::Plan>(path);
  const auto object = ReadJsonFile(path);
  if (!object.ok()) return object.status();
  if (!IsPlanWithNames(*object)) return ReadMessageFile<v1::Plan>(path);
  auto plan = PlanFromJson(*object, profile);
  if (!plan.ok()) return InContext(path, plan.status());
  return plan;
}

// The names, with "@FILE" replaced by the file's lines.
absl::StatusOr<std::vector<std::string>> ExpandNames(const std::vector<std::string>& names) {
  std::vector<std::string> expanded;
  for (const std::string& name : names) {
    if (!absl::StartsWith(name, "@")) {
      expanded.push_back(name);
      continue;
    }
    const auto text = ReadFile(name.substr(1));
    if (!text.ok()) return text.status();
    for (absl::string_view line : absl::StrSplit(*text, '\n')) {
      line = absl::StripAsciiWhitespace(line);
      if (!line.empty()) expanded.emplace_back(line);
    }
  }
  return expanded;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PreparedProfile>> LoadProfile(const std::string& path) {
  const auto message = ReadMessageFile<v1::ModelProfile>(path);
  if (!message.ok()) return message.status();
  auto profile = PreparedProfile::Create(*message);
  if (!profile.ok()) return InContext(path, profile.status());
  return profile;
}

absl::StatusOr<LoadedReport> LoadReport(const std::string& path, const PreparedProfile& profile,
                                        const PlanOptions& options) {
  const auto message = ReadMessageFile<v1::ImportanceReport>(path);
  if (!message.ok()) return message.status();
  auto measurements = profile.ReadReport(*message, options);
  // Whether mu is too large depends on the report, but mu is not in the file.
  if (FieldOf(measurements.status()) == "mu") return PlanFlags::NameFlags(measurements.status());
  if (!measurements.ok()) return InContext(path, measurements.status());
  return LoadedReport{.measurements = *std::move(measurements), .has_importance = message->importance_size() > 0};
}

absl::StatusOr<Plan> LoadPlan(const std::string& path, const PreparedProfile& profile) {
  const auto message = ReadPlanFile(path, profile.profile());
  if (!message.ok()) return message.status();
  auto plan = profile.ReadPlan(*message);
  if (!plan.ok()) return InContext(path, plan.status());
  return plan;
}

absl::StatusOr<std::vector<bool>> LoadMask(const std::string& flag, const std::vector<std::string>& names,
                                           const ModelProfile& profile) {
  const auto expanded = ExpandNames(names);
  if (!expanded.ok()) return InContext(flag, expanded.status());
  return MaskFromNames(flag, *expanded, profile);
}

absl::StatusOr<std::vector<double>> LoadDropRates(const std::string& path, const ModelProfile& profile) {
  const auto object = ReadJsonFile(path);
  if (!object.ok()) return object.status();
  auto rates = DropRatesFromJson(*object, profile);
  if (!rates.ok()) return InContext(path, rates.status());
  return rates;
}

}  // namespace greenplan
