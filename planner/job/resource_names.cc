#include "planner/job/resource_names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

constexpr absl::string_view kJobsPrefix = "jobs/";
constexpr absl::string_view kPlansInfix = "/plans/";
constexpr size_t kMaxJobIdLength = 128;
constexpr size_t kMaxQuotedLength = 160;

bool IsJobName(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, kJobsPrefix) || name.empty() || name.size() > kMaxJobIdLength) return false;
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-'; });
}

// Fit for one line of a log or a terminal, whatever a client sent.
std::string Quoted(absl::string_view value) {
  if (value.size() <= kMaxQuotedLength) return absl::StrCat("\"", absl::CHexEscape(value), "\"");
  return absl::StrCat("\"", absl::CHexEscape(value.substr(0, kMaxQuotedLength)), "...\" (", value.size(), " bytes)");
}

}  // namespace

absl::Status ValidateJobName(absl::string_view name, absl::string_view field) {
  if (IsJobName(name)) return absl::OkStatus();
  return InvalidArgument(field, " is ", Quoted(name), "; must be jobs/{job}, {job} being 1 to ", kMaxJobIdLength,
                         " characters of [A-Za-z0-9._-]");
}

absl::StatusOr<PlanName> ParsePlanName(absl::string_view name, absl::string_view field) {
  PlanName result;
  const size_t infix = name.rfind(kPlansInfix);
  if (infix != absl::string_view::npos && IsJobName(name.substr(0, infix))) {
    result.job_name = std::string(name.substr(0, infix));
    const bool is_number = absl::SimpleAtoi(name.substr(infix + kPlansInfix.size()), &result.round);
    if (is_number && result.round >= 0 && FormatPlanName(result.job_name, result.round) == name) return result;
  }
  return InvalidArgument(field, " is ", Quoted(name),
                         "; must be jobs/{job}/plans/{round}, {round} being a number >= 0");
}

std::string FormatPlanName(absl::string_view job_name, int64_t round) {
  return absl::StrCat(job_name, kPlansInfix, round);
}

}  // namespace greenplan
