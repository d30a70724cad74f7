#include "planner/cli/inputs.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "planner/cli/plan_json.h"
#include "planner/convert/convert.h"
#include "planner/convert/files.h"

namespace greenplan {
namespace {

absl::Status CheckDigest(const std::string& digest, const RoundPlanner& planner) {
  if (digest.empty() || digest == planner.profile_digest()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("profile_digest is \"", digest, "\"; the profile's digest is ", planner.profile_digest()));
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

absl::Status InFile(const std::string& path, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

absl::StatusOr<nlohmann::json> ReadJson(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  nlohmann::json value = nlohmann::json::parse(*text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return absl::InvalidArgumentError(absl::StrCat(path, " is not JSON"));
  return value;
}

absl::StatusOr<std::unique_ptr<RoundPlanner>> LoadProfile(const std::string& path) {
  const auto message = ReadMessageFile<v1::ModelProfile>(path);
  if (!message.ok()) return message.status();
  auto planner = RoundPlanner::Create(*message);
  if (!planner.ok()) return InFile(path, planner.status());
  return planner;
}

absl::StatusOr<v1::ImportanceReport> LoadImportance(const std::string& path, const RoundPlanner& planner,
                                                    const v1::PlanOptions& options) {
  auto report = ReadMessageFile<v1::ImportanceReport>(path);
  if (!report.ok()) return report;
  if (auto status = CheckDigest(report->profile_digest(), planner); !status.ok()) return InFile(path, status);
  const auto core_options = PlanOptionsFromProto(options, planner.profile());
  if (!core_options.ok()) return core_options.status();
  const auto measurements = MeasurementsFromProto(*report, planner.profile(), core_options->method);
  if (!measurements.ok()) return InFile(path, measurements.status());
  return report;
}

absl::StatusOr<v1::Plan> LoadPlan(const std::string& path, const RoundPlanner& planner) {
  absl::StatusOr<v1::Plan> plan;
  if (absl::EndsWith(path, ".json")) {
    const auto object = ReadJson(path);
    if (!object.ok()) return object.status();
    const bool has_names = object->is_object() && object->contains("trainable") && (*object)["trainable"].is_array();
    plan = has_names ? PlanFromJson(*object, planner.profile()) : ReadMessageFile<v1::Plan>(path);
    if (!plan.ok()) return has_names ? InFile(path, plan.status()) : plan.status();
  } else {
    plan = ReadMessageFile<v1::Plan>(path);
    if (!plan.ok()) return plan;
  }
  if (auto status = CheckDigest(plan->profile_digest(), planner); !status.ok()) return InFile(path, status);
  if (auto core_plan = PlanFromProto(*plan, planner.profile()); !core_plan.ok()) {
    return InFile(path, core_plan.status());
  }
  return plan;
}

absl::StatusOr<std::vector<bool>> LoadMask(const std::string& flag, const std::vector<std::string>& names,
                                           const ModelProfile& profile) {
  const auto expanded = ExpandNames(names);
  if (!expanded.ok()) {
    return absl::Status(expanded.status().code(), absl::StrCat(flag, ": ", expanded.status().message()));
  }
  return MaskFromNames(flag, *expanded, profile);
}

absl::StatusOr<std::vector<double>> LoadDropRates(const std::string& path, const ModelProfile& profile) {
  const auto object = ReadJson(path);
  if (!object.ok()) return object.status();
  auto rates = DropRatesFromJson(*object, profile);
  if (!rates.ok()) return InFile(path, rates.status());
  return rates;
}

}  // namespace greenplan
