#include "planner/job/in_request.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {

absl::Status InRequest(absl::string_view path, const absl::Status& status) {
  const std::string field = FieldOf(status);
  if (field.empty()) {
    return absl::IsInvalidArgument(status) ? WithField(InContext(path, status), path) : status;
  }
  if (absl::StartsWith(status.message(), field)) return InsideField(absl::StrCat(path, "."), status);
  const std::string whole = absl::StrCat(path, ".", field);
  return WithField(InContext(whole, status), whole);
}

// The weight of sensitivity is the one option that a report is checked against.
absl::Status ReportInRequest(absl::string_view report, absl::string_view options, const absl::Status& status) {
  return InRequest(FieldOf(status) == "mu" ? options : report, status);
}

}  // namespace greenplan
